"""The event bus on Apache Kafka, through aiokafka."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from service_kit.messaging.event_bus.kafka_consuming import ConsumerOptions, GroupConsumer, Subscription
from service_kit.messaging.event_bus.kafka_publishing import RETRY_AFTER_SECONDS, KafkaPublisher
from service_kit.messaging.event_bus.kafka_topics import BROKERS_DEFAULT, NewTopics, create_missing_topics
from service_kit.messaging.event_bus.port import BusUnavailable, Handler, Message

START_TIMEOUT_SECONDS = 30.0
STALLED_AFTER_SECONDS = 60.0


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
        stalled_after_seconds: float = STALLED_AFTER_SECONDS,
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._prefix = topic_prefix
        names = tuple(topic_prefix + topic for topic in topics)
        self._topics = NewTopics(names=names, partitions=partitions, replication=replication)
        self._subscriptions: dict[str, Subscription] = {}
        self._publisher = KafkaPublisher(bootstrap_servers, client_id=client_id, topic_prefix=topic_prefix)
        self._options = ConsumerOptions(
            bootstrap_servers=bootstrap_servers,
            client_id=client_id,
            topic_prefix=topic_prefix,
            instance_id=instance_id,
            stalled_after_seconds=stalled_after_seconds,
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
            raise BusUnavailable(
                f"Kafka at {self._bootstrap} does not answer: {error!r}", retry_after=RETRY_AFTER_SECONDS
            ) from error
        await self._publisher.start()

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._publisher.publish(messages)

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
