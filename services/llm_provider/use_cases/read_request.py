"""Read how a request stands."""

from dataclasses import dataclass
from datetime import timedelta

from event_contracts import NotFound, RequestStatus

from llm_provider.domain.request import QueueId
from llm_provider.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """Shows a request and, once it has ended, its result."""

    store: Store

    async def __call__(self, queue_id: QueueId) -> RequestStatus:
        """Raises ``NotFound``."""
        async with self.store.transaction() as transaction:
            status = await transaction.status(queue_id)
        if status is None:
            raise NotFound(f"there is no request {queue_id}")
        return status


@dataclass(frozen=True, kw_only=True)
class ForgetPrompts:
    """One step of the forgetting worker: texts are not kept longer than they are of use."""

    store: Store
    keep: timedelta

    async def __call__(self) -> bool:
        """Forget; there is never more to do at once."""
        async with self.store.transaction() as transaction:
            await transaction.forget_prompts(older_than=self.keep)
        return False
