"""Complete the erasure of batches: at the LLM Provider and in an external content service, once they answer."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from cj_assessment.domain.batch import BatchId
from cj_assessment.domain.erasure import Erasure
from cj_assessment.ports import Due, Erasures, RequestEraser, SetAsideReason, TextRemover

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=15)
TEXTS_PER_STEP: Final = 200


@dataclass(frozen=True, kw_only=True)
class CompleteErasures:
    """The work of the forgetting worker, whose items are batches: what others hold, then what is left here."""

    erasures: Erasures
    requests: RequestEraser
    texts: TextRemover | None

    async def take(self, limit: int) -> Due[BatchId]:
        """Batches whose erasure is not complete."""
        return await self.erasures.take_open(limit=limit, lease=LEASE)

    async def handle(self, batch_id: BatchId) -> None:
        """Do what can be done now; the rest is tried again when the lease is over."""
        erasure = await self.erasures.read(batch_id)
        if erasure is None:
            return
        if erasure.requests_erased is None:
            answer = await self.requests.erase(batch_id, everything=erasure.everything)
            if answer.outstanding:
                log.info("batch.forget_waiting", batch_id=batch_id, outstanding=answer.outstanding)
                return
            await self.erasures.note_requests(batch_id, erased=answer.erased)
        await self._remove_texts(erasure)
        if await self.erasures.finish(batch_id):
            log.warning("batch.forgotten", batch_id=batch_id, everything=erasure.everything)

    async def _remove_texts(self, erasure: Erasure) -> None:
        if self.texts is None:
            return
        for start in range(0, len(erasure.elsewhere), TEXTS_PER_STEP):
            asked = erasure.elsewhere[start : start + TEXTS_PER_STEP]
            removal = await self.texts.remove(asked)
            for storage_id, reason in removal.kept.items():
                log.warning("content.not_deleted", storage_id=storage_id, reason=reason)
            await self.erasures.note_texts(erasure.batch_id, settled=asked, kept=len(removal.kept))

    async def set_aside(self, batch_id: BatchId, reason: SetAsideReason) -> None:
        """Leave it to an operator: the batch stays listed, and its erasure open, until it is replayed."""
        log.error("batch.not_forgotten", batch_id=batch_id, reason=reason.message)
