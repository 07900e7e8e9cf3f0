"""Which adapter serves which port: the one place that knows the concrete types."""

from collections.abc import Sequence

import httpx2
from dishka import AsyncContainer, Provider, Scope, make_async_container, provide
from event_contracts import Topic
from quart import Quart
from service_kit.callbacks.webhooks import CallbackPolicy, WebhookSigner
from service_kit.http.app import HttpService, create_app
from service_kit.messaging.consumer import EventConsumer
from service_kit.messaging.event_bus import EventBus
from service_kit.providers import InfrastructureProvider, Relays, measure_workers, readiness_checks
from service_kit.running import BackgroundLoop, Service
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.housekeeping import Housekeeping
from service_kit.work.worker import Wakeup, polling_worker
from threadpoolctl import threadpool_limits

from cj_assessment.adapters import http_api
from cj_assessment.adapters.content import ExternalContent, OwnContent
from cj_assessment.adapters.events_in import routes
from cj_assessment.adapters.judge_catalogue import ManifestJudges, SimulatedPrice
from cj_assessment.adapters.llm_provider_client import LlmProviderClient
from cj_assessment.adapters.postgres import PostgresStore
from cj_assessment.adapters.result_metrics import ResultMetrics
from cj_assessment.domain.batch import Defaults, TextRules
from cj_assessment.domain.comparison import AttemptPolicy
from cj_assessment.domain.deciding import DecisionRules
from cj_assessment.ports import (
    CallbackRules,
    ContentStore,
    JudgeCatalogue,
    LlmProvider,
    ResultWatcher,
    Store,
)
from cj_assessment.settings import MIGRATIONS, Settings
from cj_assessment.use_cases.accept_request import AcceptRequest
from cj_assessment.use_cases.advance_batch import AdvanceBatches
from cj_assessment.use_cases.cancel_batch import CancelBatch
from cj_assessment.use_cases.expire_attempts import ExpireAttempts
from cj_assessment.use_cases.prepare_batch import ContentPatience, PrepareBatch
from cj_assessment.use_cases.read_batch import ReadBatch
from cj_assessment.use_cases.record_results import RecordResults
from cj_assessment.use_cases.register_anchor import ListAnchors, RegisterAnchor
from cj_assessment.use_cases.store_content import ReadContent, StoreContent
from cj_assessment.use_cases.submit_comparisons import SubmitComparisons
from cj_assessment.use_cases.withdraw_attempts import WithdrawAttempts

NAME = "cj_assessment_service"
CALLBACK_PATH = "/api/v1/callbacks/comparison-results"
BLAS_THREADS = 1
"""Fits run side by side in threads of their own; the matrices of one batch are too small to be shared out."""
EXPIRY_SECONDS = 1.0
POLL_SECONDS = 0.25
WITHDRAWING_SECONDS = 5.0


class AdvanceWakeup(Wakeup):
    """Wakes the advancing worker."""


class SubmitWakeup(Wakeup):
    """Wakes the submitting worker."""


class PrepareWakeup(Wakeup):
    """Wakes the preparing worker."""


class WithdrawWakeup(Wakeup):
    """Wakes the withdrawing worker."""


