"""A batch's messages over Kafka: each is kept, or the run says that it could not be."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from batch_runner.tests.building import BATCH
from batch_runner.wire.kafka import KINDS, KafkaTransport
from event_contracts import ExternalServiceError, Topic
from structlog.testing import capture_logs


@asynccontextmanager
async def listening(kafka_bootstrap: str, folder: Path) -> AsyncIterator[KafkaTransport]:
    prefix = f"{uuid4()}."
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{prefix}{topic}", 1, 1) for topic in KINDS])
    await admin.close()
    async with KafkaTransport(
        bootstrap=kafka_bootstrap, client_id="cj-run", batch_id=BATCH, folder=folder, prefix=prefix
    ) as transport:
        yield transport


async def publish_completion(kafka_bootstrap: str, prefix: str) -> None:
    completion = {"event_id": str(uuid4()), "data": {"entity_id": BATCH}}
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(
            f"{prefix}{Topic.CJ_ASSESSMENT_COMPLETED}", json.dumps(completion).encode()
        )


async def test_a_message_about_the_batch_is_kept_and_counted(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with listening(kafka_bootstrap, tmp_path) as transport:
        await publish_completion(kafka_bootstrap, transport.prefix)
        await transport.until_quiet()

        assert transport.observed() == {"comparisons": 0, "assessment_results": 0, "completions": 1}
    assert len(list((tmp_path / "events" / "completions").iterdir())) == 1


POISON = {
    "nested too deeply": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "an id that is no file's name": json.dumps({"event_id": "a\x00b", "data": {"entity_id": BATCH}}).encode(),
    "an id that is too long": json.dumps({"event_id": "a" * 5_000, "data": {"entity_id": BATCH}}).encode(),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_a_message_that_is_no_event_is_passed_over(
    kafka_bootstrap: str, tmp_path: Path, poison: bytes
) -> None:
    async with listening(kafka_bootstrap, tmp_path) as transport:
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            await producer.send_and_wait(f"{transport.prefix}{Topic.CJ_ASSESSMENT_COMPLETED}", poison)
        await publish_completion(kafka_bootstrap, transport.prefix)
        await transport.until_quiet()

        assert transport.observed()["completions"] == 1


async def test_a_message_that_cannot_be_kept_fails_the_run_instead_of_missing_from_its_record(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    (tmp_path / "events").write_text("a file where the messages' folder should be", "utf-8")

    with capture_logs() as logged:
        async with listening(kafka_bootstrap, tmp_path) as transport:
            await publish_completion(kafka_bootstrap, transport.prefix)
            with pytest.raises(ExternalServiceError, match=f"--resume {tmp_path}"):
                await transport.until_quiet()

    assert [(line["event"], line["log_level"]) for line in logged] == [("kafka.stopped", "warning")]


async def test_a_topic_that_is_not_there_is_named(kafka_bootstrap: str, tmp_path: Path) -> None:
    transport = KafkaTransport(
        bootstrap=kafka_bootstrap, client_id="cj-run", batch_id=BATCH, folder=tmp_path, prefix="nowhere."
    )

    with pytest.raises(ExternalServiceError, match=r"has no topic nowhere\.\S+: check --kafka-topic-prefix"):
        await transport.__aenter__()
