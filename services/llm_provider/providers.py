"""Which adapter serves which port: the one place that knows the concrete types."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NewType

import httpx2
from dishka import AsyncContainer, Provider, Scope, make_async_container, provide
from event_contracts import LLMProvider
from model_manifest import default_model, list_providers, preload
from pydantic import SecretStr
from quart import Quart
from service_kit.callbacks.webhooks import CallbackPolicy
from service_kit.http.app import HttpService, create_app
from service_kit.messaging.event_bus import EventBus
from service_kit.providers import (
    InfrastructureProvider,
    Relays,
    administrators_gate,
    measure_workers,
    readiness_checks,
)
from service_kit.running import BackgroundLoop, Service
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.housekeeping import Housekeeping
from service_kit.work.worker import Pulse, Wakeup, Worker, polling_worker

from llm_provider.adapters import http_admin, http_api, http_operations
from llm_provider.adapters.call_metrics import CallMetrics, StateMetrics
from llm_provider.adapters.catalogue import ManifestCatalogue, SimulatedPrice
from llm_provider.adapters.postgres.store import PostgresStore
from llm_provider.adapters.postgres.meters import MeterRules
from llm_provider.adapters.vendors.replay.judge import ReplayJudge, read_decisions
from llm_provider.adapters.vendors.simulated.judge import SimulatedJudge, SimulatedSettings, read_qualities
from llm_provider.adapters.vendors import (
    AnthropicBatches,
    AnthropicJudge,
    GoogleBatches,
    GoogleJudge,
    OpenAiBatches,
    OpenAiCompatibleJudge,
    OpenAiJudge,
    OpenRouterJudge,
    anthropic,
    google,
    openai,
    openrouter,
)
from llm_provider.domain.batch_job import JobPolicy
from llm_provider.domain.meters.limits import BreakerPolicy, Limits, Pacing
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.calls.retrying import RetryPolicy
from llm_provider.ports import (
    AdminGate,
    BatchJudge,
    CallbackRules,
    CallWatcher,
    Catalogue,
    Judge,
    StateWatcher,
    Store,
)
from llm_provider.settings import MIGRATIONS, Settings
from llm_provider.use_cases.requests.accept_comparisons import AcceptComparisons
from llm_provider.use_cases.operations.alert_on_spending import AlertOnSpending
from llm_provider.use_cases.requests.cancel_request import CancelRequest
from llm_provider.use_cases.batch_jobs.collect_jobs import CollectJobs
from llm_provider.use_cases.requests.expire_requests import ExpireRequests
from llm_provider.use_cases.requests.forget_prompts import ForgetPrompts
from llm_provider.use_cases.requests.gather_comparisons import GatherComparisons
from llm_provider.use_cases.judging.judge_requests import JudgeRequests
from llm_provider.use_cases.judging.make_call import MakeCall
from llm_provider.use_cases.operations.measure_state import MeasureState
from llm_provider.use_cases.judging.open_meters import OpenMeters
from llm_provider.use_cases.operations.pause_provider import PauseProvider
from llm_provider.use_cases.operations.read_costs import ReadCosts
from llm_provider.use_cases.operations.read_providers import ReadProviders
from llm_provider.use_cases.requests.read_request import ReadRequest
from llm_provider.use_cases.judging.record_calls import RecordCalls
from llm_provider.use_cases.requests.return_requests import ReturnRequests
from llm_provider.use_cases.batch_jobs.run_jobs import RunJobs

NAME = "llm_provider_service"
RETURNING_SECONDS = 0.25
EXPIRY_SECONDS = 1.0
SPENDING_SECONDS = 2.0
MEASURING_SECONDS = 15.0
FORGETTING_SECONDS = 600.0
KEEP_CONNECTIONS_SECONDS = 60.0


VendorClient = NewType("VendorClient", httpx2.AsyncClient)
"""Keeps a connection for every call that is made at a time."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """The judges that this installation can reach, by provider; ``keys`` tells their accounts apart."""

    live: Mapping[str, Judge]
    batch: Mapping[str, BatchJudge] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


class JudgeWakeups(dict[str, Wakeup]):
    """One for the worker of each provider."""

    def wake(self, *providers: str) -> None:
        """Wake those of these providers that there are here; all of them where none is named."""
        for provider in providers or self:
            if provider in self:
                self[provider].wake()


class JudgeProvider(Provider):
    """The judges. To add a provider: write its adapter, and name it here."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @provide
    async def client(self) -> AsyncIterator[VendorClient]:
        limits = httpx2.Limits(
            max_connections=None,
            max_keepalive_connections=self._settings.concurrency,
            keepalive_expiry=KEEP_CONNECTIONS_SECONDS,
        )
        async with httpx2.AsyncClient(limits=limits) as client:
            yield VendorClient(client)

    @provide
    def judges(self, client: VendorClient) -> Judges:
        settings = self._settings
        live: dict[str, Judge] = {LLMProvider.MOCK: _simulated(settings)}
        if settings.replay_file is not None:
            live[LLMProvider.REPLAY] = ReplayJudge(read_decisions(settings.replay_file))
        if settings.openai_compatible_url is not None:
            live[LLMProvider.OPENAI_COMPATIBLE] = OpenAiCompatibleJudge(
                client,
                base_url=settings.openai_compatible_url,
                api_key=_secret(settings.openai_compatible_key),
            )
        batch: dict[str, BatchJudge] = {}
        if key := _secret(settings.anthropic_api_key):
            url = settings.anthropic_url or anthropic.URL
            live[LLMProvider.ANTHROPIC] = AnthropicJudge(client, api_key=key, base_url=url)
            batch[LLMProvider.ANTHROPIC] = AnthropicBatches(client, api_key=key, base_url=url)
        if key := _secret(settings.openai_api_key):
            url = settings.openai_url or openai.URL
            live[LLMProvider.OPENAI] = OpenAiJudge(client, api_key=key, base_url=url)
            batch[LLMProvider.OPENAI] = OpenAiBatches(client, api_key=key, base_url=url)
        if key := _secret(settings.google_api_key):
            url = settings.google_url or google.URL
            live[LLMProvider.GOOGLE] = GoogleJudge(client, api_key=key, base_url=url)
            batch[LLMProvider.GOOGLE] = GoogleBatches(client, api_key=key, base_url=url)
        if key := _secret(settings.openrouter_api_key):
            url = settings.openrouter_url or openrouter.URL
            live[LLMProvider.OPENROUTER] = OpenRouterJudge(client, api_key=key, base_url=url)
        return Judges(live=live, batch=batch, keys={name: _fingerprint(settings, name) for name in live})

    @provide
    def wakeups(self, judges: Judges) -> JudgeWakeups:
        return JudgeWakeups({provider: Wakeup() for provider in judges.live})


