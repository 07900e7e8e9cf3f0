"""Keep plans and announce the phases that they skip, several calls in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from batch_conductor.domain.phases import BatchRecord
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan, skipped_event
from batch_conductor.ports import Store


@dataclass(frozen=True, kw_only=True)
class RecordPlans:
    """Services that wait for a skipped phase are told once per batch and correlation id."""

    store: Store

    async def __call__(self, plans: Sequence[Plan]) -> None:
        """All of them, or none."""
        granted = [plan for plan in plans if plan.refusal() is None]
        async with self.store.transaction() as transaction:
            await transaction.record_essay_counts(_essay_counts(granted))
            await transaction.add_plans(plans)
            new = await transaction.first_skips(granted)
            now = datetime.now(UTC)
            announced = {
                (plan.batch_id, plan.correlation_id, phase): (plan, phase)
                for plan in granted
                for phase in plan.pipeline.skipped
            }
            transaction.announce(
                [
                    skipped_event(plan, phase, now=now)
                    for key, (plan, phase) in announced.items()
                    if key in new
                ]
            )


def _essay_counts(plans: Sequence[Plan]) -> Mapping[BatchId, int]:
    return {plan.batch_id: plan.essay_count for plan in plans if plan.essay_count is not None}


@dataclass(frozen=True, kw_only=True)
class ReadBatches:
    """What is on record of several batches, read in one transaction."""

    store: Store

    async def __call__(self, batch_ids: Sequence[BatchId]) -> Sequence[BatchRecord]:
        """In the order of the ids."""
        async with self.store.transaction() as transaction:
            found = await transaction.batches(batch_ids)
        return [found[batch_id] for batch_id in batch_ids]
