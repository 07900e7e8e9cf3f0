"""An Apache Kafka broker (KRaft, one process) from Maven Central, started on loopback; needs Java 17 and Maven."""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "4.1.0"
CLUSTER_ID = "Y2otc3VpdGUtZW1iZWRkZQ"
START_TIMEOUT_SECONDS = 60.0
JAVA_OPTIONS = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>embedded</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""


class KafkaNotAvailable(RuntimeError):
    """There is no way to have a broker on this machine; the message says what to install."""


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    """A running broker."""

    bootstrap_servers: str
    pid: int


def missing_programs() -> tuple[str, ...]:
    """What an embedded broker needs and this machine does not have."""
    needed = ["java"] if any(_jars().glob("kafka_2.13-*.jar")) else ["java", "mvn"]
    return tuple(name for name in needed if shutil.which(name) is None)


@contextmanager
def embedded_kafka(folder: Path) -> Iterator[KafkaBroker]:
    """Start a broker with its log in ``folder`` and stop it at the end; raises ``KafkaNotAvailable``."""
    missing = missing_programs()
    if missing:
        raise KafkaNotAvailable(
            f"{' and '.join(missing)} not found: install Java 17 and Maven, or start Docker,"
            " or set KAFKA_BOOTSTRAP_SERVERS"
        )
    jars = _download()
    folder.mkdir(parents=True, exist_ok=True)
    port, controller = _free_ports(2)
    settings = _write_settings(folder, port, controller)
    _java(jars, folder, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings))
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(
            _command(jars, "kafka.Kafka", str(settings)), stdout=log, stderr=log, cwd=folder
        )
        try:
            _wait_until_listening(process, port, folder)
            yield KafkaBroker(f"127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "cj-suite" / f"kafka-{VERSION}"


def _jars() -> Path:
    return _cache() / "jars"


def _download() -> Path:
    """The broker's jars, downloaded once; two sessions that start together wait for each other."""
    cache, jars = _cache(), _jars()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "complete").exists():
            (cache / "pom.xml").write_text(_POM)
            command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
            done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise KafkaNotAvailable(f"Maven could not fetch Kafka {VERSION}: {done.stdout[-500:]}")
            (cache / "complete").touch()
    return jars


def _write_settings(folder: Path, port: int, controller: int) -> Path:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(8 * 1024 * 1024),
        "num.partitions": "3",
    }
    path = folder / "server.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def _command(jars: Path, *arguments: str) -> list[str]:
    return ["java", *JAVA_OPTIONS, "-cp", f"{jars}/*", *arguments]


def _java(jars: Path, folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        _command(jars, *arguments), capture_output=True, text=True, cwd=folder, check=False
    )
    if done.returncode != 0:
        raise KafkaNotAvailable(f"{arguments[0]} failed: {done.stderr[-500:]}")


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise KafkaNotAvailable(f"the broker ended at once: see {folder / 'broker.log'}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    process.terminate()
    raise KafkaNotAvailable(f"the broker did not listen within {START_TIMEOUT_SECONDS:g} s")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
