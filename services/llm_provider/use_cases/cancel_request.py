"""Take a request back: it ends with an error callback, and what was called for it is billed."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from event_contracts import NotFound, RequestStatus

from llm_provider.domain.calls import ended_without_call
from llm_provider.domain.errors import RequestCancelled
from llm_provider.domain.request import Place, QueueId
from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class CancelRequest:
    """Ends a request that has not ended; one that has stays as it is.

    A call that is being made is not interrupted: it is billed when it ends, and its answer is not used.
    """

    store: Store

    async def __call__(self, queue_id: QueueId) -> RequestStatus:
        """How the request stands afterwards; raises ``NotFound``."""
        async with self.store.transaction() as transaction:
            taken = await transaction.queue.lock_open(queue_id)
            if taken is not None:
                now = datetime.now(UTC)
                ended = ended_without_call(taken, RequestCancelled(), place=Place.CANCELLED, now=now)
                await transaction.queue.end([ended])
                log.info("request.cancelled", queue_id=str(queue_id), batch_id=taken.request.batch_id)
            status = await transaction.queue.status(queue_id)
        if status is None:
            raise NotFound(f"there is no request {queue_id}")
        return status
