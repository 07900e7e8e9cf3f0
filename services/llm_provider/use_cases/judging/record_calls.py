"""Record calls: the ledger, results with their callbacks, retries, and the meters."""

import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import structlog

from llm_provider.domain.calls.announcements import Announcement, call_ended
from llm_provider.domain.calls.call import Call, EndedRequest, ended_by
from llm_provider.domain.calls.errors import (
    CostLimitExceeded,
    RateLimitReached,
    RequestCancelled,
    is_vendor_failure,
)
from llm_provider.domain.calls.retrying import RetryPolicy, exceeds_cap, final_outcome, next_call
from llm_provider.domain.calls.settlement import settlements
from llm_provider.domain.limits import BreakerChange
from llm_provider.domain.requests.request import JudgeRequest
from llm_provider.ports import CallWatcher, Catalogue, DelayedRequest, Store, Transaction

log = structlog.get_logger()

KindT = TypeVar("KindT", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class RecordCalls:
    """Records calls of one provider in one transaction: repeating it changes nothing."""

    store: Store
    catalogue: Catalogue
    policy: RetryPolicy
    watcher: CallWatcher
    publish_call_events: bool
    wake_returns: Callable[[], None]

    async def __call__(self, calls: Sequence[Call], *, provider: str) -> None:
        """Record calls that were made live, or that come from a batch job.

        The totals and the meters, which all workers wait for, are locked by the last statements.
        """
        async with self.store.transaction() as transaction:
            new = await transaction.ledger.record(calls)
            cancelled = await transaction.queue.cancelled([call.queue_id for call in new])
            decisions = [self._decide(call, is_cancelled=call.queue_id in cancelled) for call in new]
            await transaction.queue.end([one for one in decisions if isinstance(one, EndedRequest)])
            delayed = [one for one in decisions if isinstance(one, DelayedRequest)]
            await transaction.queue.delay(delayed)
            await transaction.ledger.add_to_totals(new)
            changes = await self._settle(transaction, new, provider)
            if self.publish_call_events:
                transaction.outbox.announce(_announcements(new, changes))
        if delayed:
            self.wake_returns()
        for call in new:
            self.watcher.watch(call)
        _report(new, changes, provider=provider)

    async def _settle(
        self, transaction: Transaction, calls: Sequence[Call], provider: str
    ) -> Sequence[BreakerChange]:
        live = [call for call in calls if not call.in_batch]
        if not live:
            return ()
        return await transaction.meters.settle(
            provider=provider, settlements=settlements(live, now=datetime.now(UTC))
        )

    def _decide(self, call: Call, *, is_cancelled: bool) -> DelayedRequest | EndedRequest:
        """Whether a call's request is repeated after a delay, or ends, and with what."""
        if is_cancelled:
            return ended_by(call, RequestCancelled())
        retry = next_call(call, policy=self.policy)
        if retry is None:
            return ended_by(call, final_outcome(call, policy=self.policy))
        if exceeds_cap(call, max_cost=self._max_cost_usd):
            error = CostLimitExceeded(
                f"another call, after {call.outcome_code}, might cost more than max_cost_usd"
            )
            return ended_by(call, error)
        return DelayedRequest(call=call, delay=retry.delay)

    def _max_cost_usd(self, request: JudgeRequest) -> Decimal | None:
        most = self.catalogue.cost(
            provider=request.parameters.provider,
            model=request.parameters.model,
            usage=request.max_usage,
            at=datetime.now(UTC),
        )
        return most.usd


def _announcements(calls: Sequence[Call], changes: Sequence[BreakerChange]) -> Sequence[Announcement]:
    opened = {change.model for change in changes if change.has_opened}
    return [
        event
        for call in calls
        for event in call_ended(call, opened_breaker=call.requested_model in opened and _is_failure(call))
    ]


def _is_failure(call: Call) -> bool:
    return call.error is not None and is_vendor_failure(call.error)


def _report(calls: Sequence[Call], changes: Sequence[BreakerChange], *, provider: str) -> None:
    """One line per kind of failure, however many calls it has hit; a rate limit is not a warning."""
    for change in changes:
        if change.has_opened:
            log.warning("breaker.opened", provider=provider, model=change.model)
        if change.has_closed:
            log.info("breaker.closed", provider=provider, model=change.model)
    for (model, code), failed in _grouped(
        ((call.requested_model, call.outcome_code), call) for call in calls if call.error
    ).items():
        log.log(
            logging.INFO if isinstance(failed[0].error, RateLimitReached) else logging.WARNING,
            "call.failed",
            provider=provider,
            model=model,
            error_code=code,
            calls=len(failed),
            reason=str(failed[0].error),
        )
    for model, unpriced in _grouped(
        (call.requested_model, call) for call in calls if call.cost.warning
    ).items():
        log.warning(
            "call.price_unknown",
            provider=provider,
            model=model,
            calls=len(unpriced),
            reason=unpriced[0].cost.warning,
        )


def _grouped(found: Iterable[tuple[KindT, Call]]) -> Mapping[KindT, Sequence[Call]]:
    groups: dict[KindT, list[Call]] = defaultdict(list)
    for kind, call in found:
        groups[kind].append(call)
    return groups
