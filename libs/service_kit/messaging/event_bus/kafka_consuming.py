"""Consuming from Kafka: one consumer per group, explicit commits, and a watchdog that rebuilds it when it stalls."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from service_kit.messaging.event_bus.handling import handle_until_success
from service_kit.messaging.event_bus.port import MAX_RECORDS_PER_POLL, ConsumerWatcher, Handler, Record
from service_kit.messaging.event_bus.stopping import stop_with_timeout

log = structlog.get_logger()

POLL_MS = 250
REBUILD_PAUSE_SECONDS = 1.0
LAG_SECONDS = 2.0
HEARTBEAT_MS = 3_000

SESSION_TIMEOUT_MS = 10_000
"""How soon the others take over from a member that died."""

STATIC_SESSION_TIMEOUT_MS = 45_000
"""A named member may restart within this time: no other takes over, and nothing is rebalanced."""

MAX_POLL_INTERVAL_MS = 300_000
"""How long one batch may take, with all its repetitions, before the member leaves its partitions to others.

A heartbeat continues in the background meanwhile, so only this limit frees the partitions of a replica whose
handler cannot succeed. When it succeeds after all, its commit is refused, the records are delivered again,
and the inbox makes that harmless.
"""

Polled = Mapping[TopicPartition, "list[ConsumerRecord[bytes, bytes]]"]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """One subscription; topics and group have their full names."""

    topics: tuple[str, ...]
    group: str
    handler: Handler


@dataclass(frozen=True, kw_only=True)
class ConsumerOptions:
    """What the consumers of one bus share; ``instance_id`` names this replica for static membership."""

    bootstrap_servers: str
    client_id: str
    topic_prefix: str
    instance_id: str | None
    stalled_after_seconds: float
    watcher: ConsumerWatcher | None = None


class _CommitBeforeRevoke(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Keeps a partition until the batch in hand is committed: the next owner starts after that batch."""

    def __init__(self, group: str, busy: asyncio.Lock) -> None:
        self._group = group
        self._busy = busy

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        async with self._busy:
            log.info("bus.partitions_revoked", group=self._group, partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        log.info("bus.partitions_assigned", group=self._group, partitions=len(assigned))


class GroupConsumer:
    """Consumes one subscription for ever."""

    def __init__(self, subscription: Subscription, options: ConsumerOptions) -> None:
        self._subscription = subscription
        self._options = options
        self._busy = asyncio.Lock()
        self._polled_at = self._lag_told_at = time.monotonic()
        if options.watcher is not None:
            options.watcher.watch_silence(self._name, lambda: time.monotonic() - self._polled_at)

    @property
    def _name(self) -> str:
        """The group without the installation's prefix."""
        return self._subscription.group.removeprefix(self._options.topic_prefix)

    async def run(self) -> None:
        """Consume until cancelled: a consumer that fails or stops polling is thrown away and rebuilt."""
        while True:
            try:
                await self._consume()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("bus.consumer_rebuilt", group=self._subscription.group, reason=repr(error))
                await asyncio.sleep(REBUILD_PAUSE_SECONDS)

    async def _consume(self) -> None:
        consumer = self._new_consumer()
        listener = _CommitBeforeRevoke(self._subscription.group, self._busy)
        consumer.subscribe(topics=self._subscription.topics, listener=listener)
        try:
            async with self._watchdog():
                await consumer.start()
            while True:
                await self._consume_once(consumer)
        finally:
            await stop_with_timeout(consumer.stop(), client=self._subscription.group)

    async def _consume_once(self, consumer: AIOKafkaConsumer) -> None:
        # A poll returns after POLL_MS even when nothing arrived: one that does not has stalled.
        async with self._watchdog():
            polled: Polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS_PER_POLL)
        self._polled_at = time.monotonic()
        await self._tell_lag(consumer)
        records = [self._record(record) for batch in polled.values() for record in batch]
        if not records:
            return
        # Nothing awaits between the poll and this lock, so no partition can be given away in between.
        async with self._busy:
            await handle_until_success(self._subscription.handler, records, group=self._subscription.group)
            async with self._watchdog():
                await _commit(consumer, polled)

    async def _tell_lag(self, consumer: AIOKafkaConsumer) -> None:
        """Tell the watcher now and then; what a partition holds is known from the answers to earlier polls."""
        if self._options.watcher is None or self._polled_at - self._lag_told_at < LAG_SECONDS:
            return
        self._lag_told_at = self._polled_at
        lag = 0
        for partition in consumer.assignment():
            end = consumer.highwater(partition)
            if end is not None:
                lag += max(0, end - await consumer.position(partition))
        self._options.watcher.watch_lag(self._name, lag)

    def _watchdog(self) -> asyncio.Timeout:
        return asyncio.timeout(self._options.stalled_after_seconds)

    def _new_consumer(self) -> AIOKafkaConsumer:
        instance_id = self._options.instance_id
        return AIOKafkaConsumer(
            bootstrap_servers=self._options.bootstrap_servers,
            client_id=self._options.client_id,
            group_id=self._subscription.group,
            group_instance_id=instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=MAX_RECORDS_PER_POLL,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            session_timeout_ms=STATIC_SESSION_TIMEOUT_MS if instance_id else SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )

    def _record(self, record: "ConsumerRecord[bytes, bytes]") -> Record:
        return Record(
            topic=record.topic.removeprefix(self._options.topic_prefix),
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
            partition=record.partition,
            offset=record.offset,
        )


async def _commit(consumer: AIOKafkaConsumer, polled: Polled) -> None:
    """Commit the place behind the last record of each partition: all before it are dealt with."""
    try:
        await consumer.commit({place: batch[-1].offset + 1 for place, batch in polled.items() if batch})
    except (CommitFailedError, IllegalStateError) as error:
        # The partition went to another member, which will see the records again; the inbox makes that harmless.
        log.warning("bus.commit_rejected", reason=type(error).__name__)
