"""The adapters of the service."""

import httpx2
from dishka import Provider, Scope, provide
from event_contracts import SourceService
from service_kit.providers import Relays, service_token
from service_kit.storage.database import Database
from service_kit.store import PostgresStore
from service_kit.telemetry.metrics import ServiceMetrics

from batch_conductor.adapters.metrics import ConductorMetrics
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.adapters.platform_facts import Addresses, PlatformFacts
from batch_conductor.adapters.postgres.transaction import PostgresTransaction
from batch_conductor.domain.pipeline import PipelineRules
from batch_conductor.ports import Facts, Store, Watcher
from batch_conductor.settings import PIPELINES, Settings


class AdapterProvider(Provider):
    """The adapters, and the rules of the pipelines file."""

    scope = Scope.APP

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
    def watcher(self, metrics: ServiceMetrics, rules: PipelineRules) -> Watcher:
        return ConductorMetrics(metrics.registry, rules=rules)

    @provide
    def facts(self, client: httpx2.AsyncClient) -> Facts:
        settings = self._settings
        addresses = Addresses(
            content=settings.content_service_url,
            cj_assessment=settings.cj_assessment_url,
            llm_provider=settings.llm_provider_url,
        )
        asks_the_suite = addresses.cj_assessment is not None or addresses.llm_provider is not None
        service = SourceService.BATCH_CONDUCTOR.value
        auth = service_token(settings, service=service) if asks_the_suite else None
        return PlatformFacts(client, addresses=addresses, auth=auth)
