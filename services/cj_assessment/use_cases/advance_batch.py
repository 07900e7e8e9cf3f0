"""Advance a batch: look at what is known, ask what to do, do it; at any time, any number of times."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, auto

from event_contracts import AssessmentState, ErrorCode, StopReason, grade_scale

from cj_assessment.domain.batch import Batch, BatchRecord, JobId
from cj_assessment.domain.deciding import (
    DecisionRules,
    Fail,
    Finish,
    JudgeMore,
    Snapshot,
    Wait,
    decide,
)
from cj_assessment.domain.measuring import StartingValues
from cj_assessment.ports import Due, SetAsideReason, Store, Transaction, Wake
from cj_assessment.use_cases.finish_batch import Ending, FinishBatch
from cj_assessment.use_cases.shared.ending import (
    AssessmentFailed,
    end_without_result,
    log_decision,
    log_missing_forecast,
    set_batch_aside,
)

STEP = "advance_batch"
LOCKED_ELSEWHERE_SECONDS = 0.2
"""How long a batch is left alone that another replica is deciding on."""


class Advanced(Enum):
    """What has become of a batch that was advanced."""

    CONTINUES = auto()
    ENDED = auto()
    LOCKED_ELSEWHERE = auto()


class ScoresNotComputed(AssessmentFailed):
    """The judgements that there are give no scale."""

    code = ErrorCode.CJ_SCORE_CONVERGENCE_FAILED


@dataclass(frozen=True, kw_only=True)
class AdvanceBatches:
    """The work of the advancing worker, whose items are batches; each is one transaction, under its row's lock."""

    store: Store
    rules: DecisionRules
    finish: FinishBatch
    wake_submit: Wake
    wake_withdraw: Wake

    async def take(self, limit: int) -> Due[JobId]:
        """Batches to decide on, and those to be cancelled."""
        async with self.store.transaction() as transaction:
            return await transaction.batches.take_judging(limit=limit)

    async def handle(self, job_id: JobId) -> None:
        """Decide on one batch and carry that out."""
        async with self.store.transaction() as transaction:
            record = await transaction.batches.lock(job_id)
            advanced = (
                Advanced.LOCKED_ELSEWHERE if record is None else await self._advance(transaction, record)
            )
        if isinstance(advanced, Ending):
            has_ended = await self.finish.end_large(advanced)
            advanced = Advanced.ENDED if has_ended else Advanced.CONTINUES
        match advanced:
            case Advanced.CONTINUES:
                self.wake_submit()
            case Advanced.ENDED:
                self.wake_withdraw()
            case Advanced.LOCKED_ELSEWHERE:
                await asyncio.sleep(LOCKED_ELSEWHERE_SECONDS)

    async def set_aside(self, job_id: JobId, reason: SetAsideReason) -> None:
        """End a batch that nothing can be decided on."""
        await set_batch_aside(self.store, job_id, step=STEP, reason=reason)
        self.wake_withdraw()

    async def _advance(self, transaction: Transaction, record: BatchRecord) -> Advanced | Ending:
        """An ``Ending`` is a result that has to be kept elsewhere before its batch ends."""
        if record.cancelled_at is not None:
            # Told from the record alone: a batch that cannot be read can be cancelled.
            cancelled = AssessmentFailed("the batch was cancelled")
            await end_without_result(
                transaction, record, cancelled, operation=STEP, stop_reason=StopReason.CANCELLED
            )
            return Advanced.ENDED
        if record.state is not AssessmentState.JUDGING:
            return Advanced.CONTINUES
        batch = await transaction.batches.read(record.job_id)
        snapshot = await self._snapshot(transaction, batch)
        # A fit takes milliseconds to seconds: not on the event loop.
        decision = await asyncio.to_thread(decide, snapshot)
        if isinstance(decision, Finish):
            large = await self.finish.end(transaction, batch, snapshot, decision)
            return Advanced.ENDED if large is None else large
        return await _carry_out(transaction, batch, decision)

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
            is_overdue=batch.last_round > 0
            and batch.next_check_at is not None
            and now >= batch.next_check_at,
            seed=batch.seed,
            now=now,
            rules=self.rules,
            is_relaxed=batch.is_relaxed,
            batch_wide_codes=await transaction.comparisons.stopping_codes(batch.job_id),
            start=None if score is None else StartingValues(theta=score.theta, tau=score.tau),
        )


async def _carry_out(transaction: Transaction, batch: Batch, decision: Wait | JudgeMore | Fail) -> Advanced:
    match decision:
        case Wait():
            await transaction.batches.wait_for_round(
                batch.job_id,
                last_round=batch.last_round,
                awaited_round=decision.awaited_round,
                next_check_at=decision.next_check_at,
            )
        case JudgeMore():
            await _judge_more(transaction, batch, decision)
        case Fail():
            await end_without_result(
                transaction, batch, _error(decision), operation=STEP, stop_reason=decision.reason
            )
            return Advanced.ENDED
    return Advanced.CONTINUES


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
        batch.job_id, last_round=number, awaited_round=number - 1, next_check_at=decision.next_check_at
    )
    if decision.measured is not None:
        await transaction.scores.add(batch.job_id, decision.measured, decision="judge_more")
        log_missing_forecast(batch, decision.measured)
    log_decision(batch, "judge_more", decision.measured, pairs=len(decision.pairs), round=number)
