"""Assembles the service."""

from collections.abc import Sequence

import httpx2
from dishka import AsyncContainer, Provider, make_async_container
from event_contracts import API_VERSION, SourceService
from quart import Quart
from service_kit.housekeeping import Housekeeping
from service_kit.http.app import HttpService, create_app
from service_kit.http.authentication import Gate
from service_kit.messaging.consumer import EventConsumer
from service_kit.messaging.event_bus import EventBus
from service_kit.providers import (
    InfrastructureProvider,
    Relays,
    administration_api,
    measure_workers,
    readiness_checks,
    token_gate,
)
from service_kit.running import BackgroundLoop, Service
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import Tracing

from batch_conductor.adapters import http_api
from batch_conductor.adapters.events_in import routes
from batch_conductor.adapters.postgres.retention import retention_rules
from batch_conductor.domain.pipeline import PipelineRules
from batch_conductor.providers.adapters import AdapterProvider
from batch_conductor.providers.use_cases import UseCaseProvider
from batch_conductor.settings import MIGRATIONS, OLDEST_SCHEMA, Settings
from batch_conductor.use_cases.complete_phase import CompletePhase
from batch_conductor.use_cases.define_pipeline import DefinePipeline
from batch_conductor.use_cases.read_phases import ReadPhases
from batch_conductor.use_cases.record_outcomes import RecordOutcomes

NAME = SourceService.BATCH_CONDUCTOR.value


async def build_service(
    settings: Settings, *, bus: EventBus | None, overrides: Sequence[Provider] = ()
) -> Service:
    """Assemble everything; nothing is connected yet. What ``overrides`` provide takes the place of the adapters.

    Raises ``ConfigurationError`` for rules of pipelines that cannot be followed.
    """
    container = make_async_container(
        InfrastructureProvider(
            settings,
            service=NAME,
            bus=bus,
            retention=retention_rules(batch_retention=settings.batch_retention),
        ),
        AdapterProvider(settings),
        UseCaseProvider(),
        *overrides,
    )
    await container.get(PipelineRules)
    await _subscribe(container, group=settings.kafka_consumer_group)
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    workers = (*relays.workers(), housekeeping.worker())
    metrics = await container.get(ServiceMetrics)
    gate = token_gate(settings, client=await container.get(httpx2.AsyncClient))
    measure_workers(workers, metrics)
    return Service(
        name=NAME,
        app=await _app(container, workers, gate, settings=settings),
        host=settings.http_host,
        port=settings.http_port,
        database_url=settings.database_url,
        migrations=MIGRATIONS,
        oldest_schema=OLDEST_SCHEMA,
        migrates_at_start=settings.migrate_at_start,
        bus=await container.get(EventBus),
        workers=workers,
        metrics=metrics,
        close=container.close,
    )


async def _subscribe(container: AsyncContainer, *, group: str) -> None:
    EventConsumer(
        bus=await container.get(EventBus),
        service=NAME,
        group=group,
        routes=routes(record_outcomes=await container.get(RecordOutcomes)),
        metrics=await container.get(ServiceMetrics),
        tracing=await container.get(Tracing),
    ).subscribe()


async def _app(
    container: AsyncContainer, workers: Sequence[BackgroundLoop], gate: Gate, *, settings: Settings
) -> Quart:
    database, bus = await container.get(Database), await container.get(EventBus)
    define = await container.get(DefinePipeline)
    actions = http_api.Actions(
        define=define,
        validate=define.plan,
        complete=await container.get(CompletePhase),
        phases=await container.get(ReadPhases),
    )
    return create_app(
        HttpService(
            name=NAME,
            title="Batch Conductor",
            version=API_VERSION,
            blueprints=[
                http_api.pipelines_api(actions),
                *administration_api(database=database, reopen={}),
            ],
            gate=gate,
            checks=readiness_checks(
                database=database,
                bus=bus,
                migrations=MIGRATIONS,
                oldest_schema=OLDEST_SCHEMA,
                workers=workers,
            ),
            metrics=await container.get(ServiceMetrics),
            max_failed_logins=settings.max_failed_logins,
            development=settings.development,
            tracing=await container.get(Tracing),
        )
    )
