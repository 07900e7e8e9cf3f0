"""Read a batch: its state, its results, its comparisons."""

from dataclasses import dataclass

from event_contracts import (
    FINAL_STATES,
    MAX_COMPARISONS_PER_PAGE,
    BatchCost,
    BatchProgress,
    BatchResultsView,
    BatchStatusView,
    BlockingProblem,
    ComparisonPage,
    Conflict,
    ErrorDetail,
    InvalidRequest,
    ReliabilityView,
)

from cj_assessment.domain.batch import BatchId, BatchRecord, unknown_batch
from cj_assessment.domain.deciding import DecisionRules, comparison_budget
from cj_assessment.domain.deciding.problems import cause_of
from cj_assessment.ports import BatchProblem, EssayCounts, Progress, Score, Store, Transaction
from cj_assessment.use_cases.shared.cursors import NOT_A_CURSOR


@dataclass(frozen=True, kw_only=True)
class ReadBatch:
    """All views of a batch; every one raises ``NotFound`` for an unknown batch id."""

    store: Store
    rules: DecisionRules

    async def status(self, batch_id: BatchId) -> BatchStatusView:
        """State, progress, cost and reliability so far."""
        async with self.store.transaction() as transaction:
            batch = await _known(transaction, batch_id)
            essays = await transaction.essays.counts(batch.job_id)
            progress = await transaction.comparisons.progress(batch.job_id)
            score = await transaction.scores.latest(batch.job_id)
            is_final = batch.state in FINAL_STATES
            error = await transaction.batches.error(batch.job_id) if is_final else None
            problem = None if is_final else await transaction.batches.problem(batch.job_id)
        return _status_view(
            batch,
            essays=essays,
            progress=progress,
            score=score,
            error=error,
            problem=problem,
            rules=self.rules,
        )

    async def results(self, batch_id: BatchId) -> BatchResultsView:
        """The published result; raises ``Conflict`` while there is none."""
        async with self.store.transaction() as transaction:
            batch = await _known(transaction, batch_id)
            result = await transaction.batches.result(batch.job_id)
        if result is None:
            raise _no_results(batch)
        return BatchResultsView(
            batch_id=batch.batch_id, cj_assessment_job_id=str(batch.job_id), state=batch.state, result=result
        )

    async def comparisons(self, batch_id: BatchId, *, cursor: str | None, limit: int) -> ComparisonPage:
        """One page; raises ``InvalidRequest`` for a cursor that did not come from here."""
        if not 1 <= limit <= MAX_COMPARISONS_PER_PAGE:
            raise InvalidRequest(f"limit must be 1 to {MAX_COMPARISONS_PER_PAGE}")
        if cursor is not None and not cursor.isdecimal():
            raise InvalidRequest(NOT_A_CURSOR)
        async with self.store.transaction() as transaction:
            batch = await _known(transaction, batch_id)
            return await transaction.comparisons.page(batch, after=int(cursor or 0), limit=limit)


def _no_results(batch: BatchRecord) -> Conflict:
    if batch.state in FINAL_STATES:
        return Conflict(f"batch {batch.batch_id!r} is {batch.state}: it has no results; its status says why")
    return Conflict(
        f"batch {batch.batch_id!r} is {batch.state}: it has no results yet; ask again when its state is final"
    )


async def _known(transaction: Transaction, batch_id: BatchId) -> BatchRecord:
    batch = await transaction.batches.record(batch_id)
    if batch is None:
        raise unknown_batch(batch_id)
    return batch


def _status_view(
    batch: BatchRecord,
    *,
    essays: EssayCounts,
    progress: Progress,
    score: Score | None,
    error: ErrorDetail | None,
    problem: BatchProblem | None,
    rules: DecisionRules,
) -> BatchStatusView:
    return BatchStatusView(
        batch_id=batch.batch_id,
        cj_assessment_job_id=str(batch.job_id),
        correlation_id=batch.correlation_id,
        assignment_id=batch.assignment_id,
        course_code=batch.course_code,
        state=batch.state,
        stop_reason=batch.stop_reason,
        progress=BatchProgress(
            essays=essays.students,
            anchors=essays.anchors,
            comparisons_waiting=progress.pending + progress.submitted,
            comparisons_judged=progress.judged,
            comparisons_failed=progress.failed,
            max_comparisons=comparison_budget(batch.limits, essays=essays.usable, rules=rules)
            if essays.usable
            else None,
        ),
        cost=BatchCost(
            cost_usd=progress.cost_usd,
            max_cost_usd=batch.limits.max_cost_usd,
            prices_known=progress.prices_known,
        ),
        reliability=ReliabilityView(
            eb=score.eb_reliability if score else None,
            ssr=score.ssr if score else None,
            ssr_prime=score.ssr_prime if score else None,
            target=batch.limits.target_reliability,
            gates=dict(score.gates) if score else {},
        ),
        forecast=score.forecast if score else None,
        created_at=batch.received_at,
        updated_at=batch.ended_at or progress.last_judged_at or batch.received_at,
        completed_at=batch.ended_at,
        deadline=batch.limits.deadline,
        error=error,
        problem=None if problem is None else _problem_view(problem),
    )


def _problem_view(problem: BatchProblem) -> BlockingProblem:
    """The problem in words that its reader can act on."""
    message = problem.message
    if problem.is_judging:
        cause = cause_of(problem.code)
        message = (
            f"the judge is not judging: {cause.text}. What to do: {cause.remedy}. Its last error: {message}"
        )
    return BlockingProblem(
        code=problem.code, message=message, since=problem.since, comparisons=problem.comparisons
    )
