"""End requests whose vendor has answered no call for some minutes: their callers are told why, and can stop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from llm_provider.domain.calls.call import ended_without_call
from llm_provider.domain.calls.errors import JudgeError, outage_error
from llm_provider.domain.costs.spending import MeterView
from llm_provider.domain.requests.request import LeasedRequest, QueueId, QueueState
from llm_provider.ports import Due, Store

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class GiveUpOutages:
    """Ends requests that have waited behind an open circuit breaker for ``outage_timeout``."""

    store: Store
    outage_timeout: timedelta

    async def take(self, limit: int) -> Due[QueueId]:
        """The requests that have waited long enough."""
        async with self.store.transaction() as transaction:
            return await transaction.queue.due_to_give_up(outage_timeout=self.outage_timeout, limit=limit)

    async def handle(self, queue_ids: Sequence[QueueId]) -> None:
        """End those that still wait."""
        now = datetime.now(UTC)
        async with self.store.transaction() as transaction:
            meters = {(one.provider, one.model): one for one in await transaction.meters.views()}
            waiting = await transaction.queue.lock_waiting(queue_ids)
            await transaction.queue.end(
                [
                    ended_without_call(leased, self._error(leased, meters), state=QueueState.FAILED, now=now)
                    for leased in waiting
                ]
            )
        if waiting:
            log.warning("request.outage_timed_out", count=len(waiting))

    def _error(self, leased: LeasedRequest, meters: Mapping[tuple[str, str], MeterView]) -> JudgeError:
        parameters = leased.request.parameters
        meter = meters.get((parameters.provider, parameters.model))
        message = meter.last_error_message if meter else None
        return outage_error(
            code=meter.last_error_code if meter else None,
            message=message or f"{parameters.provider} does not answer",
            timeout=self.outage_timeout,
        )
