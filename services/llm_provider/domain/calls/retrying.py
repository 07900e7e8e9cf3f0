"""Whether a call is repeated, and when: the one owner of retries in the suite.

A request is called for at most ``max_attempts`` times in ways that are or may be billed, whatever fails. What is not
billed (a vendor that cannot be reached, HTTP 5xx) is bounded by time instead: ``outage_timeout``. A vendor's rate
limit is bounded by the request's expiry alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from event_contracts import SuiteError

from llm_provider.domain.calls.answer import Verdict
from llm_provider.domain.calls.call import Call
from llm_provider.domain.calls.errors import (
    JudgeTimeout,
    JudgeUnavailable,
    RateLimitReached,
    may_be_retried,
    outage_error,
)
from llm_provider.domain.requests.request import JudgeRequest

MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed call is repeated, and how long a request may live."""

    max_attempts: int = 3
    outage_timeout: timedelta = timedelta(minutes=3)
    first_retry_delay: timedelta = timedelta(seconds=1)
    max_retry_delay: timedelta = timedelta(seconds=30)
    expires_after: timedelta = timedelta(minutes=12)
    relaxed_expires_after: timedelta = timedelta(hours=26)

    def retry_delay(self, failure: int) -> timedelta:
        """Delay after the n-th failure (from 1), where the vendor does not say when to come back."""
        return min(self.first_retry_delay * (1 << min(failure - 1, MAX_DOUBLINGS)), self.max_retry_delay)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The call is repeated after ``delay``."""

    delay: timedelta


def next_call(call: Call, *, policy: RetryPolicy) -> Retry | None:
    """When a call is repeated; None when the request is over.

    A request that ran out of time in a vendor's batch job is judged live immediately, unless its caller wants to be
    told instead.
    """
    is_deterministic = call.leased.request.parameters.is_deterministic
    if call.error is None or not may_be_retried(call.error, is_deterministic=is_deterministic):
        return None
    if call.in_batch and isinstance(call.error, JudgeTimeout):
        return None if call.leased.request.reports_batch_expiry else Retry(delay=timedelta(0))
    if isinstance(call.error, RateLimitReached):
        return Retry(delay=call.retry_after or policy.retry_delay(1))
    if call.paid_calls >= policy.max_attempts or _has_outlasted(call, call.error, policy):
        return None
    return Retry(delay=call.retry_after or policy.retry_delay(call.leased.failures + 1))


def final_outcome(call: Call, *, policy: RetryPolicy) -> Verdict | SuiteError:
    """What a request ends with after its last call; the error of an outage stops the whole batch."""
    if call.error is None or not _has_outlasted(call, call.error, policy):
        return call.outcome
    return outage_error(code=call.error.code, message=call.error.message, timeout=policy.outage_timeout)


def _has_outlasted(call: Call, error: SuiteError, policy: RetryPolicy) -> bool:
    """True when the vendor has failed this request for longer than a caller should wait without an answer."""
    failing_since = call.leased.failing_since or call.ended_at
    return (
        isinstance(error, JudgeUnavailable)
        and not call.in_batch
        and call.ended_at - failing_since >= policy.outage_timeout
    )


def exceeds_cap(call: Call, *, max_cost: Callable[[JudgeRequest], Decimal | None]) -> bool:
    """True when one more call might cost the request more than its caller allows.

    ``max_cost`` says what a call for a request may cost in US dollars; None: unknown.
    """
    request, leased = call.leased.request, call.leased
    if request.max_cost_usd is None:
        return False
    next_usd = max_cost(request)
    if next_usd is None or not (leased.price_known and call.cost.is_known):
        return True
    return leased.spent_usd + call.cost.known_usd + next_usd > request.max_cost_usd
