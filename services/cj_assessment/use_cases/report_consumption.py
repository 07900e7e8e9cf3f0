"""Report what ended batches have used, as soon as nothing of them is outstanding."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from cj_assessment.domain.batch import JobId
from cj_assessment.ports import Due, SetAsideReason, Store
from cj_assessment.use_cases.shared.ending import report_consumption

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ReportConsumption:
    """The work of the reporting worker, whose items are batches.

    It waits for the answers of a batch that ended while requests were outstanding, because what these cost is part of
    its consumption. The deadline of each attempt bounds the wait.
    """

    store: Store

    async def take(self, limit: int) -> Due[JobId]:
        """Ended batches of which nothing is outstanding."""
        async with self.store.transaction() as transaction:
            return await transaction.batches.take_unreported(limit=limit)

    async def handle(self, job_ids: Sequence[JobId]) -> None:
        """Announce their consumption, each once."""
        async with self.store.transaction() as transaction:
            for job_id in job_ids:
                batch = await transaction.batches.ended(job_id)
                if batch is not None:
                    await report_consumption(transaction, batch)

    async def set_aside(self, job_id: JobId, reason: SetAsideReason) -> None:
        """Leave it to an operator, who sees it among the items that were set aside."""
        log.error("batch.consumption_not_reported", job_id=str(job_id), reason=reason.message)
