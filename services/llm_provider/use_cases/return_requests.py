"""Let requests wait for their turn again: those that were put off, and those of workers that are dead."""

from dataclasses import dataclass

import structlog

from llm_provider.ports import Store, Wake

log = structlog.get_logger()

AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ReturnRequests:
    """One step of the returning worker."""

    store: Store
    wake_judges: Wake

    async def __call__(self) -> bool:
        """Return some requests to the queue; True when there may be more."""
        async with self.store.transaction() as transaction:
            returned = await transaction.queue.return_due(limit=AT_ONCE)
        if returned:
            self.wake_judges()
            log.debug("request.returned", count=returned)
        return returned == AT_ONCE
