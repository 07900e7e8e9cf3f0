"""Publishing to Kafka: an idempotent producer, acks=all, and a new producer after a batch that failed."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner, murmur2
from aiokafka.structs import RecordMetadata

from service_kit.messaging.event_bus.kafka_errors import unreachable
from service_kit.messaging.event_bus.kafka_topics import FRAMING_BYTES
from service_kit.messaging.event_bus.port import (
    DEAD_LETTER_HEADROOM_BYTES,
    MAX_MESSAGE_BYTES,
    BusUnavailable,
    Message,
    NotPublished,
    Refusal,
    refuse_too_large,
)
from service_kit.messaging.event_bus.stopping import stop_with_timeout
from service_kit.storage.errors import RETRY_AFTER_SECONDS

log = structlog.get_logger()

REQUEST_TIMEOUT_MS = 10_000
PUBLISH_TIMEOUT_SECONDS = 15.0
"""Longer than one request, so that the broker's own reason is heard first."""

PING_TIMEOUT_SECONDS = 3.0


@dataclass(slots=True)
class _SendState:
    """What has become of messages so far, by their places: in progress or acknowledged, or not even accepted."""

    in_progress: dict[int, asyncio.Future[RecordMetadata]] = field(default_factory=dict)
    not_accepted: dict[int, Exception] = field(default_factory=dict)

    def failures(self, places: Iterable[int]) -> dict[int, BaseException]:
        """Why each of them is not safe; those that are safe are left out."""
        found = {place: self._failure(place) for place in places}
        return {place: error for place, error in found.items() if error is not None}

    def has_failed_batch(self) -> bool:
        """True when a batch that was in progress failed."""
        return any(one.done() and one.exception() for one in self.in_progress.values())

    def _failure(self, place: int) -> BaseException | None:
        late = TimeoutError(f"not acknowledged within {PUBLISH_TIMEOUT_SECONDS:g} s")
        if place in self.in_progress:
            outcome = self.in_progress[place]
            return outcome.exception() if outcome.done() else late
        return self.not_accepted.get(place, late)


class KafkaPublisher:
    """Publishes in the order given, and knows of each message whether it is safe."""

    def __init__(self, bootstrap_servers: str, *, client_id: str, topic_prefix: str) -> None:
        self._bootstrap = bootstrap_servers
        self._client_id = client_id
        self._prefix = topic_prefix
        self._producer: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()
        self._is_closed = False
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._producer = await self._new_producer()

    async def publish(self, messages: Sequence[Message]) -> None:
        producer = self._started()
        refusals = refuse_too_large(messages)
        wanted = {place: one for place, one in enumerate(messages) if place not in refusals}
        sending = await self._send(producer, wanted)
        failures = sending.failures(wanted)
        if sending.has_failed_batch():
            await self._replace(producer)
        if failures and len(failures) == len(messages) and all(map(_is_retriable, failures.values())):
            reason = repr(failures[min(failures)])
            raise BusUnavailable(f"Kafka accepted no messages: {reason}", retry_after=RETRY_AFTER_SECONDS)
        refusals |= {
            place: Refusal(reason=repr(error), final=isinstance(error, MessageSizeTooLargeError))
            for place, error in failures.items()
        }
        if refusals:
            raise NotPublished(refusals)

    async def ping(self) -> None:
        try:
            async with asyncio.timeout(PING_TIMEOUT_SECONDS):
                await self._started().client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._bootstrap, error) from error

    async def close(self) -> None:
        self._is_closed = True
        async with self._replacing:
            producer, self._producer = self._producer, None
        if producer is not None:
            await self._stop(producer)
        await asyncio.gather(*self._retiring)

    async def _send(self, producer: AIOKafkaProducer, messages: Mapping[int, Message]) -> _SendState:
        """Send topics concurrently (a missing one delays no other) and wait for the acknowledgements."""
        sending = _SendState()
        by_topic: dict[str, dict[int, Message]] = defaultdict(dict)
        for place, message in messages.items():
            by_topic[message.topic][place] = message
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                async with asyncio.TaskGroup() as group:
                    for chain in by_topic.values():
                        group.create_task(self._send_in_order(producer, chain, sending))
                if sending.in_progress:
                    await asyncio.wait(sending.in_progress.values())
        except TimeoutError:
            log.warning("bus.publish_timed_out", messages=len(messages), seconds=PUBLISH_TIMEOUT_SECONDS)
        return sending

    async def _send_in_order(
        self, producer: AIOKafkaProducer, chain: Mapping[int, Message], sending: _SendState
    ) -> None:
        for place, message in chain.items():
            try:
                acknowledgement = await producer.send(
                    self._prefix + message.topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                )
            except KafkaError as error:
                sending.not_accepted.update({later: error for later in chain if later >= place})
                return
            acknowledgement.add_done_callback(retrieve_exception)
            sending.in_progress[place] = acknowledgement

    async def _replace(self, producer: AIOKafkaProducer) -> None:
        """Leave a producer whose batch failed: its sequence has a hole, and the broker would refuse all later ones."""
        async with self._replacing:
            # Of several publishers whose batches failed together the first replaces the producer for all.
            if self._producer is not producer or self._is_closed:
                return
            try:
                self._producer = await self._new_producer()
            except BusUnavailable as error:
                log.warning("bus.producer_replacement_failed", reason=error.message)
                return
        log.warning("bus.producer_replaced")
        task = asyncio.create_task(self._stop(producer))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _new_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=MAX_MESSAGE_BYTES + DEAD_LETTER_HEADROOM_BYTES + FRAMING_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            partitioner=_Partitioner(),
        )
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                await producer.start()
        except BaseException as error:
            await self._stop(producer)
            if isinstance(error, KafkaError | OSError | TimeoutError):
                raise unreachable(self._bootstrap, error) from error
            raise
        return producer

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        # What it still holds was never acknowledged, so its publisher knows that it is not safe.
        await stop_with_timeout(producer.stop(), client=self._client_id)

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the bus is not started: call start() first")
        return self._producer


_hash: Callable[[bytes], int] = lru_cache(maxsize=4096)(murmur2)


class _Partitioner(DefaultPartitioner):  # type: ignore[misc]  # aiokafka publishes no types
    """The default, which remembers keys: in Python the hash takes as long as the rest of sending."""

    def __call__(self, key: bytes | None, every: Sequence[int], available: Sequence[int]) -> int:
        if key is None:
            return int(super().__call__(key, every, available))
        return every[(_hash(key) & 0x7FFFFFFF) % len(every)]


def retrieve_exception(acknowledgement: "asyncio.Future[RecordMetadata]") -> None:
    """A failure that comes after its publisher has gone is in the producer's log already."""
    if not acknowledgement.cancelled():
        acknowledgement.exception()


def _is_retriable(error: BaseException) -> bool:
    if isinstance(error, UnknownTopicOrPartitionError):
        return False
    return isinstance(error, TimeoutError) or bool(getattr(error, "retriable", False))
