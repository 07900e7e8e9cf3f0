"""Accept a request to assess a batch: from an event, or from an HTTP call."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from event_contracts import AssessmentState, Conflict, InvalidRequest, StopReason

from cj_assessment.domain.announcing import ended_without_result_event, failed_event
from cj_assessment.domain.batch import (
    Batch,
    BatchRecord,
    Defaults,
    JobId,
    RequestEnvelope,
    new_batch,
    requested_essays,
)
from cj_assessment.domain.request_checks import check_cost_cap, check_essays, check_language, check_rubric
from cj_assessment.domain.residency import Residency
from cj_assessment.ports import CallbackRules, JudgeCatalogue, Store, Transaction, Wake

log = structlog.get_logger()

CONSUMER = "cj_assessment.accept_request"


@dataclass(frozen=True, kw_only=True)
class AcceptRequest:
    """Stores a batch for judging; the same request twice is one batch."""

    store: Store
    judges: JudgeCatalogue
    callbacks: CallbackRules
    defaults: Defaults
    wake_prepare: Wake
    residency: Residency = field(default_factory=Residency)

    async def __call__(self, envelope: RequestEnvelope) -> BatchRecord:
        """Accept a request that waits for an answer.

        Raises ``InvalidRequest`` when it cannot be assessed, and ``Conflict`` when its batch id is taken by
        another request; nothing is stored then.
        """
        async with self.store.transaction() as transaction:
            batch = await self._checked(transaction, envelope)
            is_new = await transaction.batches.add(batch, requested_essays(batch.request))
            known = batch if is_new else await transaction.batches.record(batch.batch_id)
        if known is None or known.request_sha256 != batch.request_sha256:
            raise Conflict(f"batch {batch.batch_id!r} is on record with another request: use a new batch id")
        if is_new:
            self.wake_prepare()
            _log_accepted(batch)
        return known

    async def from_events(self, envelopes: Sequence[RequestEnvelope]) -> None:
        """Accept requests that came as events: one that cannot be assessed ends in a failed event."""
        async with self.store.transaction() as transaction:
            new = await transaction.events.claim(
                consumer=CONSUMER, event_ids=[envelope.event_id for envelope in envelopes]
            )
            for envelope in envelopes:
                if envelope.event_id in new:
                    new.discard(envelope.event_id)
                    await self._accept_event(transaction, envelope)
        self.wake_prepare()

    async def _accept_event(self, transaction: Transaction, envelope: RequestEnvelope) -> None:
        try:
            batch = await self._checked(transaction, envelope)
        except InvalidRequest as error:
            await _record_refused(transaction, envelope, error)
            return
        if await transaction.batches.add(batch, requested_essays(batch.request)):
            _log_accepted(batch)
        else:
            log.info("batch.duplicate_request", batch_id=batch.batch_id)

    async def _checked(self, transaction: Transaction, envelope: RequestEnvelope) -> Batch:
        check_essays(envelope.data)
        check_language(envelope.data)
        batch = _unchecked(envelope, self.defaults)
        if batch.callback_url is not None:
            self.callbacks.check(batch.callback_url)
        if batch.assignment_id is not None:
            instruction = await transaction.anchors.instruction(
                assignment_id=batch.assignment_id, course_id=batch.course_code
            )
            check_rubric(batch.overrides, instruction)
        hints = envelope.hints()
        judges = self.judges.resolve(envelope.data.llm_config_overrides, panel=hints.judge_panel)
        allowed = self.residency.allowed(hints.allowed_regions, org_id=batch.org_id)
        self.residency.check(judges, allowed)
        check_cost_cap(batch.limits, judges)
        return replace(batch, judges=judges, allowed_regions=allowed)


def _unchecked(envelope: RequestEnvelope, defaults: Defaults) -> Batch:
    return new_batch(envelope, job_id=JobId(uuid4()), now=datetime.now(UTC), defaults=defaults)


async def _record_refused(transaction: Transaction, envelope: RequestEnvelope, error: InvalidRequest) -> None:
    """Keep the batch as failed and say so: the sender of an event sees no other answer."""
    without_hints = envelope.model_copy(update={"metadata": None})
    batch = replace(_unchecked(without_hints, Defaults.for_refused_batch()), trace=envelope.trace)
    if not await transaction.batches.add(batch, ()):
        log.warning("batch.invalid_request_repeated", batch_id=batch.batch_id, reason=str(error))
        return
    now = datetime.now(UTC)
    failed = failed_event(batch, error, operation="accept_request", now=now)
    await transaction.batches.end(
        batch.job_id,
        state=AssessmentState.FAILED,
        stop_reason=StopReason.FAILED,
        result=None,
        error=failed.data.error_detail(),
    )
    # Nothing was accepted, so there is no consumption to report.
    await transaction.batches.mark_reported(batch.job_id, billed=0)
    essay_ids = list(dict.fromkeys(essay.essay_id for essay in envelope.data.essays_for_cj))
    ended = ended_without_result_event(batch, essay_ids, now=now)
    transaction.events.announce([failed, ended])
    log.warning("batch.refused", batch_id=batch.batch_id, error_code=error.code, reason=str(error))


def _log_accepted(batch: Batch) -> None:
    log.info(
        "batch.accepted",
        batch_id=batch.batch_id,
        correlation_id=str(batch.correlation_id),
        essays=len(batch.request.essays_for_cj),
        judges=[judge.name for judge in batch.judges],
    )
