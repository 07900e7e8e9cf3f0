"""Batches in memory, held to the same behaviour as those in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta

from cj_assessment.domain.batch import Batch, BatchId, BatchRecord, Essay, JobId, Preparation
from cj_assessment.domain.deciding.snapshot import OPEN
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.ports import BatchProblem, Due
from cj_assessment.ports.worker_names import ADVANCE, PREPARE, REPORT
from cj_assessment.tests.memory.rows import BatchRow, Now, State, rest_until
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    ComparisonState,
    ErrorDetail,
    StopReason,
    WireModel,
)

_RECORD = [field.name for field in fields(BatchRecord)]


def _record(row: BatchRow) -> BatchRecord:
    return BatchRecord(
        **{name: getattr(row.batch, name) for name in _RECORD if name != "next_check_at"},
        next_check_at=row.next_check_at,
    )


class MemoryBatches:
    """Implements ``ports.Batches``."""

    def __init__(self, state: State, now: Now) -> None:
        self._state, self._now = state, now

    async def add(self, batch: Batch, essays: Sequence[Essay]) -> bool:
        if self._state.row_of(batch.batch_id) is not None:
            return False
        slim = replace(batch, request=batch.request.model_copy(update={"essays_for_cj": ()}))
        row = BatchRow(batch=slim, requested=tuple(essays), next_check_at=self._now())
        self._state.batches[batch.job_id] = row
        self._state.essays[batch.job_id] = {essay.item: essay for essay in essays}
        return True

    async def newest(
        self, *, state: AssessmentState | None, before: tuple[datetime, JobId] | None, limit: int
    ) -> Sequence[BatchRecord]:
        records = [_record(row) for row in self._state.batches.values()]
        places = {(one.received_at, one.job_id): one for one in records if state in (None, one.state)}
        wanted = [place for place in places if before is None or place < before]
        return [places[place] for place in sorted(wanted, reverse=True)[:limit]]

    async def record(self, batch_id: BatchId) -> BatchRecord | None:
        row = self._state.row_of(batch_id)
        return None if row is None else _record(row)

    async def read(self, job_id: JobId) -> Batch:
        row = self._state.batches[job_id]
        if row.is_unreadable:
            raise ValueError("recursion limit exceeded")
        return replace(row.batch, next_check_at=row.next_check_at)

    async def lock(self, job_id: JobId) -> BatchRecord | None:
        row = self._state.batches.get(job_id)
        return None if row is None or row.batch.ended_at is not None else _record(row)

    async def ended(self, job_id: JobId) -> BatchRecord | None:
        row = self._state.batches.get(job_id)
        return None if row is None or row.batch.ended_at is None else _record(row)

    async def take_accepted(self, *, limit: int, lease: timedelta) -> Due[JobId]:
        waiting = [
            row
            for row in self._open()
            if row.batch.state is AssessmentState.ACCEPTED
            and row.batch.cancelled_at is None
            and self._state.is_retryable_sql(PREPARE, row.batch.job_id)
        ]
        due = sorted(
            (row for row in waiting if row.next_check_at <= self._now()), key=lambda row: row.next_check_at
        )
        for row in due[:limit]:
            row.next_check_at = self._now() + lease
        return self._due(due[:limit], waiting)

    async def take_judging(self, *, limit: int) -> Due[JobId]:
        waiting = [
            row
            for row in self._open()
            if (row.batch.state is AssessmentState.JUDGING or row.batch.cancelled_at is not None)
            and self._state.is_retryable_sql(ADVANCE, row.batch.job_id)
        ]
        due = [row for row in waiting if row.next_check_at <= self._now() or not self._is_awaiting(row)]
        return self._due(sorted(due, key=lambda row: row.next_check_at)[:limit], waiting)

    async def start_judging(self, job_id: JobId, preparation: Preparation) -> None:
        row = self._state.batches[job_id]
        row.context, row.next_check_at = preparation.context, self._now()
        self._update(
            job_id,
            state=AssessmentState.JUDGING,
            started_at=self._now(),
            grade_scale=preparation.grade_scale,
            judges=preparation.judges,
            seed=preparation.seed,
        )

    async def check_after(self, job_id: JobId, delay: timedelta) -> None:
        self._state.batches[job_id].next_check_at = self._now() + delay

    async def wait_for_round(
        self, job_id: JobId, *, last_round: int, awaited_round: int, next_check_at: datetime
    ) -> None:
        row = self._state.batches[job_id]
        row.awaited_round, row.next_check_at = awaited_round, next_check_at
        self._update(job_id, last_round=last_round)

    async def end(
        self,
        job_id: JobId,
        *,
        state: AssessmentState,
        stop_reason: StopReason,
        result: WireModel | None,
        error: ErrorDetail | None,
        result_ref: str | None = None,
    ) -> None:
        row = self._state.batches[job_id]
        assert result is None or isinstance(result, AssessmentResultV1)
        row.result, row.error, row.problem, row.result_ref = result, error, None, result_ref
        self._update(job_id, state=state, stop_reason=stop_reason, ended_at=self._now())
        for comparison in self._state.comparisons_of(job_id):
            if comparison.state in OPEN:
                comparison.state = ComparisonState.ABANDONED

    async def cancel(self, batch_id: BatchId) -> bool:
        row = self._state.row_of(batch_id)
        if row is None or row.batch.ended_at is not None:
            return False
        row.next_check_at = self._now()
        self._update(row.batch.job_id, cancelled_at=row.batch.cancelled_at or self._now())
        self._state.failing.pop((ADVANCE, str(row.batch.job_id)), None)
        return True

    async def context(self, job_id: JobId) -> JudgeContext:
        context = self._state.batches[job_id].context
        assert context is not None
        return context

    async def result(self, job_id: JobId) -> AssessmentResultV1 | None:
        return self._state.batches[job_id].result

    async def error(self, job_id: JobId) -> ErrorDetail | None:
        return self._state.batches[job_id].error

    async def report_problem(self, job_ids: Collection[JobId], *, code: str, message: str) -> None:
        for job_id in job_ids:
            row = self._state.batches[job_id]
            if row.batch.ended_at is None:
                known = row.problem
                since = known.since if known and known.code == code else self._now()
                row.problem = BatchProblem(code=code, message=message, since=since, comparisons=0)

    async def clear_problem(self, job_ids: Collection[JobId]) -> None:
        for job_id in job_ids:
            self._state.batches[job_id].problem = None

    async def problem(self, job_id: JobId) -> BatchProblem | None:
        waiting = sum(row.state in OPEN for row in self._state.comparisons_of(job_id))
        reported = self._state.batches[job_id].problem
        if reported is not None:
            return replace(reported, comparisons=waiting)
        for (_, key), failing in self._state.failing.items():
            if key == str(job_id):
                return replace(failing, comparisons=waiting)
        return self._failing_judgements(job_id)

    async def take_unreported(self, *, limit: int) -> Due[JobId]:
        keys = [
            row.batch.job_id
            for row in self._state.batches.values()
            if row.batch.ended_at is not None
            and row.reported_at is None
            and all(attempt.outcome is not None for attempt in self._state.attempts_of(row.batch.job_id))
            and self._state.is_retryable_sql(REPORT, row.batch.job_id)
        ]
        return Due(keys=keys[:limit], rest_seconds=0 if keys else None)

    async def mark_reported(self, job_id: JobId, *, billed: int) -> int | None:
        row = self._state.batches[job_id]
        if row.reported_at is not None:
            return None
        new, row.reported, row.reported_at = billed - row.reported, billed, self._now()
        return new

    async def reopen(self, job_id: JobId) -> bool:
        row = self._state.batches.get(job_id)
        if row is None or row.batch.state is not AssessmentState.FAILED:
            return False
        state = AssessmentState.ACCEPTED if row.batch.started_at is None else AssessmentState.JUDGING
        row.error, row.reported_at, row.next_check_at = None, None, self._now()
        self._update(job_id, state=state, stop_reason=None, ended_at=None)
        for comparison in self._state.comparisons_of(job_id):
            if comparison.state is ComparisonState.ABANDONED:
                comparison.state = ComparisonState.PENDING
        return True

    def _open(self) -> list[BatchRow]:
        return [row for row in self._state.batches.values() if row.batch.ended_at is None]

    def _is_awaiting(self, row: BatchRow) -> bool:
        return any(
            comparison.round <= row.awaited_round and comparison.state in OPEN
            for comparison in self._state.comparisons_of(row.batch.job_id)
        )

    def _due(self, due: Sequence[BatchRow], waiting: Sequence[BatchRow]) -> Due[JobId]:
        if due:
            return Due(keys=[row.batch.job_id for row in due], rest_seconds=0)
        return Due(keys=(), rest_seconds=rest_until([row.next_check_at for row in waiting], self._now()))

    def _failing_judgements(self, job_id: JobId) -> BatchProblem | None:
        judged = [row.judged_at for row in self._state.comparisons_of(job_id) if row.judged_at]
        last = max(judged, default=None)
        failed = [
            row
            for row in self._state.attempts_of(job_id)
            if row.outcome in ("refused", "expired")
            and row.ended_at is not None
            and (last is None or row.ended_at > last)
        ]
        codes = sorted({row.error_code or "" for row in failed})
        if not codes:
            return None
        code = max(codes, key=lambda code: sum(row.error_code == code for row in failed))
        of_code = sorted((row for row in failed if row.error_code == code), key=lambda row: str(row.ended_at))
        assert of_code[0].ended_at is not None
        return BatchProblem(
            code=code,
            message=of_code[-1].error_message or "",
            since=of_code[0].ended_at,
            comparisons=len(of_code),
            is_judging=True,
        )

    def _update(self, job_id: JobId, **changes: object) -> None:
        row = self._state.batches[job_id]
        row.batch = replace(row.batch, **changes)  # type: ignore[arg-type]  # names and types are those of Batch
