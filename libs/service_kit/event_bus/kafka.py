"""The event bus on Apache Kafka, through aiokafka."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, IllegalGenerationError, KafkaError, UnknownMemberIdError

from service_kit.event_bus.port import MAX_BATCH, Handler, Message, Record
from service_kit.event_bus.retrying import handle_until_done

log = structlog.get_logger()

POLL_MS = 250
STALLED_AFTER_SECONDS = 60.0
REBUILD_PAUSE_SECONDS = 1.0
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class _Subscription:
    topics: tuple[str, ...]
    group: str
    handler: Handler


class KafkaEventBus:
    """Idempotent producer with acks=all; consumers commit by hand what their handler has dealt with.

    ``topic_prefix`` separates installations on one broker. ``instance_id`` names this replica for
    static membership: a restart within the session timeout causes no rebalance.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str,
        topic_prefix: str = "",
        instance_id: str | None = None,
        topics: Sequence[str] = (),
        partitions: int = 6,
        replication: int = -1,
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._client_id = client_id
        self._prefix = topic_prefix
        self._instance_id = instance_id
        self._topics = tuple(topics)
        self._partitions = partitions
        self._replication = replication
        self._subscriptions: list[_Subscription] = []
        self._producer: AIOKafkaProducer | None = None

    def subscribe(self, topics: Sequence[str], *, group: str, handler: Handler) -> None:
        names = tuple(self._prefix + topic for topic in topics)
        self._subscriptions.append(_Subscription(topics=names, group=self._prefix + group, handler=handler))

    async def start(self) -> None:
        """Create the topics that are missing and start the producer."""
        await self._create_missing_topics()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=MAX_MESSAGE_BYTES,
        )
        await self._producer.start()

    async def publish(self, messages: Sequence[Message]) -> None:
        producer = self._started()
        sent = [
            await producer.send(
                self._prefix + message.topic,
                value=message.value,
                key=message.key.encode(),
                headers=list(message.headers),
            )
            for message in messages
        ]
        for acknowledged in sent:
            await acknowledged

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for subscription in self._subscriptions:
                group.create_task(self._keep_consuming(subscription))
            group.create_task(asyncio.Event().wait())

    async def ping(self) -> None:
        await self._started().client.fetch_all_metadata()

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the bus is not started: call start() first")
        return self._producer

    async def _create_missing_topics(self) -> None:
        if not self._topics:
            return
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, client_id=self._client_id)
        await admin.start()
        try:
            existing = set(await admin.list_topics())
            wanted = [self._prefix + topic for topic in self._topics]
            await admin.create_topics(
                [
                    NewTopic(name, num_partitions=self._partitions, replication_factor=self._replication)
                    for name in wanted
                    if name not in existing
                ]
            )
        finally:
            await admin.close()

    async def _keep_consuming(self, subscription: _Subscription) -> None:
        """Consume for ever: a consumer that fails or stops polling is thrown away and rebuilt."""
        while True:
            try:
                await self._consume(subscription)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("bus.consumer_rebuilt", group=subscription.group, reason=repr(error))
                await asyncio.sleep(REBUILD_PAUSE_SECONDS)

    async def _consume(self, subscription: _Subscription) -> None:
        consumer = AIOKafkaConsumer(
            *subscription.topics,
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            group_id=subscription.group,
            group_instance_id=self._instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=MAX_BATCH,
            session_timeout_ms=30_000,
            heartbeat_interval_ms=3_000,
        )
        async with asyncio.timeout(STALLED_AFTER_SECONDS):
            await consumer.start()
        try:
            while True:
                await self._consume_once(consumer, subscription)
        finally:
            await consumer.stop()

    async def _consume_once(self, consumer: AIOKafkaConsumer, subscription: _Subscription) -> None:
        # A poll returns after POLL_MS even when nothing arrived: one that does not has stalled.
        async with asyncio.timeout(STALLED_AFTER_SECONDS):
            polled: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await consumer.getmany(
                timeout_ms=POLL_MS, max_records=MAX_BATCH
            )
        records = [self._record(record) for batch in polled.values() for record in batch]
        if not records:
            return
        started = time.monotonic()
        await handle_until_done(subscription.handler, records, group=subscription.group)
        log.debug(
            "bus.batch_handled",
            group=subscription.group,
            records=len(records),
            seconds=round(time.monotonic() - started, 4),
        )
        await _commit(consumer, {place: batch[-1].offset + 1 for place, batch in polled.items() if batch})

    def _record(self, record: "ConsumerRecord[bytes, bytes]") -> Record:
        return Record(
            topic=record.topic.removeprefix(self._prefix),
            key=record.key,
            value=record.value or b"",
            headers=tuple(record.headers),
            partition=record.partition,
            offset=record.offset,
        )


async def _commit(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
    try:
        await consumer.commit(offsets)
    except (CommitFailedError, IllegalGenerationError, UnknownMemberIdError) as error:
        # The partition went to another member, which will see the records again; the inbox makes that harmless.
        log.warning("bus.commit_refused", reason=repr(error))
