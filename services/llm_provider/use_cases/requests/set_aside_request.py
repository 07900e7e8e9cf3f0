"""End a request that this service cannot handle, so that its caller does not wait for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from llm_provider.domain.calls.call import Call, ended_by, ended_without_call, without_answer
from llm_provider.domain.calls.errors import RequestSetAside
from llm_provider.domain.requests.request import QueueId, QueueState
from llm_provider.ports import Isolate, Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class SetAsideRequest:
    """Ends a request in its one error callback; of its row it reads no more than that needs."""

    store: Store
    isolate: Isolate

    async def __call__(self, queue_id: QueueId, reason: str) -> None:
        """End the request, unless it has ended."""
        error = RequestSetAside(f"this service cannot handle the request: {reason}")
        async with self.store.transaction() as transaction:
            leased = await transaction.queue.lock_for_end(queue_id)
            if leased is not None:
                now = datetime.now(UTC)
                await transaction.queue.end(
                    [ended_without_call(leased, error, state=QueueState.FAILED, now=now)]
                )

    async def with_call(self, call: Call, reason: str) -> None:
        """End the request of a call that cannot be recorded, with the call's cost if at least that can be."""
        error = RequestSetAside(f"the call for this request cannot be recorded: {reason}")
        billed = without_answer(call, error)
        if await self.isolate([billed], self._record):
            log.error("call.cost_not_recorded", queue_id=str(call.queue_id), reason=reason)
            await self(call.queue_id, reason)

    async def _record(self, calls: Sequence[Call]) -> None:
        async with self.store.transaction() as transaction:
            new = await transaction.ledger.record(calls)
            await transaction.queue.end([ended_by(call, call.outcome) for call in new])
            await transaction.ledger.add_to_totals(new)
