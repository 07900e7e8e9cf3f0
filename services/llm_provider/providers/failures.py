"""How failing items are counted and set aside: one record per worker in the service's database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from dishka import Provider, Scope, provide
from service_kit.storage.database import Database
from service_kit.storage.errors import is_infrastructure_error
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.failed_items import RetryRules
from service_kit.work.isolation import Failure
from service_kit.work.items import FailureRecord, SetAsideReason
from service_kit.work.outages import OUTAGES

from llm_provider.domain.requests.request import QueueId
from llm_provider.ports import FailureCount
from llm_provider.use_cases.requests.set_aside_request import SetAsideRequest

log = structlog.get_logger()

CALL_WORKER = "record-calls"
ROW_WORKER = "read-requests"
UNREADABLE = RetryRules(max_attempts=1)
"""What cannot be read now cannot be read later."""

UNRECORDED = RetryRules(max_attempts=3)


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Makes the records of failures that the workers keep."""

    database: Database
    metrics: ServiceMetrics
    set_aside: SetAsideRequest

    def of_requests(self, worker: str) -> FailureRecord[QueueId]:
        """For a worker whose items are requests: one that fails too often ends in its error callback."""

        async def set_aside(queue_id: QueueId, reason: SetAsideReason) -> None:
            await self.set_aside(queue_id, reason.message)

        return FailureRecord(worker=worker, database=self.database, metrics=self.metrics, set_aside=set_aside)

    def of_unreadable_rows(self) -> FailureCount[QueueId]:
        """For rows that cannot be read as requests: they are set aside at once."""
        record = self.of_requests(ROW_WORKER)
        return _counting(
            FailureRecord(
                worker=ROW_WORKER,
                database=self.database,
                metrics=self.metrics,
                set_aside=record.set_aside,
                rules=UNREADABLE,
            )
        )

    def of_calls(self, set_aside_call: Callable[[QueueId, str], Awaitable[None]]) -> FailureCount[QueueId]:
        """For calls that cannot be recorded."""

        async def set_aside(queue_id: QueueId, reason: SetAsideReason) -> None:
            await set_aside_call(queue_id, reason.message)

        return _counting(
            FailureRecord(
                worker=CALL_WORKER,
                database=self.database,
                metrics=self.metrics,
                set_aside=set_aside,
                rules=UNRECORDED,
            )
        )


def _counting(record: FailureRecord[QueueId]) -> FailureCount[QueueId]:
    async def count(key: QueueId, error: Exception) -> None:
        await record.failed([Failure(key, error)])

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
