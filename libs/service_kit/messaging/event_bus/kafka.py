"""The event bus on Apache Kafka, through aiokafka."""

import asyncio
from collections.abc import Sequence
from time import monotonic

import structlog
from aiokafka.errors import KafkaError

from service_kit.messaging.event_bus.kafka_consuming import ConsumerOptions, GroupConsumer, Subscription
from service_kit.messaging.event_bus.kafka_errors import unreachable
from service_kit.messaging.event_bus.kafka_publishing import KafkaPublisher
from service_kit.messaging.event_bus.kafka_topics import (
    BROKERS_DEFAULT,
    FRAMING_BYTES,
    NewTopics,
    configured_message_bytes,
    create_missing_topics,
)
from service_kit.messaging.event_bus.port import (
    ASSUMED_MESSAGE_BYTES,
    MAX_MESSAGE_BYTES,
    ConsumerWatcher,
    Handler,
    Message,
)

log = structlog.get_logger()

START_TIMEOUT_SECONDS = 30.0
SIZE_TIMEOUT_SECONDS = 5.0
SIZE_REMEMBERED_SECONDS = 60.0
"""An operator who enlarges a topic need not restart anything."""
CONSUMER_STALLED_AFTER_SECONDS = 60.0
"""A poll that takes longer than this makes the consumer be rebuilt."""


class KafkaEventBus:
    """Idempotent producer with acks=all; consumers commit by hand what their handler has dealt with.

    ``topic_prefix`` separates installations on one broker. ``instance_id`` names this replica for static
    membership, in every group: a restart within the session timeout causes no rebalance. Two replicas must
    not share it.
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
        replication: int = BROKERS_DEFAULT,
        stalled_after_seconds: float = CONSUMER_STALLED_AFTER_SECONDS,
        watcher: ConsumerWatcher | None = None,
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._prefix = topic_prefix
        names = tuple(topic_prefix + topic for topic in topics)
        self._topics = NewTopics(names=names, partitions=partitions, replication=replication)
        self._subscriptions: dict[str, Subscription] = {}
        self._sizes: dict[str, tuple[float, int]] = {}
        self._publisher = KafkaPublisher(bootstrap_servers, client_id=client_id, topic_prefix=topic_prefix)
        self._options = ConsumerOptions(
            bootstrap_servers=bootstrap_servers,
            client_id=client_id,
            topic_prefix=topic_prefix,
            instance_id=instance_id,
            stalled_after_seconds=stalled_after_seconds,
            watcher=watcher,
        )

    def subscribe(self, topics: Sequence[str], *, group: str, handler: Handler) -> None:
        if group in self._subscriptions:
            raise ValueError(f"group {group!r} has subscribed already: one process is one member of a group")
        names = tuple(self._prefix + topic for topic in topics)
        self._subscriptions[group] = Subscription(topics=names, group=self._prefix + group, handler=handler)

    async def start(self) -> None:
        """Create the topics that are missing and start the producer."""
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await create_missing_topics(self._bootstrap, self._topics)
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._bootstrap, error) from error
        await self._publisher.start()

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._publisher.publish(messages)

    async def max_message_bytes(self, topic: str) -> int:
        """As the broker says, within what is published at all; a producer's and a topic's limit both count."""
        asked_at, size = self._sizes.get(topic, (0.0, 0))
        if not size or monotonic() - asked_at > SIZE_REMEMBERED_SECONDS:
            size = min(await self._topic_bytes(topic) - FRAMING_BYTES, MAX_MESSAGE_BYTES)
            self._sizes[topic] = (monotonic(), size)
        return size

    async def _topic_bytes(self, topic: str) -> int:
        try:
            async with asyncio.timeout(SIZE_TIMEOUT_SECONDS):
                return await configured_message_bytes(self._bootstrap, self._prefix + topic)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning(
                "bus.topic_size_assumed", topic=topic, bytes=ASSUMED_MESSAGE_BYTES, reason=repr(error)
            )
            return ASSUMED_MESSAGE_BYTES

    async def run(self) -> None:
        """Each group has its own consumer and task: a slow handler of one delays no other."""
        async with asyncio.TaskGroup() as group:
            for subscription in self._subscriptions.values():
                group.create_task(GroupConsumer(subscription, self._options).run(), name=subscription.group)
            group.create_task(asyncio.Event().wait())

    async def ping(self) -> None:
        await self._publisher.ping()

    async def close(self) -> None:
        await self._publisher.close()
