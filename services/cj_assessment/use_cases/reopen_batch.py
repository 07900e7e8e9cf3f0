"""Let a batch that was set aside continue, once an operator has corrected the cause of its failure."""

from dataclasses import dataclass

import structlog

from cj_assessment.domain.batch import JobId
from cj_assessment.ports import Store, Wake

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ReopenBatch:
    """Undoes the end of a failed batch: what was judged counts.

    What was outstanding is asked again. Its requester was told that it failed, and is told how it ends after all.
    """

    store: Store
    wake_prepare: Wake
    wake_advance: Wake

    async def __call__(self, job_id: JobId) -> bool:
        """False for a batch that has not failed, or that there is not."""
        async with self.store.transaction() as transaction:
            reopened = await transaction.batches.reopen(job_id)
        if reopened:
            log.warning("batch.reopened", job_id=str(job_id))
            self.wake_prepare()
            self.wake_advance()
        return reopened
