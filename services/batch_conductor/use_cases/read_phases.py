"""Read where a batch is."""

from dataclasses import dataclass

from event_contracts import BatchPhases, NotFound, PhaseName

from batch_conductor.domain.phases import progress
from batch_conductor.domain.pipeline import BatchId, PipelineRules
from batch_conductor.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReadPhases:
    """Every phase of a batch that is planned or reported, counted in essays."""

    store: Store
    rules: PipelineRules

    async def __call__(self, batch_id: BatchId) -> BatchPhases:
        """Raises ``NotFound`` for a batch of which no phase is planned or reported."""
        async with self.store.transaction() as transaction:
            planned = await transaction.planned_phases(batch_id)
            batch = (await transaction.batches([batch_id]))[batch_id]
        known = planned | batch.phases.keys()
        if not known:
            raise NotFound(
                f"no phase of batch {batch_id!r} is planned or reported: check the id, or define one"
            )
        return BatchPhases(
            batch_id=batch_id,
            phases=tuple(progress(batch, phase, self.rules) for phase in PhaseName if phase in known),
        )
