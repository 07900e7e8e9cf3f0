"""Apache Kafka (KRaft, one process) from its jars in Maven Central, on loopback, for tests and benchmarks."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final

from command_line.loopback import HOST, free_ports

from suite.embedded.errors import KafkaNotAvailable, KafkaNotStarted
from suite.embedded.guarding import file_lock, kill_on_parent_death

KAFKA_VERSION: Final = "4.1.0"
OLDEST_JAVA: Final = 17
CLUSTER_ID: Final = "Y2pzdWl0ZS1icm9rZXItMQ"
FETCH_TIMEOUT_SECONDS: Final = 600
START_TIMEOUT_SECONDS: Final = 60
INSTALL_HINT: Final = "install Java 17 and Maven, or set KAFKA_BOOTSTRAP_SERVERS, or start Docker"

BROKER_SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "message.max.bytes": "10485760",
}
"""Settings of every one-node broker of this suite; topics are created by the services that own them."""

_JVM: Final = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGGING: Final = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
_COPY_DEPENDENCIES: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM: Final = Template("""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$kafka</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
""")


@dataclass(kw_only=True)
class KafkaBroker:
    """A running broker: its address (host:port), its version, and a process that may be killed and started again."""

    bootstrap: str
    version: str
    _command: Sequence[str]
    _log: Path
    _process: "subprocess.Popen[bytes] | None" = None
    _guard: ExitStack = field(default_factory=ExitStack)

    @property
    def pid(self) -> int:
        """Of its process; raises ``KafkaNotStarted`` before it was started."""
        if self._process is None:
            raise KafkaNotStarted("the broker was not started: call start() first")
        return self._process.pid

    def start(self) -> None:
        """Start it with the data that it has, and wait until it serves; raises KafkaNotStarted."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard.enter_context(kill_on_parent_death(self._process.pid, signal.SIGKILL))
        _wait_until_listening(self._process, int(self.bootstrap.rpartition(":")[2]), self._log)

    def kill(self) -> None:
        """End it with SIGKILL, and wait until it has ended; its data stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._guard.close()


@contextmanager
def embedded_kafka(folder: Path) -> Iterator[KafkaBroker]:
    """Run a fresh broker whose data and ``broker.log`` are in ``folder``, until the context ends.

    The first call on a machine fetches 43 MB of jars into the cache folder. The broker is ended by its
    pid, and ends also when this process is killed. Raises KafkaNotAvailable, KafkaNotStarted.
    """
    java = _java()
    jars = fetch_jars()
    folder.mkdir(parents=True, exist_ok=True)
    port, controller_port = free_ports(2)
    settings = _write_settings(folder, port, controller_port)
    command = [java, *_JVM, _LOGGING, "-cp", f"{jars}/*"]
    _format(command, settings)
    broker = KafkaBroker(
        bootstrap=f"{HOST}:{port}",
        version=KAFKA_VERSION,
        _command=[*command, "kafka.Kafka", str(settings)],
        _log=folder / "broker.log",
    )
    try:
        broker.start()
        yield broker
    finally:
        # Nothing to save: a broker's data never outlives it.
        broker.kill()


@contextmanager
def throwaway_kafka() -> Iterator[KafkaBroker]:
    """Run a fresh broker whose data is removed afterwards: for tests."""
    with (
        tempfile.TemporaryDirectory(prefix="cj-kafka-", ignore_cleanup_errors=True) as folder,
        embedded_kafka(Path(folder)) as broker,
    ):
        yield broker


def unavailable_reason() -> str | None:
    """Why an embedded broker cannot run here, in a sentence; None if it can. Fetches nothing."""
    try:
        _java()
        if not _jar_folder().is_dir():
            _maven()
    except KafkaNotAvailable as error:
        return error.message
    return None


def fetch_jars() -> Path:
    """The folder of Kafka's jars: fetched with Maven by the first of many processes, found by the others."""
    jars = _jar_folder()
    with file_lock(jars.with_suffix(".lock")):
        if not jars.is_dir():
            with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as folder:
                _copy_dependencies(Path(folder)).rename(jars)
    return jars


def _copy_dependencies(folder: Path) -> Path:
    pom, jars = folder / "pom.xml", folder / "jars"
    pom.write_text(_POM.substitute(kafka=KAFKA_VERSION), encoding="utf-8")
    command = [_maven(), "-q", "-B", "-f", str(pom), _COPY_DEPENDENCIES]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    try:
        subprocess.run(
            [*command, *options], check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise KafkaNotAvailable(
            f"Maven could not fetch Kafka {KAFKA_VERSION}: {_first_error(error)}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise KafkaNotAvailable(
            f"Maven took over {FETCH_TIMEOUT_SECONDS} s to fetch Kafka: {INSTALL_HINT}"
        ) from error
    return jars


def _first_error(error: subprocess.CalledProcessError) -> str:
    lines = [line for line in f"{error.stdout}{error.stderr}".splitlines() if "ERROR" in line]
    return lines[0] if lines else f"exit code {error.returncode}"


def _jar_folder() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "comparative-judgement-suite"
    return Path(os.environ.get("CJ_CACHE_DIR") or default).absolute() / f"kafka-{KAFKA_VERSION}"


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise KafkaNotAvailable(f"Java is not installed: {INSTALL_HINT}")
    output = subprocess.run(
        [java, "-version"], capture_output=True, text=True, timeout=30, check=False
    ).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise KafkaNotAvailable(f"the installed Java is older than {OLDEST_JAVA}: {INSTALL_HINT}")
    return java


def _maven() -> str:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaNotAvailable(
            f"Kafka is not in the cache, and Maven is not installed to fetch it: {INSTALL_HINT}"
        )
    return maven


def _write_settings(folder: Path, port: int, controller_port: int) -> Path:
    settings = {
        **BROKER_SETTINGS,
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "log.dirs": str(folder / "data"),
        # The default takes 128 MB of the heap immediately.
        "log.cleaner.dedupe.buffer.size": "4194304",
    }
    path = folder / "server.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
    return path


def _format(command: list[str], settings: Path) -> None:
    tool = [*command, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings)]
    formatted = subprocess.run(
        tool, capture_output=True, text=True, timeout=START_TIMEOUT_SECONDS, check=False
    )
    if formatted.returncode != 0:
        raise KafkaNotStarted(f"Kafka could not format its data folder: {formatted.stderr.strip()[-500:]}")


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    # The broker opens its port last: once it accepts a connection, it serves.
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    last = log.read_text("utf-8", errors="replace").splitlines()[-5:]
    raise KafkaNotStarted("\n".join(["Kafka did not start:", *last]))
