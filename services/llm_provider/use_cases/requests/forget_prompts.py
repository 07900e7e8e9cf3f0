"""Delete the prompts of requests that ended long ago."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from llm_provider.ports import Store

log = structlog.get_logger()

BATCH_SIZE = 500


@dataclass(frozen=True, kw_only=True)
class ForgetPrompts:
    """One step of the worker that deletes prompts: they are not kept longer than needed."""

    store: Store
    keep: timedelta

    async def __call__(self) -> float | None:
        """Delete some; returns 0 when there may be more at once."""
        async with self.store.transaction() as transaction:
            deleted = await transaction.queue.forget_prompts(older_than=self.keep, limit=BATCH_SIZE)
        if deleted:
            log.info("request.prompts_deleted", count=deleted)
        return 0.0 if deleted == BATCH_SIZE else None
