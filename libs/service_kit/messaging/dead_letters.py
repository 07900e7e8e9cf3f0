"""Dead letters on Kafka: listed, replayed to where they came from, or dropped, each exactly once.

Kafka deletes no single record. What became of a dead letter is therefore noted on a compacted topic of its own, in
the same Kafka transaction as the replay: there is never one without the other. The producer's transactional id is
that of the installation, so a second operator who starts meanwhile fences the first instead of replaying twice.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from event_contracts import ALL_TOPICS, ConfigurationError, Conflict, DeadLetterHeader, dead_letter_topic

from service_kit.messaging.event_bus.kafka_topics import BROKERS_DEFAULT, FRAMING_BYTES
from service_kit.messaging.event_bus.port import (
    DEAD_LETTER_ROOM,
    MAX_MESSAGE_BYTES,
    BusUnavailable,
    Headers,
)

HANDLED_TOPIC: Final = "huleedu.dead_letters.handled.v1"
"""What has become of dead letters: the key is a letter's place, the value what was done and when."""

TRANSACTION_LETTERS: Final = 100
TRANSACTION_BYTES: Final = 16 * 1024 * 1024
ANSWER_SECONDS: Final = 30.0
RETRY_AFTER_SECONDS: Final = 5.0
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
        """Its key among what was handled; a topic that is made anew begins to count its offsets anew."""
        return f"{self.letter_id}:{self.written_at.timestamp():.3f}".encode()

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which dead letters are meant; what is None or empty does not matter."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: frozenset[str] = frozenset()
    """Places, or event ids."""

    def admits(self, letter: DeadLetter) -> bool:
        """True for a letter that is meant."""
        return (
            (self.topic is None or self.topic in (letter.topic, dead_letter_topic(letter.topic)))
            and (self.reason is None or self.reason == letter.reason)
            and (self.since is None or letter.written_at >= self.since)
            and (self.until is None or letter.written_at <= self.until)
            and (not self.ids or letter.letter_id in self.ids or letter.event_id in self.ids)
        )


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """The dead letters of one installation; every call raises ``BusUnavailable`` while Kafka does not answer."""

    bootstrap_servers: str
    topic_prefix: str = ""

    async def waiting(self, wanted: LetterFilter) -> AsyncIterator[DeadLetter]:
        """Letters that nobody has replayed or dropped, those that are there now, topic by topic."""
        async with self._translated():
            handled = await self._handled()
            async for letter in self._all():
                if wanted.admits(letter) and letter.note_key not in handled:
                    yield letter

    async def counts(self, wanted: LetterFilter) -> Mapping[tuple[str, str], int]:
        """How many wait, by original topic and reason."""
        return Counter([(letter.topic, letter.reason) async for letter in self.waiting(wanted)])

    async def handle(self, wanted: LetterFilter, action: Action) -> int:
        """Replay or drop what waits; returns how many.

        A replayed message has its bytes, key, event id and own headers. Raises ``Conflict`` when another operator has
        begun meanwhile; what was done until then is done.
        """
        async with self._translated():
            await self._create_handled_topic()
            async with self._producer() as producer:
                done = 0
                async for part in _parts(self.waiting(wanted)):
                    await self._handle_part(producer, part, action)
                    done += len(part)
                return done

    async def _handle_part(
        self, producer: AIOKafkaProducer, part: Sequence[DeadLetter], action: Action
    ) -> None:
        note = orjson.dumps({"action": action, "at": datetime.now(UTC).isoformat()})
        async with producer.transaction():
            for letter in part:
                if action == Action.REPLAY:
                    await producer.send(
                        self.topic_prefix + letter.topic,
                        value=letter.value,
                        key=letter.key,
                        headers=list(letter.headers),
                    )
                await producer.send(self.topic_prefix + HANDLED_TOPIC, value=note, key=letter.note_key)
            await producer.flush()

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers,
            transactional_id=f"{self.topic_prefix}dead-letters",
            max_request_size=MAX_MESSAGE_BYTES + DEAD_LETTER_ROOM + FRAMING_BYTES,
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
        topic = NewTopic(self.topic_prefix + HANDLED_TOPIC, 1, 1, topic_configs={"cleanup.policy": "compact"})
        topic.replication_factor = BROKERS_DEFAULT
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await admin.start()
                if topic.name in await admin.list_topics():
                    return
                answer = await admin.create_topics([topic])
        finally:
            await admin.close()
        for name, code, reason in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise ConfigurationError(f"Kafka refused to create topic {name!r}: {reason}")

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except (KafkaError, OSError, TimeoutError) as error:
            if type(error).__name__ in ("ProducerFenced", "InvalidProducerEpoch"):
                raise Conflict("somebody else has begun to handle dead letters: list them again") from error
            raise BusUnavailable(
                f"Kafka at {self.bootstrap_servers} does not answer: {error!r}",
                retry_after=RETRY_AFTER_SECONDS,
            ) from error


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
