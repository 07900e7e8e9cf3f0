"""Dead letters on Kafka: listed, replayed to where they came from, or dropped, each exactly once.

Kafka deletes no single record. What became of a dead letter is therefore noted on a compacted topic of its own, in
the same Kafka transaction as the replay: there is never one without the other. The producer's transactional id is
that of the installation: it fences every other operator, and what they have handled is read after that.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    UnknownTopicOrPartitionError,
)
from event_contracts import ALL_TOPICS, Conflict, DeadLetterHeader, dead_letter_topic

from service_kit.messaging.event_bus import MAX_MESSAGE_BYTES, BusUnavailable, Headers
from service_kit.messaging.event_bus.kafka_errors import unreachable
from service_kit.messaging.event_bus.kafka_publishing import retrieve_exception
from service_kit.messaging.event_bus.kafka_topics import FRAMING_BYTES, NewTopics, create_missing_topics
from service_kit.messaging.event_bus.port import DEAD_LETTER_HEADROOM_BYTES
from service_kit.work.isolation import isolate

HANDLED_TOPIC: Final = "huleedu.dead_letters.handled.v1"
"""What has become of dead letters: the key is a letter's place, the value what was done and when."""

TRANSACTION_LETTERS: Final = 100
TRANSACTION_BYTES: Final = 16 * 1024 * 1024
ANSWER_SECONDS: Final = 30.0
_ADDED: Final = frozenset(str(header) for header in DeadLetterHeader)


