"""What becomes of a request after a call: it is over, or the call is made again, and when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from llm_provider.domain.calls import Call
from llm_provider.domain.errors import JudgeBusy, JudgeTimeout, is_vendor_failure, may_be_retried
from llm_provider.domain.request import JudgeRequest

MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed call is made again, and how long a request may live."""

    max_failures: int = 5
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=2)
    expires_after: timedelta = timedelta(minutes=12)
    relaxed_expires_after: timedelta = timedelta(hours=26)

    def pause(self, failure: int) -> timedelta:
        """Pause after the n-th failure (from 1), without a word from the vendor."""
        return min(self.first_pause * (1 << min(failure - 1, MAX_DOUBLINGS)), self.longest_pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The call is made again after ``pause``; a failure that ``counts`` brings the request nearer to its end."""

    pause: timedelta
    counts: bool


def next_call(call: Call, *, policy: RetryPolicy, breaker_is_open: bool) -> Again | None:
    """When a call is made again; None when the request is over.

    A vendor's rate limit never counts: it says nothing about the request, and its expiry bounds the tries. Nor does
    a vendor's failure while the breaker is open: an outage must not use up the tries of what happens to be first.
    What a vendor's batch API did not get round to is called for live at once, unless its caller wants to hear of it.
    """
    if call.error is None or not may_be_retried(call.error):
        return None
    if call.in_batch and isinstance(call.error, JudgeTimeout):
        reports = call.taken.request.reports_batch_expiry
        return None if reports else Again(pause=timedelta(0), counts=False)
    if isinstance(call.error, JudgeBusy):
        return Again(pause=call.retry_after or policy.pause(1), counts=False)
    failures = call.taken.failures + 1
    pause = call.retry_after or policy.pause(failures)
    if breaker_is_open and is_vendor_failure(call.error):
        return Again(pause=pause, counts=False)
    return Again(pause=pause, counts=True) if failures < policy.max_failures else None


def exceeds_cap(call: Call, *, most: Callable[[JudgeRequest], Decimal | None]) -> bool:
    """True when one more call might cost the request more than its caller allows.

    ``most`` says what a call for a request may cost in US dollars; None: nobody knows.
    """
    request, taken = call.taken.request, call.taken
    if request.max_cost_usd is None:
        return False
    next_usd = most(request)
    if next_usd is None or not (taken.price_known and call.cost.is_known):
        return True
    return taken.spent_usd + call.cost.known_usd + next_usd > request.max_cost_usd
