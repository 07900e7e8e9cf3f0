"""Dishka provider of what every service is built on; a service adds its own adapters and use cases to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx2
from dishka import Provider, Scope, provide
from event_contracts import ALL_TOPICS, dead_letter_topic
from prometheus_client import CollectorRegistry

from service_kit.callbacks import HttpCarrier
from service_kit.database import Database
from service_kit.event_bus import EventBus, KafkaEventBus
from service_kit.inbox import prune_inbox
from service_kit.metrics import ServiceMetrics
from service_kit.outbox import BusCarrier, OutboxRelay
from service_kit.settings import ServiceSettings
from service_kit.wakeup import Wakeup, Worker
from service_kit.webhooks import CallbackPolicy, WebhookSigner

HTTP_CALLBACKS_AT_ONCE = 64
HOUSEKEEPING_SECONDS = 15.0
KEEP_SENT_MESSAGES = timedelta(days=3)
KEEP_INBOX = timedelta(days=14)
"""Longer than the broker keeps messages: an event that can be delivered again is still remembered."""


@dataclass(frozen=True, kw_only=True)
class Relays:
    """The outbox relays of a service."""

    bus: OutboxRelay
    http: OutboxRelay

    def wake(self) -> None:
        """Let both look at once."""
        self.bus.wakeup.wake()
        self.http.wakeup.wake()

    def workers(self) -> tuple[Worker, ...]:
        """The loops that run them."""
        return (self.bus.worker(), self.http.worker())


@dataclass(frozen=True, kw_only=True)
class Housekeeping:
    """Measures the outbox and forgets what is old."""

    database: Database
    relays: Relays
    metrics: ServiceMetrics

    def worker(self) -> Worker:
        """The loop that runs this."""
        return Worker(name="housekeeping", step=self.tidy, idle_seconds=HOUSEKEEPING_SECONDS)

    async def tidy(self) -> bool:
        """One round."""
        for relay in (self.relays.bus, self.relays.http):
            backlog = await relay.backlog()
            self.metrics.outbox_backlog.labels(relay.transport).set(backlog.messages)
            self.metrics.outbox_oldest.labels(relay.transport).set(backlog.oldest_seconds)
        await self.relays.bus.prune(older_than=KEEP_SENT_MESSAGES)
        async with self.database.transaction() as connection:
            await prune_inbox(connection, older_than=KEEP_INBOX)
        return False


class InfrastructureProvider(Provider):
    """Database, event bus, relays, callbacks and metrics of one service; closed with the container.

    ``bus`` is given where several services share one process.
    """

    scope = Scope.APP

    def __init__(self, settings: ServiceSettings, *, service: str, bus: EventBus | None) -> None:
        super().__init__()
        self._settings = settings
        self._service = service
        self._bus = bus

    @provide
    def metrics(self) -> ServiceMetrics:
        return ServiceMetrics(CollectorRegistry())

    @provide
    async def database(self) -> AsyncIterator[Database]:
        database = Database(
            self._settings.database_url,
            pool_size=self._settings.database_pool_size,
            application_name=self._service,
        )
        yield database
        await database.close()

    @provide
    async def http_client(self) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient() as client:
            yield client

    @provide
    def signer(self) -> WebhookSigner:
        return WebhookSigner(self._settings.callback_signing_secret.get_secret_value())

    @provide
    def callback_policy(self) -> CallbackPolicy:
        return CallbackPolicy(allowed_hosts=self._settings.callback_allowed_hosts)

    @provide
    def event_bus(self) -> EventBus:
        if self._bus is not None:
            return self._bus
        if self._settings.kafka_bootstrap_servers is None:
            raise ValueError(f"{self._service}: event_bus=memory is shared by services in one process only")
        topics = [str(spec.topic) for spec in ALL_TOPICS]
        return KafkaEventBus(
            self._settings.kafka_bootstrap_servers,
            client_id=self._service,
            topic_prefix=self._settings.kafka_topic_prefix,
            instance_id=self._settings.kafka_instance_id,
            topics=[*topics, *(dead_letter_topic(topic) for topic in topics)],
        )

    @provide
    def relays(
        self,
        database: Database,
        bus: EventBus,
        client: httpx2.AsyncClient,
        signer: WebhookSigner,
        policy: CallbackPolicy,
        metrics: ServiceMetrics,
    ) -> Relays:
        http = HttpCarrier(client, signer=signer, policy=policy)
        return Relays(
            bus=OutboxRelay(
                database=database, transport="bus", carrier=BusCarrier(bus), metrics=metrics, wakeup=Wakeup()
            ),
            http=OutboxRelay(
                database=database,
                transport="http",
                carrier=http,
                metrics=metrics,
                wakeup=Wakeup(),
                limit=HTTP_CALLBACKS_AT_ONCE,
            ),
        )

    @provide
    def housekeeping(self, database: Database, relays: Relays, metrics: ServiceMetrics) -> Housekeeping:
        return Housekeeping(database=database, relays=relays, metrics=metrics)
