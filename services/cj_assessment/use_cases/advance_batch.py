"""Advance a batch: look at what is known, ask what to do, do it; at any time, any number of times."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import structlog
from event_contracts import AssessmentState, BatchStatus, ErrorCode, StopReason, SuiteError, grade_scale

from cj_assessment.domain.announcing import completed_event, result_event
from cj_assessment.domain.batch import Batch, BatchRecord, JobId
from cj_assessment.domain.deciding import (
    Decision,
    DecisionRules,
    Fail,
    Finish,
    JudgeMore,
    Measured,
    Snapshot,
    Wait,
    decide,
)
from cj_assessment.domain.measuring import Start
from cj_assessment.domain.results import assessment_result
from cj_assessment.ports import Due, SetAsideReason, Store, Transaction, Wake
from cj_assessment.use_cases.ending import (
    AssessmentFailed,
    end_without_result,
    report_consumption,
    set_batch_aside,
)

log = structlog.get_logger()

STEP = "advance_batch"
LOCKED_ELSEWHERE_SECONDS = 0.2
"""How long a batch is left alone that another replica is deciding on."""

_STATES: Final[Mapping[BatchStatus, AssessmentState]] = {
    BatchStatus.COMPLETED_SUCCESSFULLY: AssessmentState.COMPLETED,
    BatchStatus.COMPLETED_WITH_FAILURES: AssessmentState.COMPLETED_WITH_FAILURES,
}


class ResultTooLarge(SuiteError):
    """The result does not fit into one message of the event bus."""

    code = ErrorCode.CONTENT_TOO_LONG


class ScoresNotComputed(AssessmentFailed):
    """The judgements that there are give no scale."""

    code = ErrorCode.CJ_SCORE_CONVERGENCE_FAILED


@dataclass(frozen=True, kw_only=True)
class AdvanceBatches:
    """The work of the advancing worker, whose items are batches; each is one transaction, under its row's lock."""

    store: Store
    rules: DecisionRules
    max_result_bytes: int
    wake_submit: Wake
    wake_withdraw: Wake

    async def take(self, limit: int) -> Due[JobId]:
        """Batches to decide on, and those to be cancelled."""
        async with self.store.transaction() as transaction:
            return await transaction.batches.take_judging(limit=limit)

    async def handle(self, job_id: JobId) -> None:
        """Decide on one batch and carry that out."""
        has_ended = False
        async with self.store.transaction() as transaction:
            record = await transaction.batches.lock(job_id)
            if record is not None:
                has_ended = await self._advance(transaction, record)
        if record is None:
            await asyncio.sleep(LOCKED_ELSEWHERE_SECONDS)
        elif has_ended:
            self.wake_withdraw()
        else:
            self.wake_submit()

    async def set_aside(self, job_id: JobId, reason: SetAsideReason) -> None:
        """End a batch that nothing can be decided on."""
        await set_batch_aside(self.store, job_id, step=STEP, reason=reason)
        self.wake_withdraw()

    async def _advance(self, transaction: Transaction, record: BatchRecord) -> bool:
        """True when the batch has ended."""
        if record.cancelled_at is not None:
            # Told from the record alone: a batch that cannot be read can be cancelled.
            cancelled = AssessmentFailed("the batch was cancelled")
            await end_without_result(
                transaction, record, cancelled, operation=STEP, stop_reason=StopReason.CANCELLED
            )
            return True
        if record.state is not AssessmentState.JUDGING:
            return False
        batch = await transaction.batches.read(record.job_id)
        snapshot = await self._snapshot(transaction, batch)
        # A fit takes milliseconds to seconds: not on the event loop.
        decision = await asyncio.to_thread(decide, snapshot)
        await self._carry_out(transaction, batch, snapshot, decision)
        return isinstance(decision, Finish | Fail)

    async def _snapshot(self, transaction: Transaction, batch: Batch) -> Snapshot:
        essays = await transaction.essays.of_batch(batch.job_id)
        usable = tuple(essay for essay in essays if essay.is_usable)
        score = await transaction.scores.latest(batch.job_id)
        now = datetime.now(UTC)
        return Snapshot(
            essays=usable,
            asked=await transaction.comparisons.asked(batch.job_id),
            spending=await transaction.comparisons.spending(batch.job_id),
            limits=batch.limits,
            judges=batch.judges,
            scale=grade_scale(batch.grade_scale) if batch.grade_scale else None,
            last_round=batch.last_round,
            is_cancelled=batch.cancelled_at is not None,
            is_overdue=batch.last_round > 0 and batch.check_at is not None and now >= batch.check_at,
            seed=batch.seed,
            now=now,
            rules=self.rules,
            is_relaxed=batch.is_relaxed,
            batch_wide_codes=await transaction.comparisons.stopping_codes(batch.job_id),
            start=None if score is None else Start(theta=score.theta, tau=score.tau),
        )

    async def _carry_out(
        self, transaction: Transaction, batch: Batch, snapshot: Snapshot, decision: Decision
    ) -> None:
        match decision:
            case Wait():
                await transaction.batches.wait_for_round(
                    batch.job_id,
                    last_round=batch.last_round,
                    due_round=decision.due_round,
                    check_at=decision.check_at,
                )
            case JudgeMore():
                await _judge_more(transaction, batch, decision)
            case Finish():
                await self._finish(transaction, batch, snapshot, decision)
            case Fail():
                await end_without_result(
                    transaction,
                    batch,
                    _error(decision),
                    operation=STEP,
                    stop_reason=decision.reason,
                )

    async def _finish(
        self, transaction: Transaction, batch: Batch, snapshot: Snapshot, decision: Finish
    ) -> None:
        now = datetime.now(UTC)
        essays = await transaction.essays.of_batch(batch.job_id)
        result = await asyncio.to_thread(assessment_result, batch, essays, snapshot, decision, now=now)
        published = result_event(batch, result)
        # A batch is not completed before its result can leave.
        size = len(await asyncio.to_thread(published.to_json))
        if size > self.max_result_bytes:
            message = (
                f"the result of {len(essays)} essays has {size} bytes; an event holds {self.max_result_bytes}"
            )
            await end_without_result(
                transaction, batch, ResultTooLarge(f"{message}: use smaller batches"), operation=STEP
            )
            return
        completed = completed_event(batch, essays, unranked=decision.unranked, now=now)
        measured = decision.measured
        if measured is not None:
            await transaction.scores.add(batch.job_id, measured, decision=decision.reason)
        await transaction.batches.end(
            batch.job_id,
            state=_STATES[completed.data.status],
            stop_reason=decision.reason,
            result=result,
            error=None,
        )
        transaction.events.announce([published, completed], callback_url=batch.callback_url)
        await report_consumption(transaction, batch)
        _log_decision(batch, decision.reason, measured, cost_usd=str(snapshot.spending.cost_usd))


