"""Forget a batch: here immediately; what others hold of it is left to a worker."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from cj_assessment.domain.batch import BatchId
from cj_assessment.domain.erasure import Erasure
from cj_assessment.ports import Erasures, Wake

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ForgetBatch:
    """Deletes what identifies pupils; scores stay under the essays' ids, unless everything is to go."""

    erasures: Erasures
    wake: Wake
    forget_cached: Callable[[], None]

    async def __call__(self, batch_id: BatchId, *, everything: bool, by: str) -> Erasure:
        """Start, or repeat without effect. Raises ``NotFound``, and ``Conflict`` for a batch that has not ended."""
        erasure = await self.erasures.start(batch_id, everything=everything, requested_by=by)
        self.forget_cached()
        self.wake()
        log.warning("batch.forget_requested", batch_id=batch_id, everything=everything, by=by)
        return erasure
