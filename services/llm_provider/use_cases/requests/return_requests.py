"""Let requests wait for their turn again: those whose retry delay is over, and those of lost workers."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from llm_provider.domain.requests.request import QueueId
from llm_provider.ports import Due, Store, WakeProviders

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ReturnRequests:
    """Returns requests to the queue, and wakes the workers that judge them."""

    store: Store
    wake_judges: WakeProviders
    max_attempts: int

    async def take(self, limit: int) -> Due[QueueId]:
        """The requests that are due."""
        async with self.store.transaction() as transaction:
            return await transaction.queue.due_to_return(limit=limit, max_attempts=self.max_attempts)

    async def handle(self, queue_ids: Sequence[QueueId]) -> None:
        """Return those that are still due."""
        async with self.store.transaction() as transaction:
            await transaction.queue.return_to_queue(queue_ids, max_attempts=self.max_attempts)
        self.wake_judges()
        log.debug("request.returned", count=len(queue_ids))
