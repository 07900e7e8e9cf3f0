"""Dishka provider of what every service is built on; a service adds its own adapters and use cases to it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from dishka import Provider, Scope, provide
from event_contracts import ALL_TOPICS, ConfigurationError, Unavailable, dead_letter_topic
from prometheus_client import CollectorRegistry
from quart import Blueprint

from service_kit.callbacks.policy import CallbackPolicy, callback_client
from service_kit.callbacks.relay import NAME as CALLBACK_RELAY
from service_kit.callbacks.relay import CallbackRelay, CallbackSender
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.housekeeping import NAME as HOUSEKEEPING
from service_kit.housekeeping import Housekeeping
from service_kit.http.authentication import TokenGate, TrustedIssuer, suite_issuer
from service_kit.http.certificates import trusted_certificates
from service_kit.http.given_up import GivenUpActions, given_up_api
from service_kit.http.keys import KeySource, PublicKey, PublishedKeys, SharedSecret
from service_kit.http.operations import Check
from service_kit.http.permissions import Role
from service_kit.http.service_tokens import ServiceToken
from service_kit.http.set_aside import Reopen, SetAsideActions, nothing_to_reopen, set_aside_api
from service_kit.messaging.bus_relay import NAME as BUS_RELAY
from service_kit.messaging.bus_relay import OutboxRelay
from service_kit.messaging.event_bus import EventBus, KafkaEventBus
from service_kit.messaging.given_up import drop_unsendable
from service_kit.running import BackgroundLoop
from service_kit.settings import ServiceSettings
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import NO_TRACING, Tracing
from service_kit.tracing.http_client import traced_client
from service_kit.work.retention import RetentionRule
from service_kit.work.worker import Wakeup

WORKER_STALLED_AFTER_SECONDS = 60.0
"""A worker that has not completed a step for this long makes its service not ready."""


class WorkerStalled(Unavailable):
    """A worker has not completed a step for a minute: something keeps it from its work."""


def readiness_checks(
    *,
    database: Database,
    bus: EventBus,
    migrations: Path,
    oldest_schema: str,
    workers: Sequence[BackgroundLoop],
) -> Mapping[str, Check]:
    """What a service needs to do its work: its database, the bus, a schema that it serves on, and its workers."""

    async def schema() -> None:
        await database.check_schema(migrations, oldest=oldest_schema)

    async def work() -> None:
        stalled = [
            worker.name
            for worker in workers
            if worker.heartbeat.silent_seconds() > WORKER_STALLED_AFTER_SECONDS
        ]
        if stalled:
            raise WorkerStalled(
                f"no step completed for {WORKER_STALLED_AFTER_SECONDS:g} s: {', '.join(stalled)}",
                retry_after=WORKER_STALLED_AFTER_SECONDS,
            )

    return {"database": database.ping, "event_bus": bus.ping, "migrations": schema, "workers": work}


def measure_workers(workers: Sequence[BackgroundLoop], metrics: ServiceMetrics) -> None:
    """Let the metrics tell how long each worker has been silent."""
    for worker in workers:
        metrics.workers.silence.labels(worker.name).set_function(worker.heartbeat.silent_seconds)
        metrics.workers.show(worker.name)


def token_gate(settings: ServiceSettings, *, client: httpx2.AsyncClient) -> TokenGate:
    """What checks the callers' tokens; raises ``ConfigurationError`` where the settings name no key."""
    issuers = [
        TrustedIssuer(
            keys=_keys(settings, client), issuer=settings.jwt_issuer, audience=settings.jwt_audience
        )
    ]
    if settings.service_secret is not None:
        keys = SharedSecret(settings.service_secret.get_secret_value())
        issuers.append(suite_issuer(keys, audience=settings.jwt_audience))
    return TokenGate(issuers)


def _keys(settings: ServiceSettings, client: httpx2.AsyncClient) -> KeySource:
    if settings.jwt_jwks_url is not None:
        return PublishedKeys(settings.jwt_jwks_url, client=client, http_hosts=settings.jwt_jwks_http_hosts)
    if settings.jwt_public_key is not None:
        return PublicKey(settings.jwt_public_key)
    if settings.jwt_secret is not None:
        return SharedSecret(settings.jwt_secret.get_secret_value())
    prefix = settings.model_config.get("env_prefix", "")
    names = ", ".join(f"{prefix}JWT_{name}" for name in ("JWKS_URL", "PUBLIC_KEY", "SECRET"))
    raise ConfigurationError(f"no token verification is configured: set one of {names}")