class AdapterProvider(Provider):
    """Adapters, and the rules that the settings make."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @provide
    def store(self, database: Database, relays: Relays, judges: Judges) -> Store:
        settings = self._settings
        rules = MeterRules(
            keys=judges.keys,
            ceilings=_own_limits(settings),
            pacing=Pacing(share=settings.limit_share),
            breaker=BreakerPolicy(failures=settings.breaker_failures, pause=settings.breaker_open_for),
            lease=settings.lease,
        )
        return PostgresStore(database, rules=rules, wake_relays=relays.wake)

    @provide
    def catalogue(self, judges: Judges) -> Catalogue:
        settings = self._settings
        return ManifestCatalogue(
            default_provider=settings.default_provider,
            configured=[str(provider) for provider in judges.live],
            batch_providers=[str(provider) for provider in judges.batch],
            simulated_price=SimulatedPrice(
                input=settings.simulated_input_price, output=settings.simulated_output_price
            ),
            own_limits=_own_limits(settings),
            self_hosted_output=settings.openai_compatible_output,
        )

    @provide
    def callbacks(self, policy: CallbackPolicy) -> CallbackRules:
        return policy

    @provide
    def call_watcher(self, metrics: ServiceMetrics) -> CallWatcher:
        return CallMetrics(metrics.registry)

    @provide
    def state_watcher(self, metrics: ServiceMetrics) -> StateWatcher:
        return StateMetrics(metrics.registry)

    @provide
    def retry_policy(self) -> RetryPolicy:
        settings = self._settings
        return RetryPolicy(
            max_attempts=settings.max_attempts,
            first_retry_delay=settings.first_retry_delay,
            expires_after=settings.expires_after,
            relaxed_expires_after=settings.relaxed_expires_after,
        )

    @provide
    def job_policy(self) -> JobPolicy:
        settings = self._settings
        return JobPolicy(
            most_items=settings.batch_size,
            most_bytes=settings.batch_bytes,
            collect_for=settings.batch_collect_for,
            poll_every=settings.batch_poll_every,
        )

    @provide
    def cost_limits(self) -> CostLimits:
        settings = self._settings
        return CostLimits(daily=settings.daily_cost_limit_usd, monthly=settings.monthly_cost_limit_usd)


class UseCaseProvider(Provider):
    """The verbs of the service."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    read = provide(ReadRequest)
    cancel = provide(CancelRequest)
    expire = provide(ExpireRequests)
    costs = provide(ReadCosts)
    alert = provide(AlertOnSpending)
    measure = provide(MeasureState)

    @provide
    def forget(self, store: Store) -> ForgetPrompts:
        return ForgetPrompts(store=store, keep=self._settings.keep_prompts)

    @provide
    def providers(self, store: Store, judges: Judges) -> ReadProviders:
        return ReadProviders(store=store, known=_known(), configured=_configured(judges))

    @provide
    def pause(self, store: Store, wakeups: JudgeWakeups) -> PauseProvider:
        return PauseProvider(store=store, known=_known(), wake_judges=wakeups.wake)

    @provide
    def return_requests(self, store: Store, wakeups: JudgeWakeups) -> ReturnRequests:
        return ReturnRequests(store=store, wake_judges=wakeups.wake)

    @provide
    def open_meters(self, store: Store, catalogue: Catalogue, judges: Judges) -> OpenMeters:
        return OpenMeters(store=store, catalogue=catalogue, configured=_configured(judges))

    @provide
    def accept(
        self,
        store: Store,
        catalogue: Catalogue,
        callbacks: CallbackRules,
        policy: RetryPolicy,
        wakeups: JudgeWakeups,
    ) -> AcceptComparisons:
        return AcceptComparisons(
            store=store,
            catalogue=catalogue,
            callbacks=callbacks,
            policy=policy,
            max_waiting=self._settings.max_waiting,
            wake_judges=wakeups.wake,
            metered=set(catalogue.models()),
        )

    @provide
    def record(
        self, store: Store, catalogue: Catalogue, policy: RetryPolicy, watcher: CallWatcher
    ) -> RecordCalls:
        return RecordCalls(
            store=store,
            catalogue=catalogue,
            policy=policy,
            watcher=watcher,
            announce_calls=self._settings.announce_calls,
        )

    @provide
    def collect_jobs(self, store: Store, judges: Judges, policy: JobPolicy) -> CollectJobs:
        return CollectJobs(store=store, providers=tuple(judges.batch), policy=policy)

    @provide
    def run_jobs(
        self, store: Store, judges: Judges, catalogue: Catalogue, record: RecordCalls, policy: JobPolicy
    ) -> RunJobs:
        return RunJobs(store=store, judges=judges.batch, catalogue=catalogue, record=record, policy=policy)

    @provide
    def judge_workers(
        self,
        judges: Judges,
        store: Store,
        catalogue: Catalogue,
        record: RecordCalls,
        policy: RetryPolicy,
        wakeups: JudgeWakeups,
        open_meters: OpenMeters,
    ) -> tuple[JudgeRequests, ...]:
        settings = self._settings
        return tuple(
            JudgeRequests(
                provider=provider,
                prepare=open_meters,
                make_call=MakeCall(judge=judge, catalogue=catalogue, patience=settings.call_timeout),
                record=record,
                store=store,
                concurrency=settings.concurrency,
                lease=settings.lease,
                drain=settings.drain,
                busy_pause=policy.pause(1),
                announce_calls=settings.announce_calls,
                pause=wakeups[provider],
                pulse=Pulse(),
            )
            for provider, judge in judges.live.items()
        )


