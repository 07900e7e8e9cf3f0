"""Read how far the erasure of a batch is."""

from dataclasses import dataclass

from event_contracts import NotFound

from cj_assessment.domain.batch import BatchId
from cj_assessment.domain.erasure import Erasure
from cj_assessment.ports import Erasures


@dataclass(frozen=True, kw_only=True)
class ReadErasure:
    """Shows what was forgotten, and who has still to do it."""

    erasures: Erasures

    async def __call__(self, batch_id: BatchId) -> Erasure:
        """Raises ``NotFound`` if no erasure was requested."""
        erasure = await self.erasures.read(batch_id)
        if erasure is None:
            raise NotFound(
                f"no erasure of batch {batch_id!r} was requested: request one with DELETE /admin/v1/batches/<batch_id>"
            )
        return erasure