class Action(StrEnum):
    """What an operator does with dead letters."""

    REPLAY = "replay"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could not be handled, as it was published, and why; ``topic`` is its original one."""

    topic: str
    partition: int
    offset: int
    written_at: datetime
    reason: str
    error: str
    service: str
    event_id: str | None
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def letter_id(self) -> str:
        """Its place among the dead letters."""
        return f"{dead_letter_topic(self.topic)}:{self.partition}:{self.offset}"

    @property
    def note_key(self) -> bytes:
        """Its key among what was handled; a topic that is created again counts its offsets from 0 again."""
        return f"{self.letter_id}:{self.written_at.timestamp():.3f}".encode()

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Selects dead letters; a field that is None or empty matches everything."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: frozenset[str] = frozenset()
    """Places, or event ids."""

    def admits(self, letter: DeadLetter) -> bool:
        """True for a letter that is selected."""
        return (
            (self.topic is None or self.topic in (letter.topic, dead_letter_topic(letter.topic)))
            and (self.reason is None or self.reason == letter.reason)
            and (self.since is None or letter.written_at >= self.since)
            and (self.until is None or letter.written_at <= self.until)
            and (not self.ids or letter.letter_id in self.ids or letter.event_id in self.ids)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """How many letters were handled, and why others were not, by their ids."""

    count: int
    refused: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """The dead letters of one installation; every call raises ``BusUnavailable`` while Kafka does not answer."""

    bootstrap_servers: str
    topic_prefix: str = ""

    async def waiting(self, wanted: LetterFilter) -> AsyncIterator[DeadLetter]:
        """Letters neither replayed nor dropped, those that are there now, topic by topic."""
        async with self._translated():
            handled = await self._handled()
            async for letter in self._all():
                if wanted.admits(letter) and letter.note_key not in handled:
                    yield letter

    async def counts(self, wanted: LetterFilter) -> Mapping[tuple[str, str], int]:
        """How many wait, by original topic and reason."""
        return Counter([(letter.topic, letter.reason) async for letter in self.waiting(wanted)])

    async def handle(self, wanted: LetterFilter, action: Action) -> Handled:
        """Replay or drop what waits; a letter that Kafka refuses keeps no other back.

        A replayed message has its bytes, key, event id and own headers. Raises ``Conflict`` when another operator has
        begun meanwhile; what was done until then is done.
        """
        count, refused = 0, dict[str, str]()

        async def handle_part(part: Sequence[DeadLetter]) -> None:
            nonlocal count
            try:
                count += await self._handle_part(part, action)
            except KafkaError as error:
                if isinstance(error, MessageSizeTooLargeError | UnknownTopicOrPartitionError):
                    raise
                raise unreachable(self.bootstrap_servers, error) from error

        async with self._translated():
            await self._create_handled_topic()
            async for part in _parts(self.waiting(wanted)):
                for failure in await isolate(part, handle_part):
                    refused[failure.item.letter_id] = repr(failure.error)
            return Handled(count=count, refused=refused)

    async def _handle_part(self, part: Sequence[DeadLetter], action: Action) -> int:
        """How many were handled: what another operator has handled meanwhile is left out."""
        note = orjson.dumps({"action": action, "at": datetime.now(UTC).isoformat()})
        # A producer of its own: one whose message was refused cannot continue. It fences every other operator's, so
        # that what is noted as handled by now is complete.
        async with self._producer() as producer:
            handled = await self._handled()
            waiting = [letter for letter in part if letter.note_key not in handled]
            if waiting:
                await self._send(producer, waiting, action, note)
        return len(waiting)

    async def _send(
        self, producer: AIOKafkaProducer, letters: Sequence[DeadLetter], action: Action, note: bytes
    ) -> None:
        async with producer.transaction():
            sent = []

            async def send(topic: str, **message: Any) -> None:
                sent.append(await producer.send(self.topic_prefix + topic, **message))
                sent[-1].add_done_callback(retrieve_exception)

            for letter in letters:
                if action == Action.REPLAY:
                    headers = list(letter.headers)
                    await send(letter.topic, value=letter.value, key=letter.key, headers=headers)
                await send(HANDLED_TOPIC, value=note, key=letter.note_key)
            await asyncio.wait(sent)
            # What was sent after a refused message fails as out of order: the refusal itself is the reason.
            errors = [error for one in sent if (error := one.exception()) is not None]
            if errors:
                raise next((one for one in errors if isinstance(one, MessageSizeTooLargeError)), errors[0])

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            transactional_id=f"{self.topic_prefix}dead-letters",
            max_request_size=MAX_MESSAGE_BYTES + DEAD_LETTER_HEADROOM_BYTES + FRAMING_BYTES,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await producer.start()
            yield producer
        finally:
            await producer.stop()

    async def _all(self) -> AsyncIterator[DeadLetter]:
        names = {
            self.topic_prefix + dead_letter_topic(str(spec.topic)): str(spec.topic) for spec in ALL_TOPICS
        }
        async for record in self._records(list(names)):
            yield _letter(record, topic=names[record.topic])

    async def _handled(self) -> set[bytes]:
        return {
            record.key async for record in self._records([self.topic_prefix + HANDLED_TOPIC]) if record.key
        }

    async def _records(self, topics: Sequence[str]) -> "AsyncIterator[ConsumerRecord[bytes, bytes]]":
        """Every committed record of those of these topics that exist, up to their present ends."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                places = await _partitions(self.bootstrap_servers, topics)
                if not places:
                    return
                await consumer.start()
                consumer.assign(places)
                ends = await consumer.end_offsets(places)
                begins = await consumer.beginning_offsets(places)
            unread = {place for place in places if begins[place] < ends[place]}
            while unread:
                polled = await consumer.getmany(*unread, timeout_ms=1000, max_records=500)
                for place, records in polled.items():
                    for record in records:
                        if record.offset < ends[place]:
                            yield record
                unread = {place for place in unread if await consumer.position(place) < ends[place]}
        finally:
            await consumer.stop()

    async def _create_handled_topic(self) -> None:
        topic = NewTopics(names=[self.topic_prefix + HANDLED_TOPIC], partitions=1, is_compacted=True)
        async with asyncio.timeout(ANSWER_SECONDS):
            await create_missing_topics(self.bootstrap_servers, topic)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self.bootstrap_servers, error) from error
        except BusUnavailable as error:
            if isinstance(error.__cause__, ProducerFenced | InvalidProducerEpoch):
                raise Conflict(
                    "another operator has begun to handle dead letters: list them again"
                ) from error
            raise


async def _partitions(bootstrap_servers: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Of those of these topics that exist; a consumer knows the partitions of its own topics alone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        wanted = [topic for topic in topics if topic in existing]
        described = await admin.describe_topics(wanted) if wanted else []
    finally:
        await admin.close()
    return [
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    ]


async def _parts(letters: AsyncIterator[DeadLetter]) -> AsyncIterator[list[DeadLetter]]:
    part: list[DeadLetter] = []
    async for letter in letters:
        part.append(letter)
        if len(part) >= TRANSACTION_LETTERS or sum(one.size for one in part) >= TRANSACTION_BYTES:
            yield part
            part = []
    if part:
        yield part


def _letter(record: "ConsumerRecord[bytes, bytes]", *, topic: str) -> DeadLetter:
    headers = {name: value for name, value in record.headers if value is not None}
    event_id = headers.get("event_id")
    return DeadLetter(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        written_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        reason=_text(headers.get(DeadLetterHeader.REASON, b"unknown")),
        error=_text(headers.get(DeadLetterHeader.ERROR, b"")),
        service=_text(headers.get(DeadLetterHeader.SERVICE, b"unknown")),
        event_id=None if event_id is None else _text(event_id),
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if name not in _ADDED),
    )


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
