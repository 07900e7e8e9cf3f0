"""Adapters, and the rules that the settings make."""

from collections.abc import Collection

import httpx2
from dishka import Provider, Scope, provide
from event_contracts import SourceService, Topic
from model_manifest import SimulatedPrice, check_region, region_of
from service_kit.callbacks.policy import CallbackPolicy
from service_kit.http.permissions import Role
from service_kit.messaging.event_bus import EventBus
from service_kit.providers import Relays, service_token
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.failed_items import DEFAULT_RETRY_RULES, RetryRules

from cj_assessment.adapters.batch_metrics import BatchMetrics
from cj_assessment.adapters.changes import Changes
from cj_assessment.adapters.content import LocalContent, RemoteContent, SharedContent
from cj_assessment.adapters.judge_catalogue import ManifestJudges
from cj_assessment.adapters.llm_provider_client import LlmProviderClient
from cj_assessment.adapters.postgres import postgres_store
from cj_assessment.adapters.postgres.administration import PostgresAdministration
from cj_assessment.adapters.postgres.erasures import PostgresErasures
from cj_assessment.adapters.postgres.exports import PostgresExports
from cj_assessment.adapters.result_metrics import PromptMetrics, ResultMetrics
from cj_assessment.domain.batch import Defaults, TextRules
from cj_assessment.domain.comparison import AttemptPolicy
from cj_assessment.domain.deciding import DecisionRules
from cj_assessment.domain.residency import Residency
from cj_assessment.ports import (
    CallbackRules,
    ContentStore,
    Erasures,
    Exports,
    JudgeCatalogue,
    LlmProvider,
    MessageLimits,
    PromptWatcher,
    RequestEraser,
    ResultWatcher,
    Store,
    TextRemover,
)
from cj_assessment.ports.administration import Administration
from cj_assessment.providers.wakeups import (
    AdvanceWakeup,
    ForgetWakeup,
    PrepareWakeup,
    ReportWakeup,
    SubmitWakeup,
    WithdrawWakeup,
)
from cj_assessment.settings import Settings
from cj_assessment.use_cases.shared.content_waiting import ContentTimeout

CALLBACK_PATH = "/api/v1/callbacks/comparison-results"


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
    report_wakeup = provide(ReportWakeup)
    forget_wakeup = provide(ForgetWakeup)
    changes = provide(Changes)

    @provide
    def store(self, database: Database, relays: Relays) -> Store:
        return postgres_store(database, wake_relays=relays.wake)

    @provide
    def batch_metrics(self, metrics: ServiceMetrics, database: Database) -> BatchMetrics:
        return BatchMetrics(metrics.registry, database=database)

    @provide
    def external_content(self, client: httpx2.AsyncClient) -> RemoteContent | None:
        url = self._settings.content_service_url
        return None if url is None else RemoteContent(client, base_url=url)

    own_content = provide(LocalContent)

    @provide
    def content(self, own: LocalContent, external: RemoteContent | None) -> ContentStore:
        return own if external is None else SharedContent(own, external)

    @provide
    def message_limits(self, bus: EventBus) -> MessageLimits:
        return bus

    @provide
    def text_remover(self, external: RemoteContent | None) -> TextRemover | None:
        return external

    @provide
    def administration(self, database: Database) -> Administration:
        return PostgresAdministration(database)

    @provide
    def erasures(self, database: Database) -> Erasures:
        return PostgresErasures(database, keeps_texts=self._settings.content_service_url is None)

    @provide
    def exports(self, database: Database) -> Exports:
        return PostgresExports(database)

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
    def llm_provider_client(self, client: httpx2.AsyncClient) -> LlmProviderClient:
        over_http = self._settings.callback_transport == "http"
        base_url = self._settings.callback_base_url
        return LlmProviderClient(
            client,
            base_url=self._settings.llm_provider_url,
            callback_topic=None if over_http else Topic.LLM_COMPARISON_RESULT,
            callback_url=f"{base_url}{CALLBACK_PATH}" if over_http else None,
            token=service_token(
                self._settings, service=SourceService.CJ_ASSESSMENT, role=Role.ASSESSMENT_SERVICE
            ),
        )

    @provide
    def llm_provider(self, client: LlmProviderClient) -> LlmProvider:
        return client

    @provide
    def request_eraser(self, client: LlmProviderClient) -> RequestEraser:
        return client

    @provide
    def watcher(self, metrics: ServiceMetrics) -> ResultWatcher:
        return ResultMetrics(metrics.registry)

    @provide
    def prompt_watcher(self, metrics: ServiceMetrics) -> PromptWatcher:
        return PromptMetrics(metrics.registry)

    @provide
    def retry_rules(self) -> RetryRules:
        return DEFAULT_RETRY_RULES

    @provide
    def content_timeout(self) -> ContentTimeout:
        return ContentTimeout(max_wait=self._settings.content_timeout)

    @provide
    def text_rules(self) -> TextRules:
        return TextRules(max_characters=self._settings.max_essay_characters)

    @provide
    def decision_rules(self) -> DecisionRules:
        return DecisionRules(
            comparisons_per_essay=self._settings.comparisons_per_essay,
            min_comparisons_per_essay=self._settings.min_comparisons_per_essay,
            straggler_timeout=self._settings.straggler_timeout,
            min_straggler_timeout=self._settings.min_straggler_timeout,
            max_failed_share=self._settings.max_failed_share,
            max_grade_change_share=self._settings.max_grade_change_share,
        )

    @provide
    def residency(self) -> Residency:
        settings = self._settings

        def check(provider: str, allowed: Collection[str] | None) -> None:
            check_region(provider, region=region_of(provider, named=settings.vendor_regions), allowed=allowed)

        organisations = settings.org_allowed_regions.items()
        return Residency(
            installation=None if settings.allowed_regions is None else frozenset(settings.allowed_regions),
            organisations={name: frozenset(regions) for name, regions in organisations},
            check_region=check,
        )

    @provide
    def attempt_policy(self) -> AttemptPolicy:
        return AttemptPolicy(
            max_attempts=self._settings.max_attempts,
            answer_timeout=self._settings.answer_timeout,
            relaxed_answer_timeout=self._settings.relaxed_answer_timeout,
        )

    @provide
    def defaults(self) -> Defaults:
        return Defaults(
            target_reliability=self._settings.target_reliability,
            deadline=self._settings.batch_deadline,
            relaxed_deadline=self._settings.relaxed_batch_deadline,
        )
