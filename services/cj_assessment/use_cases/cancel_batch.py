"""Cancel a batch: nothing more is judged, and what was judged is not published."""

from dataclasses import dataclass

from event_contracts import Conflict

from cj_assessment.domain.batch import BatchId, BatchRecord, unknown_batch
from cj_assessment.ports import Store, Wake


@dataclass(frozen=True, kw_only=True)
class CancelBatch:
    """Asks for a batch's end, in whatever state it is; cancelling twice is the same as once."""

    store: Store
    wake_advance: Wake

    async def __call__(self, batch_id: BatchId) -> BatchRecord:
        """Raises ``NotFound``, and ``Conflict`` when the batch has ended otherwise."""
        async with self.store.transaction() as transaction:
            cancelled = await transaction.batches.cancel(batch_id)
            batch = await transaction.batches.record(batch_id)
        if batch is None:
            raise unknown_batch(batch_id)
        if not cancelled and batch.cancelled_at is None:
            raise Conflict(
                f"batch {batch_id!r} has already ended as {batch.state}: nothing is left to cancel"
            )
        self.wake_advance()
        return batch