def _error(decision: Fail) -> AssessmentFailed:
    problem = decision.problem
    details = {"comparison_error_code": problem.code, "judge": problem.judge} if problem else {}
    if decision.code is ErrorCode.CJ_SCORE_CONVERGENCE_FAILED:
        return ScoresNotComputed(decision.message, details=details)
    return AssessmentFailed(decision.message, details=details)


async def _judge_more(transaction: Transaction, batch: Batch, decision: JudgeMore) -> None:
    number = batch.last_round + 1
    caps = [judge.cap_usd or Decimal(0) for judge in batch.judges]
    await transaction.comparisons.add_round(batch.job_id, number=number, pairs=decision.pairs, caps=caps)
    await transaction.batches.wait_for_round(
        batch.job_id, last_round=number, due_round=number - 1, check_at=decision.check_at
    )
    if decision.measured is not None:
        await transaction.scores.add(batch.job_id, decision.measured, decision="judge_more")
    _log_decision(batch, "judge_more", decision.measured, pairs=len(decision.pairs), round=number)


def _log_decision(batch: Batch, decision: str, measured: Measured | None, **more: object) -> None:
    log.info(
        "batch.decided",
        batch_id=batch.batch_id,
        correlation_id=str(batch.correlation_id),
        decision=decision,
        comparisons=measured.comparisons if measured else 0,
        eb_reliability=round(measured.eb_reliability, 4) if measured else None,
        **more,
    )