class AdapterProvider(Provider):
    """Adapters, and the rules that the settings make."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    advance_wakeup = provide(AdvanceWakeup)
    submit_wakeup = provide(SubmitWakeup)
    prepare_wakeup = provide(PrepareWakeup)
    withdraw_wakeup = provide(WithdrawWakeup)

    @provide
    def store(self, database: Database, relays: Relays) -> Store:
        return PostgresStore(database, wake_relays=relays.wake)

    @provide
    def content(self, store: Store, client: httpx2.AsyncClient) -> ContentStore:
        if self._settings.content_service_url is None:
            return OwnContent(store)
        return ExternalContent(client, base_url=self._settings.content_service_url)

    @provide
    def judges(self) -> JudgeCatalogue:
        return ManifestJudges(
            default_provider=self._settings.default_provider,
            default_model=self._settings.default_model,
            simulated_price=SimulatedPrice(
                input=self._settings.simulated_input_price, output=self._settings.simulated_output_price
            ),
        )

    @provide
    def callbacks(self, policy: CallbackPolicy) -> CallbackRules:
        return policy

    @provide
    def llm_provider(self, client: httpx2.AsyncClient) -> LlmProvider:
        over_http = self._settings.callback_transport == "http"
        base_url = self._settings.callback_base_url
        return LlmProviderClient(
            client,
            base_url=self._settings.llm_provider_url,
            callback_topic=None if over_http else Topic.LLM_COMPARISON_RESULT,
            callback_url=f"{base_url}{CALLBACK_PATH}" if over_http else None,
        )

    @provide
    def watcher(self, metrics: ServiceMetrics) -> ResultWatcher:
        return ResultMetrics(metrics.registry)

    @provide
    def content_patience(self) -> ContentPatience:
        return ContentPatience(longest=self._settings.content_patience)

    @provide
    def text_rules(self) -> TextRules:
        return TextRules(max_characters=self._settings.max_essay_characters)

    @provide
    def decision_rules(self) -> DecisionRules:
        return DecisionRules(
            comparisons_per_essay=self._settings.comparisons_per_essay,
            min_comparisons_per_essay=self._settings.min_comparisons_per_essay,
            straggler_patience=self._settings.straggler_patience,
            max_failed_share=self._settings.max_failed_share,
            max_grade_change_share=self._settings.max_grade_change_share,
        )

    @provide
    def attempt_policy(self) -> AttemptPolicy:
        return AttemptPolicy(
            max_attempts=self._settings.max_attempts,
            answer_within=self._settings.answer_within,
            first_pause=self._settings.retry_pause,
        )

    @provide
    def defaults(self) -> Defaults:
        return Defaults(
            target_reliability=self._settings.target_reliability, deadline=self._settings.batch_deadline
        )


class UseCaseProvider(Provider):
    """The verbs of the service."""

    scope = Scope.APP

    accept = provide(AcceptRequest)
    read = provide(ReadBatch)
    register_anchor = provide(RegisterAnchor)
    list_anchors = provide(ListAnchors)
    withdraw = provide(WithdrawAttempts)
    store_content = provide(StoreContent)
    read_content = provide(ReadContent)

    @provide
    def advance(
        self, store: Store, rules: DecisionRules, submit: SubmitWakeup, withdraw: WithdrawWakeup
    ) -> AdvanceBatches:
        return AdvanceBatches(store=store, rules=rules, wake_submit=submit.wake, wake_withdraw=withdraw.wake)

    @provide
    def submit(
        self, store: Store, llm_provider: LlmProvider, policy: AttemptPolicy, advance: AdvanceWakeup
    ) -> SubmitComparisons:
        return SubmitComparisons(
            store=store, llm_provider=llm_provider, policy=policy, wake_advance=advance.wake
        )

    @provide
    def prepare(
        self,
        store: Store,
        content: ContentStore,
        judges: JudgeCatalogue,
        rules: TextRules,
        patience: ContentPatience,
        advance: AdvanceWakeup,
    ) -> PrepareBatch:
        return PrepareBatch(
            store=store,
            content=content,
            judges=judges,
            rules=rules,
            patience=patience,
            wake_advance=advance.wake,
        )

    @provide
    def record(
        self, store: Store, policy: AttemptPolicy, watcher: ResultWatcher, advance: AdvanceWakeup
    ) -> RecordResults:
        return RecordResults(store=store, policy=policy, watcher=watcher, wake_advance=advance.wake)

    @provide
    def expire(self, store: Store, policy: AttemptPolicy, advance: AdvanceWakeup) -> ExpireAttempts:
        return ExpireAttempts(store=store, policy=policy, wake_advance=advance.wake)

    @provide
    def cancel(self, store: Store, advance: AdvanceWakeup) -> CancelBatch:
        return CancelBatch(store=store, wake_advance=advance.wake)


async def build_service(settings: Settings, *, bus: EventBus | None) -> Service:
    """Assemble everything; nothing is connected yet."""
    threadpool_limits(limits=BLAS_THREADS, user_api="blas")
    container = make_async_container(
        InfrastructureProvider(settings, service=NAME, bus=bus), AdapterProvider(settings), UseCaseProvider()
    )
    event_bus = await container.get(EventBus)
    await _subscribe(container, event_bus)
    workers, metrics = await _workers(container), await container.get(ServiceMetrics)
    measure_workers(workers, metrics)
    return Service(
        name=NAME,
        app=await _app(container, event_bus, workers),
        host=settings.http_host,
        port=settings.http_port,
        database_url=settings.database_url,
        migrations=MIGRATIONS,
        bus=event_bus,
        workers=workers,
        metrics=metrics,
        close=container.close,
    )


async def _subscribe(container: AsyncContainer, bus: EventBus) -> None:
    accept = await container.get(AcceptRequest)
    record = await container.get(RecordResults)
    EventConsumer(
        bus=bus,
        service=NAME,
        routes=routes(accept_requests=accept.from_events, record_results=record),
        metrics=await container.get(ServiceMetrics),
    ).subscribe()


async def _app(container: AsyncContainer, bus: EventBus, workers: Sequence[BackgroundLoop]) -> Quart:
    read = await container.get(ReadBatch)
    actions = http_api.Actions(
        accept=await container.get(AcceptRequest),
        cancel=await container.get(CancelBatch),
        status=read.status,
        results=read.results,
        comparisons=read.comparisons,
        record_results=await container.get(RecordResults),
        store_content=await container.get(StoreContent),
        read_content=await container.get(ReadContent),
        register_anchor=await container.get(RegisterAnchor),
        list_anchors=await container.get(ListAnchors),
    )
    database = await container.get(Database)
    return create_app(
        HttpService(
            name=NAME,
            title="CJ Assessment",
            version="1",
            blueprints=[
                http_api.assessments_api(actions),
                http_api.anchors_api(actions),
                http_api.content_api(actions),
                http_api.callbacks_api(actions, signer=await container.get(WebhookSigner)),
            ],
            checks=readiness_checks(database=database, bus=bus, migrations=MIGRATIONS, workers=workers),
            metrics=await container.get(ServiceMetrics),
        )
    )


async def _workers(container: AsyncContainer) -> tuple[BackgroundLoop, ...]:
    relays = await container.get(Relays)
    housekeeping = await container.get(Housekeeping)
    return (
        polling_worker(
            "prepare",
            await container.get(PrepareBatch),
            every_seconds=POLL_SECONDS,
            wakeup=await container.get(PrepareWakeup),
        ),
        polling_worker(
            "advance",
            await container.get(AdvanceBatches),
            every_seconds=POLL_SECONDS,
            wakeup=await container.get(AdvanceWakeup),
        ),
        polling_worker(
            "submit",
            await container.get(SubmitComparisons),
            every_seconds=POLL_SECONDS,
            wakeup=await container.get(SubmitWakeup),
        ),
        polling_worker(
            "withdraw",
            await container.get(WithdrawAttempts),
            every_seconds=WITHDRAWING_SECONDS,
            wakeup=await container.get(WithdrawWakeup),
        ),
        polling_worker("expire", await container.get(ExpireAttempts), every_seconds=EXPIRY_SECONDS),
        *relays.workers(),
        housekeeping.worker(),
    )
