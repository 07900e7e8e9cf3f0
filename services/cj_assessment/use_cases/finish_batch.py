"""End a batch that has been judged: its result is published, or stored in full and published reduced."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    BatchStatus,
    CJAssessmentCompletedV1,
    ContentServiceError,
    ErrorCode,
    EventEnvelope,
    SuiteError,
    Topic,
)

from cj_assessment.domain.announcing import completed_event, result_event
from cj_assessment.domain.batch import Batch
from cj_assessment.domain.deciding import Finish, Snapshot
from cj_assessment.domain.large_results import reduced
from cj_assessment.domain.results import assessment_result
from cj_assessment.ports import ContentRefused, ContentStore, MessageLimits, Store, Transaction
from cj_assessment.use_cases.shared.content_waiting import CONTENT_RETRY_DELAY, ContentTimeout
from cj_assessment.use_cases.shared.ending import log_decision, log_missing_statistics, report_consumption

log = structlog.get_logger()

CONTENT_PAUSE_SECONDS: Final = 5.0
"""Between two attempts to store a result: the batch is due immediately, and its ranking is computed again each time."""

_STATES: Final[Mapping[BatchStatus, AssessmentState]] = {
    BatchStatus.COMPLETED_SUCCESSFULLY: AssessmentState.COMPLETED,
    BatchStatus.COMPLETED_WITH_FAILURES: AssessmentState.COMPLETED_WITH_FAILURES,
}


class ResultTooLarge(SuiteError):
    """Not even a reduced result fits into one message of its topic."""

    code = ErrorCode.CONTENT_TOO_LONG


class ResultNotKept(SuiteError):
    """The content service has not taken the whole result within the time that batches wait for it."""

    code = ErrorCode.CONTENT_SERVICE_ERROR


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a batch comes to; nothing of it is stored or published yet."""

    batch: Batch
    decision: Finish
    cost_usd: str
    result: AssessmentResultV1
    published: EventEnvelope[AssessmentResultV1]
    completed: EventEnvelope[CJAssessmentCompletedV1]


@dataclass(frozen=True, kw_only=True)
class FinishBatch:
    """A batch is not completed before its result can leave."""

    store: Store
    content: ContentStore
    own_content: ContentStore
    limits: MessageLimits
    content_timeout: ContentTimeout

    async def end(
        self, transaction: Transaction, batch: Batch, snapshot: Snapshot, decision: Finish
    ) -> Ending | None:
        """End a locked batch; one whose result is too large for its topic is returned, for ``end_large``."""
        now = datetime.now(UTC)
        essays = await transaction.essays.of_batch(batch.job_id)
        result = await asyncio.to_thread(assessment_result, batch, essays, snapshot, decision, now=now)
        ending = Ending(
            batch=batch,
            decision=decision,
            cost_usd=str(snapshot.spending.cost_usd),
            result=result,
            published=result_event(batch, result),
            completed=completed_event(batch, essays, unranked=decision.unranked, now=now),
        )
        await self._check(ending.completed)
        limit = await self.limits.max_message_bytes(Topic.ASSESSMENT_RESULT_PUBLISHED)
        if len(await asyncio.to_thread(ending.published.to_json)) > limit:
            return ending
        await _end(transaction, ending, ending.published, result_ref=None)
        return None

    async def end_large(self, ending: Ending) -> bool:
        """Keep the whole result, then end the batch with a reduced one; False where it is not to be ended now.

        No transaction is open while the content service is asked.
        """
        try:
            result_ref = await self._keep(ending)
        except ContentServiceError as error:
            await self._wait_for_content(ending.batch, error)
            return False
        short = result_event(ending.batch, reduced(ending.result, result_ref=result_ref))
        await self._check(short)
        async with self.store.transaction() as transaction:
            record = await transaction.batches.lock(ending.batch.job_id)
            if (
                record is None
                or record.state is not AssessmentState.JUDGING
                or record.cancelled_at is not None
            ):
                return False
            await _end(transaction, ending, short, result_ref=result_ref)
        return True

    async def _check(self, event: EventEnvelope[Any]) -> None:
        size = len(await asyncio.to_thread(event.to_json))
        limit = await self.limits.max_message_bytes(event.event_type)
        if size > limit:
            raise ResultTooLarge(
                f"{size} bytes for topic {event.event_type}, whose messages have {limit} at most: raise the topic's"
                " max.message.bytes, then replay the batch; or use smaller batches or shorter essay ids"
            )

    async def _keep(self, ending: Ending) -> str:
        body = (await asyncio.to_thread(ending.result.model_dump_json)).encode()
        try:
            return await self.content.store(body)
        except ContentRefused as refusal:
            # Judging is paid for: a content service that will never take the result does not keep it from its reader.
            log.warning(
                "result.stored_locally",
                batch_id=ending.batch.batch_id,
                bytes=len(body),
                reason=refusal.message,
            )
            return await self.own_content.store(body)

    async def _wait_for_content(self, batch: Batch, error: ContentServiceError) -> None:
        message = f"the result cannot be kept: {error.message}"
        async with self.store.transaction() as transaction:
            known = await transaction.batches.problem(batch.job_id)
            waits_for_content = known is not None and known.code == error.code
            if (
                known
                and waits_for_content
                and datetime.now(UTC) - known.since > self.content_timeout.max_wait
            ):
                raise ResultNotKept(message)
            await transaction.batches.check_after(batch.job_id, CONTENT_RETRY_DELAY)
            await transaction.batches.report_problem([batch.job_id], code=error.code, message=message)
        log.warning("batch.waiting_for_content", batch_id=batch.batch_id, reason=error.message)
        await asyncio.sleep(CONTENT_PAUSE_SECONDS)


async def _end(
    transaction: Transaction,
    ending: Ending,
    published: EventEnvelope[AssessmentResultV1],
    *,
    result_ref: str | None,
) -> None:
    batch, decision, measured = ending.batch, ending.decision, ending.decision.measured
    if measured is not None:
        await transaction.scores.add(batch.job_id, measured, decision=decision.reason)
    await transaction.batches.end(
        batch.job_id,
        state=_STATES[ending.completed.data.status],
        stop_reason=decision.reason,
        result=ending.result,
        error=None,
        result_ref=result_ref,
    )
    transaction.events.announce([published, ending.completed], callback_url=batch.callback_url)
    await report_consumption(transaction, batch)
    log_missing_statistics(batch, ending.result)
    log_decision(
        batch, decision.reason, measured, cost_usd=ending.cost_usd, is_reduced=result_ref is not None
    )