def _simulated(settings: Settings) -> SimulatedJudge:
    file = settings.simulated_quality_file
    return SimulatedJudge(
        SimulatedSettings(
            noise=settings.simulated_noise,
            position_bias=settings.simulated_position_bias,
            latency_ms=settings.simulated_latency_ms,
            failure_rate=settings.simulated_failure_rate,
            rate_limit_rate=settings.simulated_rate_limit_rate,
            malformed_rate=settings.simulated_malformed_rate,
            seed=settings.simulated_seed,
        ),
        qualities={} if file is None else read_qualities(file),
    )


def _secret(key: SecretStr | None) -> str | None:
    return None if key is None else key.get_secret_value()


def _fingerprint(settings: Settings, provider: str) -> str:
    """Tells accounts apart without saying anything about the key."""
    keys = {
        LLMProvider.ANTHROPIC: settings.anthropic_api_key,
        LLMProvider.OPENAI: settings.openai_api_key,
        LLMProvider.GOOGLE: settings.google_api_key,
        LLMProvider.OPENROUTER: settings.openrouter_api_key,
        LLMProvider.OPENAI_COMPATIBLE: settings.openai_compatible_key,
    }
    key = _secret(keys.get(LLMProvider(provider)))
    return "" if key is None else hashlib.sha256(key.encode()).hexdigest()[:12]


