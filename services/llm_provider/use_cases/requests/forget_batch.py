"""Forget what is held of a batch: its open requests are cancelled, the others lose their prompts and answers."""

from dataclasses import dataclass
from typing import Final

import structlog
from event_contracts import ErasureAnswer

from llm_provider.ports import Erasures
from llm_provider.use_cases.requests.cancel_request import CancelRequest

log = structlog.get_logger()

ROWS_AT_A_TIME: Final = 1_000
CANCELLED_AT_A_TIME: Final = 500


@dataclass(frozen=True, kw_only=True)
class ForgetBatch:
    """Erases in bounded steps; the caller repeats it until nothing is outstanding."""

    erasures: Erasures
    cancel: CancelRequest

    async def __call__(self, batch_id: str, *, everything: bool, by: str) -> ErasureAnswer:
        """What is erased so far, and what is not yet. A batch of which nothing is held is not an error."""
        for queue_id in await self.erasures.open_requests(batch_id, limit=CANCELLED_AT_A_TIME):
            await self.cancel(queue_id)
        while await self.erasures.erase_ended(batch_id, limit=ROWS_AT_A_TIME) == ROWS_AT_A_TIME:
            continue
        await self.erasures.erase_traces(batch_id)
        erased = await self.erasures.erased(batch_id)
        outstanding = await self.erasures.outstanding(batch_id)
        if everything and not outstanding:
            while await self.erasures.delete_ended(batch_id, limit=ROWS_AT_A_TIME) == ROWS_AT_A_TIME:
                continue
            await self.erasures.anonymise_spending(batch_id)
        log.warning(
            "batch.forgotten",
            batch_id=batch_id,
            everything=everything,
            by=by,
            erased=erased,
            outstanding=outstanding,
        )
        return ErasureAnswer(erased=erased, outstanding=outstanding)
