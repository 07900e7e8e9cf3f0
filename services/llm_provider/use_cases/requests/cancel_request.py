"""Take a request back: it ends with one error callback that bears the cost of all its calls."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from event_contracts import RequestStatus

from llm_provider.domain.calls.call import ended_without_call
from llm_provider.domain.calls.errors import RequestCancelled
from llm_provider.domain.requests.request import QueueId, QueueState, request_not_found
from llm_provider.ports import Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class CancelRequest:
    """Ends a request that has not ended; one that has stays as it is.

    A call that is in flight is not interrupted: its vendor bills it. The request then ends with that call, so that its
    one callback bears the whole cost; its status shows ``cancel_requested_at`` until then. If the worker is lost, it
    ends when the lease has run out.
    """

    store: Store

    async def __call__(self, queue_id: QueueId) -> RequestStatus:
        """The request's status afterwards; raises ``NotFound``."""
        async with self.store.transaction() as transaction:
            leased = await transaction.queue.lock_for_end(queue_id)
            if leased is not None:
                call_in_progress = await transaction.queue.request_cancel(queue_id)
                if not call_in_progress:
                    now = datetime.now(UTC)
                    ended = ended_without_call(
                        leased, RequestCancelled(), state=QueueState.CANCELLED, now=now
                    )
                    await transaction.queue.end([ended])
                log.info(
                    "request.cancelled",
                    queue_id=str(queue_id),
                    batch_id=leased.request.batch_id,
                    call_in_progress=call_in_progress,
                )
            status = await transaction.queue.status(queue_id)
        if status is None:
            raise request_not_found(queue_id)
        return status
