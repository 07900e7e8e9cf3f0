"""Submit planned comparisons to the LLM Provider, batches in turn; a crash submits nothing twice."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from event_contracts import MAX_COMPARISONS_PER_SUBMISSION, ExternalServiceError, SuiteError, Unavailable

from cj_assessment.domain.batch import JobId
from cj_assessment.domain.comparison import AttemptId, AttemptPolicy, UnsentAttempt
from cj_assessment.domain.prompt import prompt_overhead_bytes
from cj_assessment.ports import (
    Due,
    JudgeRequest,
    LlmProvider,
    Refusal,
    SetAsideReason,
    Store,
    SubmissionRefused,
    Submitted,
    Wake,
)
from cj_assessment.use_cases.shared.ending import set_batch_aside
from cj_assessment.use_cases.shared.judging_material import BatchContext, JudgingMaterials

log = structlog.get_logger()

STEP = "submit_comparisons"
MAX_TEXT_BYTES_PER_CALL: Final = 8 * 1024 * 1024
"""Text in one call to the LLM Provider, well below its limit for a body: JSON may double the length of a text."""
REQUEST_BYTES: Final = 1024
"""What a request holds besides its prompt."""

Materials = Mapping[JobId, BatchContext]


@dataclass(frozen=True, kw_only=True)
class SubmitComparisons:
    """The work of the submitting worker, whose items are batches.

    Attempts are stored first and sent afterwards: an attempt that was never acknowledged is sent again under its own
    idempotency key.
    """

    store: Store
    llm_provider: LlmProvider
    policy: AttemptPolicy
    wake_advance: Wake
    wake_submit: Wake
    materials: JudgingMaterials = field(default_factory=JudgingMaterials)

    async def take(self, limit: int) -> Due[JobId]:
        """Batches with comparisons to send."""
        async with self.store.transaction() as transaction:
            return await transaction.attempts.take_waiting(limit=limit)

    async def handle(self, job_ids: Sequence[JobId]) -> None:
        """Submit up to 500 comparisons of these batches.

        Raises ``Unavailable`` or ``ExternalServiceError``: nothing is lost, the attempts are sent later.
        """
        # First of all: a batch that cannot be read must not hold attempts of others.
        materials = await self.materials.load(self.store, job_ids)
        attempts = await self._start(job_ids)
        if not attempts:
            return
        async with self._held(attempts) as held, self._problem_reported({one.job_id for one in attempts}):
            for part in _parts(attempts, materials):
                await self._send(part, materials, held)
        self.wake_submit()

    async def set_aside(self, job_id: JobId, reason: SetAsideReason) -> None:
        """End a batch whose comparisons cannot be submitted."""
        await set_batch_aside(self.store, job_id, step=STEP, reason=reason)

    async def _start(self, job_ids: Sequence[JobId]) -> Sequence[UnsentAttempt]:
        async with self.store.transaction() as transaction:
            unsent = await transaction.attempts.take_unsent(
                job_ids, limit=MAX_COMPARISONS_PER_SUBMISSION, policy=self.policy
            )
            left = MAX_COMPARISONS_PER_SUBMISSION - len(unsent)
            if left == 0:
                return unsent
            started = await transaction.attempts.start(job_ids, limit=left, policy=self.policy)
        return [*unsent, *started]

    @asynccontextmanager
    async def _held(self, attempts: Sequence[UnsentAttempt]) -> AsyncIterator[set[AttemptId]]:
        """The attempts that this call still has to send; what is left of them at its end is released."""
        held = {attempt.attempt_id for attempt in attempts}
        try:
            yield held
        finally:
            if held:
                async with self.store.transaction() as transaction:
                    await transaction.attempts.release(held)

    @asynccontextmanager
    async def _problem_reported(self, job_ids: set[JobId]) -> AsyncIterator[None]:
        """Show in the status of these batches why nothing is submitted."""
        try:
            yield
        except (Unavailable, ExternalServiceError) as error:
            await self._report(job_ids, error)
            raise

    async def _report(self, job_ids: set[JobId], error: SuiteError) -> None:
        async with self.store.transaction() as transaction:
            await transaction.batches.report_problem(job_ids, code=error.code, message=error.message)

    async def _send(self, part: Sequence[UnsentAttempt], materials: Materials, held: set[AttemptId]) -> None:
        wanted = {(one.job_id, item) for one in part for item in (one.item_a, one.item_b)}
        texts = await self.materials.texts.load(self.store, wanted)
        requests = [
            materials[one.job_id].judge_request(
                one, text_a=texts[one.job_id, one.item_a], text_b=texts[one.job_id, one.item_b]
            )
            for one in part
        ]
        submitted = await self._submit(requests)
        refused = {one.attempt_id: (one.error_code, one.message) for one in submitted.refused}
        jobs = {one.job_id for one in part}
        async with self.store.transaction() as transaction:
            if submitted.accepted:
                await transaction.attempts.mark_sent(submitted.accepted, policy=self.policy)
            if refused:
                await transaction.attempts.mark_refused(refused)
            if submitted.postponed:
                first = submitted.postponed[0]
                await transaction.batches.report_problem(jobs, code=first.error_code, message=first.message)
            else:
                await transaction.batches.clear_problem(jobs)
        # Those that are postponed keep their lease, so that they are sent again after a delay.
        held.difference_update(one.attempt_id for one in part)
        if submitted.refused:
            self.wake_advance()
            log.warning(
                "comparison.refused",
                count=len(submitted.refused),
                error_code=submitted.refused[0].error_code,
                reason=submitted.refused[0].message,
            )

    async def _submit(self, requests: Sequence[JudgeRequest]) -> Submitted:
        """Submit; where a call is refused as a whole, submit each half, down to the request at fault."""
        try:
            return await self.llm_provider.submit(requests)
        except SubmissionRefused as error:
            if len(requests) == 1:
                [request] = requests
                refusal = Refusal(
                    attempt_id=request.attempt_id, error_code=error.error_code, message=error.message
                )
                return Submitted(accepted={}, refused=[refusal])
        middle = len(requests) // 2
        first, second = await self._submit(requests[:middle]), await self._submit(requests[middle:])
        return Submitted(
            accepted={**first.accepted, **second.accepted},
            refused=[*first.refused, *second.refused],
            postponed=[*first.postponed, *second.postponed],
        )


def _parts(attempts: Sequence[UnsentAttempt], materials: Materials) -> Iterator[Sequence[UnsentAttempt]]:
    """The attempts in calls of bounded size, in their order."""
    part: list[UnsentAttempt] = []
    size = 0
    for attempt in attempts:
        needed = attempt.text_bytes + prompt_overhead_bytes(materials[attempt.job_id].context) + REQUEST_BYTES
        if part and size + needed > MAX_TEXT_BYTES_PER_CALL:
            yield part
            part, size = [], 0
        part.append(attempt)
        size += needed
    if part:
        yield part
