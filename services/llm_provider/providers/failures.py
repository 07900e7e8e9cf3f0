"""How failing items are counted and set aside: one record per worker in the service's database."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import structlog
from dishka import Provider, Scope, provide
from service_kit.storage.database import Database
from service_kit.storage.errors import is_infrastructure_error
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.failed_items import DEFAULT_RETRY_RULES, RetryRules
from service_kit.work.isolation import Failure
from service_kit.work.items import FailureRecord, SetAsideReason
from service_kit.work.outages import OUTAGES

from llm_provider.domain.requests.request import QueueId
from llm_provider.ports import FailureCount
from llm_provider.ports.worker_names import READ_REQUESTS, RECORD_CALLS
from llm_provider.use_cases.requests.set_aside_request import SetAsideRequest

log = structlog.get_logger()

UNREADABLE_ATTEMPTS = 1
"""What cannot be read now cannot be read later."""

UNRECORDED_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Makes the records of failures that the workers keep."""

    database: Database
    metrics: ServiceMetrics
    set_aside: SetAsideRequest
    rules: RetryRules

    def of_requests(self, worker: str) -> FailureRecord[QueueId]:
        """For a worker whose items are requests: one that fails too often ends in its error callback."""

        async def set_aside(queue_id: QueueId, reason: SetAsideReason) -> None:
            await self.set_aside(queue_id, reason.message)

        return FailureRecord(
            worker=worker,
            database=self.database,
            metrics=self.metrics,
            set_aside=set_aside,
            rules=self.rules,
        )

    def of_unreadable_rows(self) -> FailureCount[QueueId]:
        """For rows that cannot be read as requests: they are set aside immediately."""
        record = self.of_requests(READ_REQUESTS)
        return _counting(
            FailureRecord(
                worker=READ_REQUESTS,
                database=self.database,
                metrics=self.metrics,
                set_aside=record.set_aside,
                rules=replace(self.rules, max_attempts=UNREADABLE_ATTEMPTS),
            )
        )

    def of_untaken_rows(self) -> FailureCount[QueueId]:
        """For rows that cannot be leased: their requests are set aside after some attempts."""
        return _counting(self.of_requests(READ_REQUESTS))

    def of_calls(self, set_aside_call: Callable[[QueueId, str], Awaitable[None]]) -> FailureCount[QueueId]:
        """For calls that cannot be recorded."""

        async def set_aside(queue_id: QueueId, reason: SetAsideReason) -> None:
            await set_aside_call(queue_id, reason.message)

        return _counting(
            FailureRecord(
                worker=RECORD_CALLS,
                database=self.database,
                metrics=self.metrics,
                set_aside=set_aside,
                rules=replace(self.rules, max_attempts=UNRECORDED_ATTEMPTS),
            )
        )


def _counting(record: FailureRecord[QueueId]) -> FailureCount[QueueId]:
    async def count(errors: Mapping[QueueId, Exception]) -> None:
        if errors:
            await record.failed([Failure(key, error) for key, error in errors.items()])

    return count


@dataclass(frozen=True)
class WorkerSteps:
    """Logs failed steps of one worker; an outage of the infrastructure is one line for all of them."""

    worker: str

    def failed(self, error: Exception) -> None:
        if is_infrastructure_error(error):
            OUTAGES.report(self.worker, error)
        else:
            log.error("worker.step_failed", worker=self.worker, exc_info=error)

    def completed(self) -> None:
        OUTAGES.recovered(self.worker)


class FailureProvider(Provider):
    """The records of failures."""

    scope = Scope.APP

    failures = provide(Failures)

    @provide
    def retry_rules(self) -> RetryRules:
        return DEFAULT_RETRY_RULES
