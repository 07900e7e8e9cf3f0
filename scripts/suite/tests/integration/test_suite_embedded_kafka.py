"""The embedded broker carries messages, keeps to loopback, and says what it lacks."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from suite.embedded.errors import KafkaNotAvailable, KafkaNotStarted
from suite.embedded.kafka import embedded_kafka, fetch_jars, unavailable_reason
from suite.tests.process_ids import is_gone_within, runs

HELD_OPEN = """
import sys
from pathlib import Path
from suite.embedded.kafka import embedded_kafka

with embedded_kafka(Path(sys.argv[1])) as broker:
    print(broker.pid, flush=True)
    sys.stdin.read()
"""


async def test_the_runs_broker_carries_a_message(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}greeting"
    await _create(kafka_bootstrap, topic)

    await _send(kafka_bootstrap, topic, b"hello")
    received = await _receive(kafka_bootstrap, topic)

    assert received == b"hello"


async def test_no_topic_is_created_by_itself(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}never-created"

    with pytest.raises(KafkaError):
        await _send(kafka_bootstrap, topic, b"hello", timeout_ms=1000)

    assert topic not in await _topics(kafka_bootstrap)


@pytest.fixture
def needs_java() -> None:
    reason = unavailable_reason()
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.usefixtures("needs_java")
def test_a_broker_listens_on_loopback_alone_and_ends_with_its_context(tmp_path: Path) -> None:
    with embedded_kafka(tmp_path) as broker:
        listening = _listening_addresses(broker.pid)

    assert listening == {"127.0.0.1"}
    assert not runs(broker.pid)


@pytest.mark.usefixtures("needs_java")
def test_a_broker_does_not_outlive_a_killed_owner(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", HELD_OPEN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    broker = int(owner.stdout.readline())

    owner.kill()
    owner.wait()

    assert is_gone_within(broker, seconds=10)


@pytest.mark.usefixtures("needs_java")
def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")

    with pytest.raises(KafkaNotStarted, match="Kafka could not format"), embedded_kafka(tmp_path):
        pass


def test_without_java_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(KafkaNotAvailable, match="install Java 17 and Maven"), embedded_kafka(tmp_path):
        pass


def test_without_maven_and_jars_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "empty"))

    with pytest.raises(KafkaNotAvailable, match="install Java 17 and Maven"):
        fetch_jars()


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    reason = unavailable_reason()

    assert reason is not None
    assert "older than 17" in reason


def test_jars_that_could_not_be_fetched_leave_nothing_that_looks_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "mvn", "echo '[ERROR] no route to the repository'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CJ_CACHE_DIR", str(tmp_path / "cache"))

    with pytest.raises(KafkaNotAvailable, match="no route to the repository"):
        fetch_jars()

    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _create(bootstrap: str, topic: str) -> None:
    async with _admin(bootstrap) as admin:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])


async def _topics(bootstrap: str) -> list[str]:
    async with _admin(bootstrap) as admin:
        return list(await admin.list_topics())


async def _send(bootstrap: str, topic: str, value: bytes, *, timeout_ms: int = 20_000) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=timeout_ms
    )
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _receive(bootstrap: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}.group", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            record = await consumer.getone()
            return bytes(record.value) if record.value is not None else None
    finally:
        await consumer.stop()


def _listening_addresses(pid: int) -> set[str]:
    listening = [each for each in psutil.Process(pid).net_connections("inet") if each.status == "LISTEN"]
    return {each.laddr.ip.removeprefix("::ffff:") for each in listening}


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
