"""A batch over Kafka: its request is published, and its messages are followed from where they began."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from event_contracts import (
    ELS_CJAssessmentRequestV1,
    EventEnvelope,
    ExternalServiceError,
    Topic,
    WireModel,
)
from pydantic import JsonValue, ValidationError

from batch_runner import run_log
from batch_runner.artefact.run_files import write_whole

KINDS: Final[Mapping[Topic, str]] = {
    Topic.LLM_COMPARISON_RESULT: "comparisons",
    Topic.ASSESSMENT_RESULT_PUBLISHED: "assessment_results",
    Topic.CJ_ASSESSMENT_COMPLETED: "completions",
    Topic.CJ_ASSESSMENT_FAILED: "completions",
}
"""Where a message of each topic is kept below ``events/`` of the run's folder."""

POLL_MS: Final = 500
READ_AGAIN_SECONDS: Final = 0.05
QUIET_SECONDS: Final = 10.0
"""How long the last messages of a batch that has ended are waited for."""


@dataclass(kw_only=True)
class KafkaTransport:
    """Publishes the request under the batch's key, and keeps every message about the batch once."""

    bootstrap: str
    client_id: str
    batch_id: str
    folder: Path
    prefix: str = ""
    offsets: Mapping[str, int] = field(default_factory=dict)
    """Where to read on from, by ``topic:partition``."""

    _seen: set[str] = field(default_factory=set)
    _counts: Counter[str] = field(default_factory=Counter)
    _consumer: AIOKafkaConsumer | None = None
    _listening: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        """Connect, and know where the topics end before anything is published; raises ``ExternalServiceError``."""
        for path in (self.folder / "events").glob("*/*.json"):
            self._seen.add(path.stem)
            self._counts[path.parent.name] += 1
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            client_id=self.client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            partitions = await self._partitions()
            await consumer.start()
            consumer.assign(partitions)
            if not self.offsets:
                ends = await consumer.end_offsets(partitions)
                self.offsets = {_name(partition): offset for partition, offset in ends.items()}
            for partition in partitions:
                consumer.seek(partition, self.offsets.get(_name(partition), 0))
        except ExternalServiceError:
            await consumer.stop()
            raise
        except KafkaError as error:
            await consumer.stop()
            raise ExternalServiceError(
                f"no answer from Kafka at {self.bootstrap} ({type(error).__name__}): check the address"
            ) from error
        self._consumer = consumer
        self._listening = asyncio.create_task(self._listen(consumer))
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            # That it could not go on was logged then; ``until_quiet`` raises it where the messages are counted.
            with suppress(asyncio.CancelledError, ExternalServiceError):
                await self._listening
        if self._consumer is not None:
            await self._consumer.stop()

    async def start(self, request: EventEnvelope[ELS_CJAssessmentRequestV1]) -> None:
        """Publish the request; published again, it is the same event. Raises ``ExternalServiceError``."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, client_id=self.client_id, enable_idempotence=True, acks="all"
        )
        try:
            await producer.start()
            await producer.send_and_wait(
                f"{self.prefix}{Topic.CJ_ASSESSMENT_REQUESTED}",
                value=request.to_json(),
                key=self.batch_id.encode(),
                headers=[(name, value.encode()) for name, value in _headers(request)],
            )
        except KafkaError as error:
            raise ExternalServiceError(
                f"the request could not be published at {self.bootstrap} ({type(error).__name__})"
            ) from error
        finally:
            await producer.stop()

    @property
    def is_queued(self) -> bool:
        """The service reads the request when it comes to it."""
        return True

    def observed(self) -> Mapping[str, int]:
        """Messages about the batch by kind, each counted once."""
        return {kind: self._counts[kind] for kind in KINDS.values()}

    async def until_quiet(self) -> None:
        """Read on to the batch's completion and to what came before it, but not for ever.

        Raises ``ExternalServiceError`` where messages can no longer be read or kept: some would not be counted.
        """
        listening, consumer = self._listening, self._consumer
        if listening is None or consumer is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                with self._translating():
                    await self._read_on(consumer, listening)
        if listening.done():
            await listening

    async def _read_on(self, consumer: AIOKafkaConsumer, listening: "asyncio.Task[None]") -> None:
        while not (self._counts["completions"] or listening.done()):  # noqa: ASYNC110 - the broker's event
            await asyncio.sleep(READ_AGAIN_SECONDS)
        ends = await consumer.end_offsets(list(consumer.assignment()))
        for partition, end in ends.items():
            while not (await consumer.position(partition) >= end or listening.done()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(READ_AGAIN_SECONDS)

    async def _partitions(self) -> list[TopicPartition]:
        """Of every topic in ``KINDS``; a consumer without a subscription knows of no topic by itself."""
        names = [f"{self.prefix}{topic}" for topic in KINDS]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, client_id=self.client_id)
        try:
            await admin.start()
            missing = sorted(set(names) - set(await admin.list_topics()))
            described = [] if missing else await admin.describe_topics(names)
        finally:
            await admin.close()
        if missing:
            raise ExternalServiceError(
                f"Kafka at {self.bootstrap} has no topic {missing[0]}: check --kafka-topic-prefix, and that the"
                " services have been started with Kafka"
            )
        return [
            TopicPartition(topic["topic"], each["partition"])
            for topic in described
            for each in topic["partitions"]
        ]

    async def _listen(self, consumer: AIOKafkaConsumer) -> None:
        with self._translating():
            while True:
                polled = await consumer.getmany(timeout_ms=POLL_MS)
                for partition, records in polled.items():
                    kind = KINDS[Topic(partition.topic.removeprefix(self.prefix))]
                    for record in records:
                        self._keep(kind, record.value)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (KafkaError, OSError) as error:
            reason = str(error) or type(error).__name__
            run_log.warning(run_log.LogEvent.KAFKA_STOPPED, reason=reason)
            raise ExternalServiceError(
                f"the batch's messages on Kafka could not be read or kept ({reason}): correct that and read them again"
                f" with cj-run execute --resume {self.folder}; the batch itself is not affected"
            ) from error

    def _keep(self, kind: str, value: bytes | None) -> None:
        """Keep a message about this batch; others, and messages that are not ours, are left alone."""
        try:
            message = _Message.model_validate_json(value or b"")
        except ValidationError:
            return
        event_id = str(message.event_id)
        if _batch_of(message.data) != self.batch_id or event_id in self._seen:
            return
        write_whole(self.folder / "events" / kind / f"{event_id}.json", value or b"")
        self._seen.add(event_id)
        self._counts[kind] += 1


class _Message(WireModel):
    """What is read of a message; its id names a file."""

    event_id: UUID
    data: JsonValue


def _batch_of(data: JsonValue) -> JsonValue:
    """The batch that a message's data is about."""
    if not isinstance(data, dict):
        return None
    metadata = data.get("request_metadata")
    if isinstance(metadata, dict):
        return metadata.get("bos_batch_id")
    return data.get("batch_id") or data.get("entity_id")


def _headers(request: EventEnvelope[ELS_CJAssessmentRequestV1]) -> list[tuple[str, str]]:
    return [
        ("event_id", str(request.event_id)),
        ("event_type", request.event_type),
        ("correlation_id", str(request.correlation_id)),
        ("source_service", request.source_service),
    ]


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}:{partition.partition}"
