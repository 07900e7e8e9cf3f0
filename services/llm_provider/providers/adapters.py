"""Adapters, and the rules that the settings make."""

from collections.abc import Mapping

from dishka import Provider, Scope, provide
from service_kit.callbacks.policy import CallbackPolicy
from service_kit.providers import Relays
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics

from llm_provider.adapters.call_metrics import CallMetrics, StateMetrics
from llm_provider.adapters.catalogue import ManifestCatalogue
from llm_provider.adapters.postgres.erasures import PostgresErasures, PostgresExports
from llm_provider.adapters.postgres.meters import MeterRules
from llm_provider.adapters.postgres.store import open_store
from llm_provider.domain.batch_job import JobPolicy
from llm_provider.domain.calls.retrying import RetryPolicy
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.limits import BreakerPolicy, Limits, Pacing
from llm_provider.ports import (
    CallbackRules,
    CallWatcher,
    Catalogue,
    Erasures,
    Exports,
    StateWatcher,
    Store,
)
from llm_provider.providers.judges import Judges
from llm_provider.settings import Settings


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
            breaker=BreakerPolicy(failures=settings.breaker_failures, open_for=settings.breaker_open_for),
            lease=settings.lease_duration,
        )
        return open_store(database, rules=rules, wake_relays=relays.wake)

    @provide
    def erasures(self, database: Database) -> Erasures:
        return PostgresErasures(database)

    @provide
    def exports(self, database: Database) -> Exports:
        return PostgresExports(database)

    @provide
    def catalogue(self, judges: Judges) -> Catalogue:
        return ManifestCatalogue(
            default_provider=self._settings.default_provider,
            vendors=judges.vendors,
            needs=judges.needs,
            own_limits=_own_limits(self._settings),
            vendor_regions=self._settings.vendor_regions,
            allowed_regions=self._settings.allowed_regions,
        )

    @provide
    def callbacks(self, policy: CallbackPolicy) -> CallbackRules:
        return policy

    @provide
    def call_watcher(self, metrics: ServiceMetrics, judges: Judges) -> CallWatcher:
        return CallMetrics(metrics.registry, providers=judges.live)

    @provide
    def state_watcher(self, metrics: ServiceMetrics, judges: Judges) -> StateWatcher:
        return StateMetrics(metrics.registry, providers=judges.live)

    @provide
    def retry_policy(self) -> RetryPolicy:
        settings = self._settings
        return RetryPolicy(
            max_attempts=settings.max_attempts,
            outage_timeout=settings.outage_timeout,
            first_retry_delay=settings.first_retry_delay,
            expires_after=settings.expires_after,
            relaxed_expires_after=settings.relaxed_expires_after,
        )

    @provide
    def job_policy(self) -> JobPolicy:
        settings = self._settings
        return JobPolicy(
            max_items=settings.batch_size,
            max_bytes=settings.batch_bytes,
            collect_for=settings.batch_collect_for,
            poll_interval=settings.batch_poll_interval,
        )

    @provide
    def cost_limits(self) -> CostLimits:
        settings = self._settings
        return CostLimits(daily=settings.daily_cost_limit_usd, monthly=settings.monthly_cost_limit_usd)


def _own_limits(settings: Settings) -> Mapping[str, Limits]:
    return {name: Limits(**own.model_dump()) for name, own in settings.limits.items()}
