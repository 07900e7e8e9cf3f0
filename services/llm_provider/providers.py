"""Which adapter serves which port: the one place that knows the concrete types."""

from collections.abc import Mapping

import httpx2
from dishka import AsyncContainer, Provider, Scope, make_async_container, provide
from event_contracts import LLMProvider
from model_manifest import default_model
from quart import Quart
from service_kit.database import Database
from service_kit.event_bus import EventBus
from service_kit.http_app import HttpService, create_app
from service_kit.metrics import ServiceMetrics
from service_kit.providers import Housekeeping, InfrastructureProvider, Relays
from service_kit.running import Service
from service_kit.wakeup import Wakeup, Worker
from service_kit.webhooks import CallbackPolicy

from llm_provider.adapters import http_api
from llm_provider.adapters.call_metrics import CallMetrics
from llm_provider.adapters.catalogue import ManifestCatalogue, SimulatedPrice
from llm_provider.adapters.postgres import PostgresStore
from llm_provider.adapters.replay import ReplayJudge, read_decisions
from llm_provider.adapters.simulated import SimulatedJudge, SimulatedSettings, read_qualities
from llm_provider.adapters.vendors import OpenAiCompatibleJudge
from llm_provider.domain.request import RetryPolicy
from llm_provider.ports import CallbackRules, CallWatcher, Catalogue, Judge, Store
from llm_provider.settings import MIGRATIONS, Settings
from llm_provider.use_cases.accept_comparisons import AcceptComparisons
from llm_provider.use_cases.expire_requests import ExpireRequests
from llm_provider.use_cases.judge_requests import JudgeRequests
from llm_provider.use_cases.read_request import ForgetPrompts, ReadRequest

NAME = "llm_provider_service"
EXPIRY_SECONDS = 1.0
FORGETTING_SECONDS = 600.0

Judges = Mapping[str, Judge]
"""The judges that this installation can reach, by provider."""


class JudgeWakeups(dict[str, Wakeup]):
    """One for the worker of each provider."""

    def wake(self) -> None:
        """Wake all of them."""
        for wakeup in self.values():
            wakeup.wake()


class AdapterProvider(Provider):
    """Adapters, and the rules that the settings make."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @provide
    def store(self, database: Database, relays: Relays) -> Store:
        return PostgresStore(database, wake_relays=relays.wake)

    @provide
    def judges(self, client: httpx2.AsyncClient) -> Judges:
        """To add a provider: write its adapter, and name it here."""
        settings = self._settings
        judges: dict[str, Judge] = {LLMProvider.MOCK: _simulated(settings)}
        if settings.replay_file is not None:
            judges[LLMProvider.REPLAY] = ReplayJudge(read_decisions(settings.replay_file))
        if settings.openai_compatible_url is not None:
            key = settings.openai_compatible_key
            judges[LLMProvider.OPENAI_COMPATIBLE] = OpenAiCompatibleJudge(
                client,
                base_url=settings.openai_compatible_url,
                api_key=None if key is None else key.get_secret_value(),
            )
        return judges

    @provide
    def wakeups(self, judges: Judges) -> JudgeWakeups:
        return JudgeWakeups({provider: Wakeup() for provider in judges})

    @provide
    def catalogue(self, judges: Judges) -> Catalogue:
        simulated_price = SimulatedPrice(
            input=self._settings.simulated_input_price, output=self._settings.simulated_output_price
        )
        return ManifestCatalogue(
            default_provider=self._settings.default_provider,
            configured=[str(provider) for provider in judges],
            simulated_price=simulated_price,
        )

    @provide
    def callbacks(self, policy: CallbackPolicy) -> CallbackRules:
        return policy

    @provide
    def watcher(self, metrics: ServiceMetrics) -> CallWatcher:
        return CallMetrics(metrics.registry)

    @provide
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(
            max_attempts=self._settings.max_attempts,
            first_pause=self._settings.first_pause,
            expires_after=self._settings.expires_after,
        )


class UseCaseProvider(Provider):
    """The verbs of the service."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    read = provide(ReadRequest)
    expire = provide(ExpireRequests)

    @provide
    def forget(self, store: Store) -> ForgetPrompts:
        return ForgetPrompts(store=store, keep=self._settings.keep_prompts)

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
        )

    @provide
    def judge_workers(
        self,
        judges: Judges,
        store: Store,
        catalogue: Catalogue,
        policy: RetryPolicy,
        watcher: CallWatcher,
        wakeups: JudgeWakeups,
    ) -> tuple[JudgeRequests, ...]:
        return tuple(
            JudgeRequests(
                provider=provider,
                judge=judge,
                store=store,
                catalogue=catalogue,
                policy=policy,
                watcher=watcher,
                concurrency=min(self._settings.concurrency, default_model(provider).limits.concurrency),
                call_timeout=self._settings.call_timeout,
                announce_calls=self._settings.announce_calls,
                pause=wakeups[provider],
            )
            for provider, judge in judges.items()
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


async def build_service(settings: Settings, *, bus: EventBus | None) -> Service:
    """Assemble everything; nothing is connected yet."""
    container = make_async_container(
        InfrastructureProvider(settings, service=NAME, bus=bus),
        AdapterProvider(settings),
        UseCaseProvider(settings),
    )
    relays, housekeeping = await container.get(Relays), await container.get(Housekeeping)
    return Service(
        name=NAME,
        app=await _app(container),
        host=settings.http_host,
        port=settings.http_port,
        database_url=settings.database_url,
        migrations=MIGRATIONS,
        bus=await container.get(EventBus),
        workers=(
            *await container.get(tuple[JudgeRequests, ...]),
            Worker(name="expire", step=await container.get(ExpireRequests), idle_seconds=EXPIRY_SECONDS),
            Worker(name="forget", step=await container.get(ForgetPrompts), idle_seconds=FORGETTING_SECONDS),
            *relays.workers(),
            housekeeping.worker(),
        ),
        close=container.close,
    )


async def _app(container: AsyncContainer) -> Quart:
    accept, read = await container.get(AcceptComparisons), await container.get(ReadRequest)
    database, bus = await container.get(Database), await container.get(EventBus)
    actions = http_api.Actions(accept_one=accept.one, accept_many=accept.many, read=read)
    configured = [str(provider) for provider in await container.get(Judges)]
    return create_app(
        HttpService(
            name=NAME,
            title="LLM Provider",
            version="1",
            blueprints=[http_api.comparisons_api(actions), http_api.models_api(configured=configured)],
            checks={"database": database.ping, "event_bus": bus.ping},
            metrics=await container.get(ServiceMetrics),
        )
    )