def service_token(settings: ServiceSettings, *, service: str, role: Role = Role.SERVICE) -> ServiceToken:
    """What this service shows the suite's other services; raises ``ConfigurationError`` without a secret for it."""
    if settings.service_secret is None:
        prefix = settings.model_config.get("env_prefix", "")
        raise ConfigurationError(
            f"set {prefix}SERVICE_SECRET: the suite's services authenticate to each other with it"
        )
    secret = settings.service_secret.get_secret_value()
    return ServiceToken(secret, service=service, audience=settings.jwt_audience, role=role)


def administration_api(*, database: Database, reopen: Mapping[str, Reopen]) -> Sequence[Blueprint]:
    """The routes for operators that every service has."""
    # A message that a relay has set aside stays in the outbox: it is sent once it is off the list, unless it is
    # deleted with it. A retention rule is applied at each turn anyway: an operator only takes it off the list.
    relays = (BUS_RELAY, CALLBACK_RELAY)
    actions = SetAsideActions(
        database=database,
        reopen={**dict.fromkeys((*relays, HOUSEKEEPING), nothing_to_reopen), **reopen},
        drop=dict.fromkeys(relays, drop_unsendable),
    )
    return set_aside_api(actions), given_up_api(GivenUpActions(database=database))


@dataclass(frozen=True, kw_only=True)
class Relays:
    """The outbox relays of a service."""

    bus: OutboxRelay
    http: CallbackRelay

    def wake(self) -> None:
        """Let both look immediately."""
        self.bus.wakeup.wake()
        self.http.wakeup.wake()

    def workers(self) -> tuple[BackgroundLoop, ...]:
        """The loops that run them."""
        return (self.bus.worker(), self.http)


class InfrastructureProvider(Provider):
    """Database, event bus, relays, callbacks and metrics of one service; closed with the container.

    ``bus`` is given where several services share one process; ``retention`` is of the service's own tables.
    """

    scope = Scope.APP

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        service: str,
        bus: EventBus | None,
        retention: Sequence[RetentionRule] = (),
    ) -> None:
        super().__init__()
        self._retention = retention
        self._settings = settings
        self._service = service
        self._bus = bus

    @provide
    def metrics(self) -> ServiceMetrics:
        return ServiceMetrics(CollectorRegistry(), service=self._service)

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
    async def tracing(self) -> AsyncIterator[Tracing]:
        endpoint = self._settings.otlp_endpoint
        if endpoint is None:
            yield NO_TRACING
            return
        try:
            from service_kit.tracing.open_telemetry import exporting_to
        except ImportError as error:
            raise ConfigurationError(
                "otlp_endpoint is set, and OpenTelemetry is not installed: install the extra `tracing`"
            ) from error
        tracing = exporting_to(endpoint, service=self._service)
        yield tracing
        await tracing.close()

    @provide
    async def http_client(self, tracing: Tracing) -> AsyncIterator[httpx2.AsyncClient]:
        async with traced_client(tracing, verify=trusted_certificates()) as client:
            yield client

    @provide
    def signer(self) -> WebhookSigner:
        return self._settings.webhook_signer()

    @provide
    def callback_policy(self) -> CallbackPolicy:
        return CallbackPolicy(allowed_hosts=self._settings.callback_allowed_hosts)

    @provide
    def event_bus(self, metrics: ServiceMetrics) -> EventBus:
        if self._bus is not None:
            return self._bus
        address = self._settings.kafka_bootstrap_servers
        if self._settings.event_bus == "memory" or address is None:
            raise ConfigurationError(
                f"{self._service}: event_bus=memory joins services that run in one process; a service that "
                "runs alone needs event_bus=kafka"
            )
        topics = [str(spec.topic) for spec in ALL_TOPICS]
        return KafkaEventBus(
            address,
            client_id=self._service,
            topic_prefix=self._settings.kafka_topic_prefix,
            instance_id=self._settings.kafka_instance_id,
            topics=[*topics, *(dead_letter_topic(topic) for topic in topics)],
            partitions=self._settings.kafka_partitions,
            replication=self._settings.kafka_replication,
            watcher=metrics.events,
        )

    @provide
    async def callback_sender(
        self, policy: CallbackPolicy, signer: WebhookSigner, tracing: Tracing
    ) -> AsyncIterator[CallbackSender]:
        async with callback_client(policy) as client:
            yield CallbackSender(client, signer=signer, tracing=tracing)

    @provide
    def relays(
        self,
        database: Database,
        bus: EventBus,
        sender: CallbackSender,
        metrics: ServiceMetrics,
        tracing: Tracing,
    ) -> Relays:
        return Relays(
            bus=OutboxRelay(database=database, bus=bus, metrics=metrics, wakeup=Wakeup(), tracing=tracing),
            http=CallbackRelay(database=database, sender=sender, metrics=metrics, wakeup=Wakeup()),
        )

    @provide
    def housekeeping(self, database: Database, metrics: ServiceMetrics) -> Housekeeping:
        return Housekeeping(database=database, metrics=metrics, rules=self._retention)
