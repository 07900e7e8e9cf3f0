"""Submit planned comparisons to the LLM Provider, batches in turn; a crash submits nothing twice."""

from dataclasses import dataclass, field

import structlog
from event_contracts import MAX_COMPARISONS_PER_CALL

from cj_assessment.domain.batch import Batch, BatchId, Essay, JobId
from cj_assessment.domain.comparison import AttemptPolicy, UnsentAttempt
from cj_assessment.domain.prompt import JudgeContext, comparison_blocks
from cj_assessment.ports import ComparisonOrder, LlmProvider, Store, Wake

log = structlog.get_logger()

REMEMBERED_BATCHES = 64


@dataclass(frozen=True, kw_only=True)
class JudgingMaterial:
    """What the requests of one batch are made of; it does not change once judging has started."""

    batch: Batch
    essays: tuple[Essay, ...]
    context: JudgeContext


@dataclass(frozen=True, kw_only=True)
class SubmitComparisons:
    """One step of the submitting worker.

    Attempts are written first and sent afterwards: an attempt that was never acknowledged is sent again under
    its own idempotency key.
    """

    store: Store
    llm_provider: LlmProvider
    policy: AttemptPolicy
    wake_advance: Wake
    materials: dict[JobId, JudgingMaterial] = field(default_factory=dict)

    async def __call__(self) -> bool:
        """Submit up to 500 comparisons; True when there were any.

        Raises ``Unavailable`` or ``ExternalServiceError``: the worker pauses, the attempts are sent later.
        """
        async with self.store.transaction() as transaction:
            unsent = await transaction.take_unsent(limit=MAX_COMPARISONS_PER_CALL, policy=self.policy)
            left = MAX_COMPARISONS_PER_CALL - len(unsent)
            if left:
                unsent = [*unsent, *await transaction.start_attempts(limit=left, policy=self.policy)]
        if not unsent:
            return False
        orders = [await self._order(attempt) for attempt in unsent]
        submitted = await self.llm_provider.submit(orders)
        async with self.store.transaction() as transaction:
            await transaction.mark_sent(submitted.accepted)
            await transaction.mark_refused(submitted.refused)
        if submitted.refused:
            self.wake_advance()
            log.warning(
                "comparison.refused",
                count=len(submitted.refused),
                error_code=submitted.refused[0].error_code,
                reason=submitted.refused[0].message,
            )
        return True

    async def _order(self, attempt: UnsentAttempt) -> ComparisonOrder:
        material = await self._material(attempt.job_id, attempt.batch_id)
        judge = material.batch.judges[attempt.assigned]
        essay_a, essay_b = material.essays[attempt.item_a], material.essays[attempt.item_b]
        return ComparisonOrder(
            attempt_id=attempt.attempt_id,
            batch_id=attempt.batch_id,
            essay_a_id=essay_a.essay_id,
            essay_b_id=essay_b.essay_id,
            blocks=comparison_blocks(material.context, text_a=essay_a.text or "", text_b=essay_b.text or ""),
            overrides=material.batch.overrides_for(judge),
            correlation_id=material.batch.correlation_id,
            user_id=material.batch.request.user_id,
            repetition=attempt.repetition,
            max_cost_usd=judge.cap_usd if material.batch.limits.max_cost_usd is not None else None,
        )

    async def _material(self, job_id: JobId, batch_id: BatchId) -> JudgingMaterial:
        if job_id not in self.materials:
            async with self.store.transaction() as transaction:
                batch = await transaction.batch(batch_id)
                assert batch is not None, "an attempt's batch is held by a foreign key"
                self.materials[job_id] = JudgingMaterial(
                    batch=batch,
                    essays=await transaction.essays_with_texts(job_id),
                    context=await transaction.context(job_id),
                )
            _forget_oldest(self.materials)
        return self.materials[job_id]


def _forget_oldest(materials: dict[JobId, JudgingMaterial]) -> None:
    while len(materials) > REMEMBERED_BATCHES:
        del materials[next(iter(materials))]
