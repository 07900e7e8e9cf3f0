"""End requests that are over without another call, with the error callback that their callers are owed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from llm_provider.domain.calls.call import EndedRequest, ended_without_call
from llm_provider.domain.calls.errors import RequestCancelled, RequestExpired, RequestSetAside
from llm_provider.domain.requests.request import LeasedRequest, QueueId, QueueState
from llm_provider.ports import Due, Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class EndRequests:
    """Ends requests that are expired, that were cancelled during a call, or whose calls were lost too often."""

    store: Store
    max_attempts: int

    async def take(self, limit: int) -> Due[QueueId]:
        """The requests that are due to end."""
        async with self.store.transaction() as transaction:
            return await transaction.queue.due_to_end(limit=limit, max_attempts=self.max_attempts)

    async def handle(self, queue_ids: Sequence[QueueId]) -> None:
        """End those that are still due."""
        now = datetime.now(UTC)
        async with self.store.transaction() as transaction:
            due = await transaction.queue.lock_due_to_end(queue_ids, max_attempts=self.max_attempts)
            ended = [_ended(leased, now) for leased in due]
            await transaction.queue.end(ended)
        for state in QueueState:
            count = sum(one.state is state for one in ended)
            if count:
                log.warning("request.ended_without_call", state=state, count=count)


def _ended(leased: LeasedRequest, now: datetime) -> EndedRequest:
    if leased.cancel_requested:
        return ended_without_call(leased, RequestCancelled(), state=QueueState.CANCELLED, now=now)
    if leased.request.expires_at <= now:
        return ended_without_call(leased, _expired(leased), state=QueueState.EXPIRED, now=now)
    lost = replace(leased, paid_calls=leased.paid_calls + 1)
    error = RequestSetAside(
        f"{lost.paid_calls} calls for this request were paid or lost with their worker: it is not tried again"
    )
    return ended_without_call(lost, error, state=QueueState.FAILED, now=now)


def _expired(leased: LeasedRequest) -> RequestExpired:
    waited = (leased.request.expires_at - leased.request.requested_at).total_seconds()
    last = f"; the last call failed: {leased.last_error_message}" if leased.last_error_message else ""
    return RequestExpired(
        f"not answered within {waited:g} s, after {leased.attempts} attempts{last}",
        last_error_code=leased.last_error_code,
    )
