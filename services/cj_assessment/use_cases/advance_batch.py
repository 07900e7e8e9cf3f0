"""Advance a batch: look at what is known, ask what to do, do it; at any time, any number of times."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import structlog
from event_contracts import AssessmentState, BatchStatus, ErrorCode, StopReason, SuiteError, grade_scale

from cj_assessment.domain.announcing import completed_event, consumption_event, failed_event, result_event
from cj_assessment.domain.batch import Batch, JobId
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
from cj_assessment.ports import Store, Transaction, Wake

log = structlog.get_logger()

DUE_AT_ONCE = 20
FITS_AT_ONCE = 4
"""Batches advanced side by side: each holds a connection and a thread while it is fitted."""

_STATES: Final[Mapping[BatchStatus, AssessmentState]] = {
    BatchStatus.COMPLETED_SUCCESSFULLY: AssessmentState.COMPLETED,
    BatchStatus.COMPLETED_WITH_FAILURES: AssessmentState.COMPLETED_WITH_FAILURES,
}


class AssessmentFailed(SuiteError):
    """Judging ended without a ranking."""

    code = ErrorCode.CJ_ASSESSMENT_SERVICE_ERROR


class ScoresNotComputed(AssessmentFailed):
    """The judgements that there are give no scale."""

    code = ErrorCode.CJ_SCORE_CONVERGENCE_FAILED


@dataclass(frozen=True, kw_only=True)
class AdvanceBatches:
    """One step of the advancing worker; each batch is one transaction, under the lock of its row."""

    store: Store
    rules: DecisionRules
    wake_submit: Wake
    wake_withdraw: Wake

    async def __call__(self) -> bool:
        """Advance the batches that are due; True when one of them made a step."""
        async with self.store.transaction() as transaction:
            due = await transaction.due_batches(limit=DUE_AT_ONCE)
        slots = asyncio.Semaphore(FITS_AT_ONCE)

        async def advance(job_id: JobId) -> bool:
            async with slots:
                return await self.advance(job_id)

        return any(await asyncio.gather(*(advance(job_id) for job_id in due)))

    async def advance(self, job_id: JobId) -> bool:
        """Decide on one batch and carry that out; False when there was nothing to do but wait."""
        async with self.store.transaction() as transaction:
            batch = await transaction.lock_batch(job_id)
            if batch is None or batch.state is not AssessmentState.JUDGING:
                return False
            snapshot = await self._snapshot(transaction, batch)
            # A fit takes milliseconds to seconds: not on the event loop.
            decision = await asyncio.to_thread(decide, snapshot)
            await self._carry_out(transaction, batch, snapshot, decision)
        self.wake_submit()
        if isinstance(decision, Finish | Fail):
            self.wake_withdraw()
        return not isinstance(decision, Wait)

    async def _snapshot(self, transaction: Transaction, batch: Batch) -> Snapshot:
        essays = await transaction.essays(batch.job_id)
        usable = tuple(essay for essay in essays if essay.is_usable)
        score = await transaction.latest_score(batch.job_id)
        now = datetime.now(UTC)
        return Snapshot(
            essays=usable,
            asked=await transaction.asked(batch.job_id),
            spending=await transaction.spending(batch.job_id),
            limits=batch.limits,
            judges=batch.judges,
            scale=grade_scale(batch.grade_scale) if batch.grade_scale else None,
            last_round=batch.last_round,
            is_cancelled=batch.cancelled_at is not None,
            is_overdue=batch.last_round > 0 and batch.check_at is not None and now >= batch.check_at,
            seed=batch.seed,
            now=now,
            rules=self.rules,
            start=None if score is None else Start(theta=score.theta, tau=score.tau),
        )

    async def _carry_out(
        self, transaction: Transaction, batch: Batch, snapshot: Snapshot, decision: Decision
    ) -> None:
        match decision:
            case Wait():
                await transaction.wait_for_round(
                    batch.job_id,
                    last_round=batch.last_round,
                    due_round=decision.due_round,
                    check_at=decision.check_at,
                )
            case JudgeMore():
                await _judge_more(transaction, batch, decision)
            case Finish():
                await _finish(transaction, batch, snapshot, decision)
            case Fail():
                await _fail(transaction, batch, snapshot, decision)


async def _judge_more(transaction: Transaction, batch: Batch, decision: JudgeMore) -> None:
    number = batch.last_round + 1
    caps = [judge.cap_usd or Decimal(0) for judge in batch.judges]
    await transaction.add_round(batch.job_id, number=number, pairs=decision.pairs, caps=caps)
    await transaction.wait_for_round(
        batch.job_id, last_round=number, due_round=number - 1, check_at=decision.check_at
    )
    if decision.measured is not None:
        await transaction.add_score(batch.job_id, decision.measured, decision="judge_more")
    _log_decision(batch, "judge_more", decision.measured, pairs=len(decision.pairs), round=number)


async def _finish(transaction: Transaction, batch: Batch, snapshot: Snapshot, decision: Finish) -> None:
    now = datetime.now(UTC)
    essays = await transaction.essays(batch.job_id)
    result = await asyncio.to_thread(assessment_result, batch, essays, snapshot, decision, now=now)
    completed = completed_event(batch, essays, unranked=decision.unranked, now=now)
    measured = decision.measured
    if measured is not None:
        await transaction.add_score(batch.job_id, measured, decision=decision.reason)
    await transaction.end_batch(
        batch.job_id,
        state=_STATES[completed.data.status],
        stop_reason=decision.reason,
        result=result,
        error=None,
    )
    await transaction.announce([result_event(batch, result), completed], callback_url=batch.callback_url)
    await _charge(transaction, batch, snapshot, now)
    _log_decision(batch, decision.reason, measured, cost_usd=str(snapshot.spending.cost_usd))


async def _fail(transaction: Transaction, batch: Batch, snapshot: Snapshot, decision: Fail) -> None:
    cancelled = decision.reason is StopReason.CANCELLED
    failed = failed_event(batch, _error(decision), operation="advance_batch")
    await transaction.end_batch(
        batch.job_id,
        state=AssessmentState.CANCELLED if cancelled else AssessmentState.FAILED,
        stop_reason=decision.reason,
        result=None,
        error=failed.data.error_detail(),
    )
    await transaction.announce([failed], callback_url=batch.callback_url)
    await _charge(transaction, batch, snapshot, datetime.now(UTC))
    _log_decision(batch, decision.reason, None, message=decision.message)


def _error(decision: Fail) -> AssessmentFailed:
    problem = decision.problem
    details = {"comparison_error_code": problem.code, "judge": problem.judge} if problem else {}
    if decision.code is ErrorCode.CJ_SCORE_CONVERGENCE_FAILED:
        return ScoresNotComputed(decision.message, details=details)
    return AssessmentFailed(decision.message, details=details)


async def _charge(transaction: Transaction, batch: Batch, snapshot: Snapshot, now: datetime) -> None:
    """Report what was used; nothing is reported as well, so that the consumer can stop waiting."""
    await transaction.announce([consumption_event(batch, quantity=snapshot.spending.answered, now=now)])


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
