"""Read the state of a request."""

from dataclasses import dataclass

from event_contracts import RequestStatus

from llm_provider.domain.requests.request import QueueId, request_not_found
from llm_provider.ports import Store


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """Shows a request and, once it has ended, its result."""

    store: Store

    async def __call__(self, queue_id: QueueId) -> RequestStatus:
        """Raises ``NotFound``."""
        async with self.store.transaction() as transaction:
            status = await transaction.queue.status(queue_id)
        if status is None:
            raise request_not_found(queue_id)
        return status
