"""Read where a batch is."""

from dataclasses import dataclass

from event_contracts import BatchPhases, NotFound

from batch_conductor.domain.pipeline import BatchId
from batch_conductor.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReadPhases:
    """Every phase of a batch that is planned or reported, counted in essays."""

    store: Store

    async def __call__(self, batch_id: BatchId) -> BatchPhases:
        """Raises ``NotFound`` for a batch of which no phase is planned or reported."""
        async with self.store.transaction() as transaction:
            phases = await transaction.phases(batch_id)
        if not phases:
            raise NotFound(
                f"no phase of batch {batch_id!r} is planned or reported: check the id, or define one"
            )
        return BatchPhases(batch_id=batch_id, phases=tuple(phases))
