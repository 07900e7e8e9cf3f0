"""End a batch that has no result, and report what it has used once nothing of it is outstanding."""

from datetime import UTC, datetime

import structlog
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    ErrorCode,
    InvalidCallback,
    StopReason,
    SuiteError,
)

from cj_assessment.domain.announcing import (
    consumption_event,
    ended_without_result_event,
    failed_event,
)
from cj_assessment.domain.batch import BatchRecord, JobId
from cj_assessment.domain.deciding import Measured
from cj_assessment.ports import SetAsideReason, Store, Transaction

log = structlog.get_logger()


class AssessmentFailed(SuiteError):
    """Judging ended without a ranking."""

    code = ErrorCode.CJ_ASSESSMENT_SERVICE_ERROR


class BatchSetAside(SuiteError):
    """A step of a batch failed so often that it is no longer tried."""

    code = ErrorCode.PROCESSING_ERROR

    def __init__(self, step: str, reason: SetAsideReason) -> None:
        # The first line says what failed; what follows, such as a statement, is for the log.
        message = reason.message.partition("\n")[0]
        super().__init__(
            f"the batch was set aside after {reason.attempts} failed attempts at {step}: {message}",
            details={"step": step, "cause": reason.error_code, "attempts": reason.attempts},
        )


async def end_without_result(
    transaction: Transaction,
    batch: BatchRecord,
    error: SuiteError,
    *,
    operation: str,
    stop_reason: StopReason = StopReason.FAILED,
    reports_consumption: bool = True,
) -> None:
    """End a locked batch as failed or cancelled, and tell its requester why.

    Without ``reports_consumption`` that is left to the reporting worker.
    """
    now = datetime.now(UTC)
    failed = failed_event(batch, error, operation=operation, now=now)
    cancelled = stop_reason is StopReason.CANCELLED
    await transaction.batches.end(
        batch.job_id,
        state=AssessmentState.CANCELLED if cancelled else AssessmentState.FAILED,
        stop_reason=stop_reason,
        result=None,
        error=failed.data.error_detail(),
    )
    essay_ids = await transaction.essays.requested_ids(batch.job_id)
    ended = ended_without_result_event(batch, essay_ids, now=now)
    try:
        transaction.events.announce([failed, ended], callback_url=batch.callback_url)
    except InvalidCallback as unreachable:
        # A batch must end even where its requester cannot be called back: the bus still has the event.
        log.warning("batch.callback_failed", batch_id=batch.batch_id, reason=str(unreachable))
        transaction.events.announce([failed, ended])
    if reports_consumption:
        await report_consumption(transaction, batch)
    log.warning(
        "batch.ended_without_result",
        batch_id=batch.batch_id,
        correlation_id=str(batch.correlation_id),
        stop_reason=stop_reason,
        error_code=error.code,
        reason=error.message,
    )


async def report_consumption(transaction: Transaction, batch: BatchRecord) -> bool:
    """Announce what an ended batch has used, unless a request is outstanding whose cost is not known yet.

    Zero is announced as well, so that the consumer of these events can stop waiting.
    """
    usage = await transaction.attempts.usage(batch.job_id)
    if usage.outstanding:
        return False
    new = await transaction.batches.mark_reported(batch.job_id, billed=usage.billed)
    if new is None:
        return False
    transaction.events.announce([consumption_event(batch, quantity=new, now=datetime.now(UTC))])
    return True


async def set_batch_aside(store: Store, job_id: JobId, *, step: str, reason: SetAsideReason) -> None:
    """End a batch as failed without reading what may be the cause: its request, its essays, its comparisons.

    Its consumption is reported by a worker of its own: where that fails, the batch has ended all the same.
    """
    async with store.transaction() as transaction:
        batch = await transaction.batches.lock(job_id)
        if batch is not None:
            await end_without_result(
                transaction,
                batch,
                BatchSetAside(step, reason),
                operation=step,
                reports_consumption=False,
            )


def log_decision(batch: BatchRecord, decision: str, measured: Measured | None, **more: object) -> None:
    """Log what was decided on a batch, and the measurement behind it."""
    log.info(
        "batch.decided",
        batch_id=batch.batch_id,
        correlation_id=str(batch.correlation_id),
        decision=decision,
        comparisons=measured.comparisons if measured else 0,
        eb_reliability=round(measured.eb_reliability, 4) if measured else None,
        **more,
    )


def log_missing_forecast(batch: BatchRecord, measured: Measured) -> None:
    """Log why the status of a batch says nothing of what further judging would bring, where something failed."""
    if measured.forecast_error is not None:
        log.warning(
            "batch.forecast_failed",
            batch_id=batch.batch_id,
            correlation_id=str(batch.correlation_id),
            reason=measured.forecast_error,
        )


def log_missing_statistics(batch: BatchRecord, result: AssessmentResultV1) -> None:
    """Log which statistics of a result could not be computed, and why."""
    for statistic, reason in result.assessment_metadata.notes().not_computed.items():
        log.warning(
            "result.statistic_not_computed",
            batch_id=batch.batch_id,
            correlation_id=str(batch.correlation_id),
            statistic=statistic,
            reason=reason,
        )