def _own_limits(settings: Settings) -> Mapping[str, Limits]:
    return {name: Limits(**own.model_dump()) for name, own in settings.limits.items()}


def _known() -> Sequence[str]:
    return [str(provider) for provider in list_providers()]


def _configured(judges: Judges) -> frozenset[str]:
    return frozenset(str(provider) for provider in judges.live)


async def build_service(
    settings: Settings,
    *,
    bus: EventBus | None,
    overrides: Sequence[Provider] = (),
) -> Service:
    """Assemble everything; nothing is connected yet. ``overrides`` take the place of what is provided here.

    The administrators' routes are there only where the settings say how their tokens are checked.
    """
    container = make_async_container(
        InfrastructureProvider(settings, service=NAME, bus=bus),
        JudgeProvider(settings),
        AdapterProvider(settings),
        UseCaseProvider(settings),
        *overrides,
    )
    await _preload_prices(await container.get(Judges))
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    gate = administrators_gate(settings, client=await container.get(httpx2.AsyncClient))
    workers: Sequence[BackgroundLoop] = (
        *await container.get(tuple[JudgeRequests, ...]),
        *await _workers(container),
        *relays.workers(),
        housekeeping.worker(),
    )
    metrics = await container.get(ServiceMetrics)
    measure_workers(workers, metrics)
    return Service(
        name=NAME,
        app=await _app(container, gate, workers),
        host=settings.http_host,
        port=settings.http_port,
        database_url=settings.database_url,
        migrations=MIGRATIONS,
        bus=await container.get(EventBus),
        workers=workers,
        metrics=metrics,
        close=container.close,
    )


async def _preload_prices(judges: Judges) -> None:
    """No request should wait for the price list; where every judge is free it is not needed at all."""
    if not all(default_model(provider).free for provider in judges.live):
        await asyncio.to_thread(preload)


async def _workers(container: AsyncContainer) -> Sequence[Worker]:
    jobs_rest = (await container.get(JobPolicy)).rest.total_seconds()
    return (
        polling_worker("return", await container.get(ReturnRequests), every_seconds=RETURNING_SECONDS),
        polling_worker("expire", await container.get(ExpireRequests), every_seconds=EXPIRY_SECONDS),
        polling_worker("collect-jobs", await container.get(CollectJobs), every_seconds=jobs_rest),
        polling_worker("run-jobs", await container.get(RunJobs), every_seconds=jobs_rest),
        polling_worker("spending", await container.get(AlertOnSpending), every_seconds=SPENDING_SECONDS),
        polling_worker("measure", await container.get(MeasureState), every_seconds=MEASURING_SECONDS),
        polling_worker("forget", await container.get(ForgetPrompts), every_seconds=FORGETTING_SECONDS),
    )


async def _app(container: AsyncContainer, gate: AdminGate | None, workers: Sequence[BackgroundLoop]) -> Quart:
    accept = await container.get(AcceptComparisons)
    database, bus = await container.get(Database), await container.get(EventBus)
    comparisons = http_api.Actions(
        accept_one=GatherComparisons(accept=accept.accept),
        accept_many=accept.many,
        read=await container.get(ReadRequest),
        cancel=await container.get(CancelRequest),
    )
    providers = await container.get(ReadProviders)
    operations = http_operations.OperatorActions(providers=providers, costs=await container.get(ReadCosts))
    blueprints = [http_api.comparisons_api(comparisons), http_operations.operations_api(operations)]
    if gate is not None:
        switch = await container.get(PauseProvider)
        admin = http_admin.AdminActions(gate=gate, switch=switch, providers=providers)
        blueprints.append(http_admin.admin_api(admin))
    return create_app(
        HttpService(
            name=NAME,
            title="LLM Provider",
            version="1",
            blueprints=blueprints,
            checks=readiness_checks(database=database, bus=bus, migrations=MIGRATIONS, workers=workers),
            metrics=await container.get(ServiceMetrics),
        )
    )
