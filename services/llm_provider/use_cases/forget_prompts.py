"""Forget the texts of requests that ended long ago."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ForgetPrompts:
    """One step of the forgetting worker: texts are not kept longer than they are of use."""

    store: Store
    keep: timedelta

    async def __call__(self) -> bool:
        """Forget; there is never more to do at once."""
        async with self.store.transaction() as transaction:
            forgotten = await transaction.queue.forget_prompts(older_than=self.keep)
        if forgotten:
            log.info("request.prompts_forgotten", count=forgotten)
        return False
