"""List batches, the newest first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from event_contracts import AssessmentState, BatchPage, BatchSummary, InvalidRequest

from cj_assessment.domain.batch import BatchRecord, JobId
from cj_assessment.ports import Store
from cj_assessment.use_cases.shared.cursors import NOT_A_CURSOR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class ListBatches:
    """Lists batches page by page, whatever their state."""

    store: Store

    async def __call__(self, *, state: AssessmentState | None, cursor: str | None, limit: int) -> BatchPage:
        """One page of batches, the newest first; raises ``InvalidRequest`` for a cursor that did not come from here."""
        before = None if cursor is None else _place(cursor)
        async with self.store.transaction() as transaction:
            found = await transaction.batches.newest(state=state, before=before, limit=limit + 1)
        shown = found[:limit]
        return BatchPage(
            items=tuple(map(_summary, shown)), next_cursor=_cursor(shown[-1]) if len(found) > limit else None
        )


def _summary(batch: BatchRecord) -> BatchSummary:
    return BatchSummary(
        batch_id=batch.batch_id,
        cj_assessment_job_id=str(batch.job_id),
        assignment_id=batch.assignment_id,
        course_code=batch.course_code,
        state=batch.state,
        stop_reason=batch.stop_reason,
        created_at=batch.received_at,
        completed_at=batch.ended_at,
    )


def _cursor(batch: BatchRecord) -> str:
    """The place of a batch in the list: its time in microseconds, which are exact, and its id."""
    return f"{(batch.received_at - _EPOCH) // timedelta(microseconds=1)}-{batch.job_id}"


def _place(cursor: str) -> tuple[datetime, JobId]:
    moment, _, job_id = cursor.partition("-")
    try:
        return _EPOCH + timedelta(microseconds=int(moment)), JobId(UUID(job_id))
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(NOT_A_CURSOR) from error
