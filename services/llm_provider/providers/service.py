"""Assembles the service."""

import asyncio
from collections.abc import Sequence

import httpx2
from dishka import AsyncContainer, Provider, make_async_container
from event_contracts import API_VERSION
from model_manifest import default_model, preload
from quart import Quart
from service_kit.housekeeping import Housekeeping
from service_kit.http.app import HttpService, create_app
from service_kit.http.authentication import Gate
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
from service_kit.work.coalescing import Coalesce
from service_kit.work.retention import RetentionRule

from llm_provider.adapters import http_admin, http_api, http_operations, http_privacy
from llm_provider.adapters.postgres.retention import retention_rules
from llm_provider.ports import Exports
from llm_provider.providers.adapters import AdapterProvider
from llm_provider.providers.failures import FailureProvider
from llm_provider.providers.judges import JudgeProvider, Judges
from llm_provider.providers.use_cases import UseCaseProvider
from llm_provider.providers.wakeups import WakeupProvider
from llm_provider.providers.workers import service_workers
from llm_provider.settings import MIGRATIONS, OLDEST_SCHEMA, Settings
from llm_provider.use_cases.operations.pause_provider import PauseProvider
from llm_provider.use_cases.operations.read_costs import ReadCosts
from llm_provider.use_cases.operations.read_providers import ReadProviders
from llm_provider.use_cases.requests.accept_comparison import AcceptComparison
from llm_provider.use_cases.requests.accept_comparisons import AcceptComparisons
from llm_provider.use_cases.requests.cancel_request import CancelRequest
from llm_provider.use_cases.requests.forget_batch import ForgetBatch
from llm_provider.use_cases.requests.read_request import ReadRequest

NAME = "llm_provider_service"


async def build_service(
    settings: Settings,
    *,
    bus: EventBus | None,
    overrides: Sequence[Provider] = (),
) -> Service:
    """Assemble everything; nothing is connected yet. ``overrides`` replace what is provided here."""
    container = make_async_container(
        InfrastructureProvider(settings, service=NAME, bus=bus, retention=_retention(settings)),
        JudgeProvider(settings),
        AdapterProvider(settings),
        WakeupProvider(),
        FailureProvider(),
        UseCaseProvider(settings),
        *overrides,
    )
    await _preload_prices(await container.get(Judges))
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    gate = token_gate(settings, client=await container.get(httpx2.AsyncClient))
    workers: Sequence[BackgroundLoop] = (
        *await service_workers(container),
        *relays.workers(),
        housekeeping.worker(),
    )
    metrics = await container.get(ServiceMetrics)
    measure_workers(workers, metrics)
    return Service(
        name=NAME,
        app=await _app(container, gate, workers, settings=settings),
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


def _retention(settings: Settings) -> Sequence[RetentionRule]:
    return retention_rules(
        prompt_retention=settings.prompt_retention,
        answer_retention=settings.answer_retention,
        request_retention=settings.request_retention,
        spending_retention=settings.spending_retention,
    )


async def _preload_prices(judges: Judges) -> None:
    """No request should wait for the price list; where every judge is free it is not needed at all."""
    if not all(default_model(provider).free for provider in judges.live):
        await asyncio.to_thread(preload)


async def _app(
    container: AsyncContainer, gate: Gate, workers: Sequence[BackgroundLoop], *, settings: Settings
) -> Quart:
    accept = await container.get(AcceptComparisons)
    database, bus = await container.get(Database), await container.get(EventBus)
    comparisons = http_api.Actions(
        accept_one=AcceptComparison(gather=Coalesce(handle=accept.accept)),
        accept_many=accept.many,
        read=await container.get(ReadRequest),
        cancel=await container.get(CancelRequest),
    )
    providers = await container.get(ReadProviders)
    operations = http_operations.OperatorActions(providers=providers, costs=await container.get(ReadCosts))
    admin = http_admin.AdminActions(switch=await container.get(PauseProvider), providers=providers)
    privacy = http_privacy.PrivacyActions(
        forget=await container.get(ForgetBatch), export=(await container.get(Exports)).of_batch
    )
    blueprints = [
        http_api.comparisons_api(comparisons),
        http_operations.operations_api(operations),
        http_admin.admin_api(admin),
        http_privacy.privacy_api(privacy),
        # A request that was set aside has sent its one callback: nothing of it can be tried again.
        *administration_api(database=database, reopen={}),
    ]
    return create_app(
        HttpService(
            name=NAME,
            title="LLM Provider",
            version=API_VERSION,
            blueprints=blueprints,
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
