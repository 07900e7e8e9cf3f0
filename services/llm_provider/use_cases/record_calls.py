"""Write calls down: meters, results with their callbacks, what is tried again, and the books."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import structlog
from event_contracts import SuiteError

from llm_provider.domain.announcing import Announcement, call_ended
from llm_provider.domain.calls import Call, ended_by
from llm_provider.domain.errors import CostLimitExceeded, JudgeBusy, is_vendor_failure
from llm_provider.domain.metering import settlements
from llm_provider.domain.request import JudgeRequest
from llm_provider.domain.retrying import Again, RetryPolicy, exceeds_cap, next_call
from llm_provider.ports import CallWatcher, Catalogue, Postponed, Store

log = structlog.get_logger()

KindT = TypeVar("KindT", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """A call and what becomes of its request: ``again``, or its end with ``error`` (None: with the verdict)."""

    call: Call
    again: Again | None
    error: SuiteError | None


@dataclass(frozen=True, kw_only=True)
class RecordCalls:
    """Writes down calls of one provider in one transaction; safe to repeat."""

    store: Store
    catalogue: Catalogue
    policy: RetryPolicy
    watcher: CallWatcher
    announce_calls: bool

    async def __call__(self, calls: Sequence[Call], *, provider: str) -> None:
        """Record calls that were made live, or that come from a batch job."""
        live = [call for call in calls if not call.in_batch]
        breakers = await self._settle(live, provider) if live else {}
        decided = [self._decide(call, breakers) for call in calls]
        async with self.store.transaction() as transaction:
            await transaction.queue.end(
                [ended_by(one.call, error=one.error) for one in decided if one.again is None]
            )
            await transaction.queue.postpone(
                [_postponed(one.call, one.again) for one in decided if one.again is not None]
            )
            transaction.outbox.announce(self._announcements(calls, breakers))
            await transaction.books.record(calls)
        for call in calls:
            self.watcher.watch(call)
        _report(calls, provider=provider)

    async def _settle(self, calls: Sequence[Call], provider: str) -> Mapping[str, bool]:
        """The models whose breaker is open now, and whether these calls have opened it.

        In a transaction of its own: every worker waits for the meters, and they must not wait for the rest.
        """
        async with self.store.transaction() as transaction:
            found = await transaction.meters.settle(
                provider=provider, settlements=settlements(calls, now=datetime.now(UTC))
            )
        for news in found:
            if news.has_opened:
                log.warning("breaker.opened", provider=provider, model=news.model)
            if news.has_closed:
                log.info("breaker.closed", provider=provider, model=news.model)
        return {news.model: news.has_opened for news in found if news.is_open}

    def _decide(self, call: Call, breakers: Mapping[str, bool]) -> _Decided:
        is_open = _model(call) in breakers
        again = next_call(call, policy=self.policy, breaker_is_open=is_open)
        if again is not None and exceeds_cap(call, most=self._most_usd):
            error = CostLimitExceeded(
                f"another call, after {call.outcome}, might cost more than max_cost_usd"
            )
            return _Decided(call=call, again=None, error=error)
        return _Decided(call=call, again=again, error=call.error)

    def _most_usd(self, request: JudgeRequest) -> Decimal | None:
        most = self.catalogue.cost(
            provider=request.parameters.provider,
            model=request.parameters.model,
            usage=request.most_usage,
            at=datetime.now(UTC),
        )
        return most.usd

    def _announcements(self, calls: Sequence[Call], breakers: Mapping[str, bool]) -> Sequence[Announcement]:
        if not self.announce_calls:
            return ()
        return [
            event for call in calls for event in call_ended(call, opened_breaker=_has_opened(call, breakers))
        ]


def _has_opened(call: Call, breakers: Mapping[str, bool]) -> bool:
    is_failure = call.error is not None and is_vendor_failure(call.error)
    return is_failure and breakers.get(_model(call), False)


def _postponed(call: Call, again: Again) -> Postponed:
    return Postponed(
        taken=call.taken, pause=again.pause, cost=call.cost, counts=again.counts, error_code=call.outcome
    )


def _report(calls: Sequence[Call], *, provider: str) -> None:
    """One line for each kind of trouble, however many calls have met it; a vendor's rate limit is none."""
    for (model, code), failed in _grouped((_failure_of(call), call) for call in calls if call.error).items():
        say = log.info if isinstance(failed[0].error, JudgeBusy) else log.warning
        say(
            "calls.failed",
            provider=provider,
            model=model,
            error_code=code,
            calls=len(failed),
            reason=str(failed[0].error),
        )
    for model, unpriced in _grouped((_model(call), call) for call in calls if call.cost.warning).items():
        log.warning(
            "calls.price_unknown",
            provider=provider,
            model=model,
            calls=len(unpriced),
            reason=unpriced[0].cost.warning,
        )


def _failure_of(call: Call) -> tuple[str, str]:
    return _model(call), call.outcome


def _model(call: Call) -> str:
    return call.taken.request.parameters.model


def _grouped(found: Iterable[tuple[KindT, Call]]) -> Mapping[KindT, Sequence[Call]]:
    groups: dict[KindT, list[Call]] = defaultdict(list)
    for kind, call in found:
        groups[kind].append(call)
    return groups
