"""Which adapter serves which port: the one place that knows the concrete types."""

from collections.abc import Sequence

import httpx2
from dishka import AsyncContainer, Provider, Scope, make_async_container, provide
from event_contracts import SourceService
from quart import Blueprint, Quart
from service_kit.http.app import HttpService, create_app
from service_kit.messaging.consumer import EventConsumer
from service_kit.messaging.event_bus import EventBus
from service_kit.providers import (
    InfrastructureProvider,
    Relays,
    administration_api,
    administrators_gate,
    measure_workers,
    readiness_checks,
)
from service_kit.running import BackgroundLoop, Service
from service_kit.storage.database import Database
from service_kit.storage.store import PostgresStore
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.gathering import Gather
from service_kit.work.housekeeping import Housekeeping

from batch_conductor.adapters import http_api
from batch_conductor.adapters.events_in import routes
from batch_conductor.adapters.metrics import ConductorMetrics
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.adapters.platform_facts import Addresses, PlatformFacts, signed_token
from batch_conductor.adapters.postgres import PostgresTransaction
from batch_conductor.domain.pipeline import PipelineRules
from batch_conductor.domain.plan import Plan
from batch_conductor.ports import Facts, Store, Watcher
from batch_conductor.settings import MIGRATIONS, PIPELINES, Settings
from batch_conductor.use_cases.complete_phase import CompletePhase
from batch_conductor.use_cases.define_pipeline import DefinePipeline
from batch_conductor.use_cases.evaluate_gates import EvaluateGates
from batch_conductor.use_cases.read_phases import ReadPhases
from batch_conductor.use_cases.record_outcomes import RecordOutcomes
from batch_conductor.use_cases.record_plans import ReadBatches, RecordPlans

NAME = SourceService.BATCH_CONDUCTOR.value


class ConductorProvider(Provider):
    """The adapters, the rules, and the verbs of the service."""

    scope = Scope.APP

    record = provide(RecordOutcomes)
    read = provide(ReadPhases)
    read_batches = provide(ReadBatches)
    complete = provide(CompletePhase)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @provide
    def store(self, database: Database, relays: Relays) -> Store:
        return PostgresStore(database, begin=PostgresTransaction, wake_relays=relays.wake)

    @provide
    def rules(self) -> PipelineRules:
        return load_pipelines(self._settings.pipelines_file or PIPELINES)

    @provide
    def watcher(self, metrics: ServiceMetrics) -> Watcher:
        return ConductorMetrics(metrics.registry)

    @provide
    def facts(self, client: httpx2.AsyncClient) -> Facts:
        settings = self._settings
        addresses = Addresses(
            content=settings.content_service_url or settings.cj_assessment_url,
            cj_assessment=settings.cj_assessment_url,
            llm_provider=settings.llm_provider_url,
        )
        return PlatformFacts(client, addresses=addresses, bearer=lambda: _token(settings))

    @provide
    def gates(self, rules: PipelineRules, facts: Facts, watcher: Watcher) -> EvaluateGates:
        return EvaluateGates(rules=rules, facts=facts, watcher=watcher)

    @provide
    def define(
        self,
        store: Store,
        read: ReadBatches,
        rules: PipelineRules,
        evaluate: EvaluateGates,
        watcher: Watcher,
    ) -> DefinePipeline:
        record_plans = RecordPlans(store=store)

        async def record(plans: Sequence[Plan]) -> Sequence[None]:
            await record_plans(plans)
            return [None] * len(plans)

        return DefinePipeline(
            read=Gather(handle=read),
            record=Gather(handle=record),
            rules=rules,
            evaluate=evaluate,
            watcher=watcher,
        )


def _token(settings: Settings) -> str | None:
    if settings.cj_assessment_token is not None:
        return settings.cj_assessment_token.get_secret_value()
    if settings.jwt_secret is not None:
        return signed_token(
            settings.jwt_secret.get_secret_value(), issuer=settings.jwt_issuer, audience=settings.jwt_audience
        )
    return None


async def build_service(
    settings: Settings, *, bus: EventBus | None, overrides: Sequence[Provider] = ()
) -> Service:
    """Assemble everything; nothing is connected yet. What ``overrides`` provide takes the place of the adapters.

    Raises ``ConfigurationError`` for rules of pipelines that cannot be followed.
    """
    container = make_async_container(
        InfrastructureProvider(settings, service=NAME, bus=bus), ConductorProvider(settings), *overrides
    )
    await container.get(PipelineRules)
    await _subscribe(container)
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    workers = (*relays.workers(), housekeeping.worker())
    metrics = await container.get(ServiceMetrics)
    administration = administration_api(
        administrators_gate(settings, client=await container.get(httpx2.AsyncClient)),
        database=await container.get(Database),
        reopen={},
    )
    measure_workers(workers, metrics)
    return Service(
        name=NAME,
        app=await _app(container, workers, administration),
        host=settings.http_host,
        port=settings.http_port,
        database_url=settings.database_url,
        migrations=MIGRATIONS,
        bus=await container.get(EventBus),
        workers=workers,
        metrics=metrics,
        close=container.close,
    )


async def _subscribe(container: AsyncContainer) -> None:
    EventConsumer(
        bus=await container.get(EventBus),
        service=NAME,
        routes=routes(record_outcomes=await container.get(RecordOutcomes)),
        metrics=await container.get(ServiceMetrics),
    ).subscribe()


async def _app(
    container: AsyncContainer, workers: Sequence[BackgroundLoop], administration: Sequence[Blueprint]
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
            version="1",
            blueprints=[http_api.pipelines_api(actions), *administration],
            checks=readiness_checks(database=database, bus=bus, migrations=MIGRATIONS, workers=workers),
            metrics=await container.get(ServiceMetrics),
        )
    )
