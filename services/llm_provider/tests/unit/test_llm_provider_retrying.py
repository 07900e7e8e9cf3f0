"""Which calls are made again, when, and which of them count against their request."""

from datetime import timedelta
from decimal import Decimal

import pytest
from event_contracts import SuiteError
from llm_provider.domain.calls.answer import Defect, InvalidAnswer
from llm_provider.domain.calls.errors import (
    JudgeTimeout,
    JudgeUnavailable,
    KeyRejected,
    OutOfCredit,
    PromptTooLong,
    RateLimitReached,
    RequestRejected,
    failure_type,
)
from llm_provider.domain.calls.retrying import Retry, RetryPolicy, exceeds_cap, next_call
from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.tests.building import call_of, judge_request

POLICY = RetryPolicy(max_attempts=3, first_retry_delay=timedelta(seconds=1))
MISFIT = InvalidAnswer("no vote", defect=Defect.NOT_THE_SCHEMA)
REFUSAL = InvalidAnswer("refused", defect=Defect.REFUSAL)
CUT_OFF = InvalidAnswer("cut off", defect=Defect.CUT_OFF)


def after(
    error: SuiteError | None, *, failures: int = 0, breaker_is_open: bool = False, in_batch: bool = False
) -> Retry | None:
    leased = LeasedRequest(request=judge_request(), attempts=failures + 1, failures=failures)
    retry_after = error.retry_after if isinstance(error, RateLimitReached | JudgeUnavailable) else None
    call = call_of(leased, error=error, retry_after=retry_after, in_batch=in_batch)
    return next_call(call, policy=POLICY, breaker_is_open=breaker_is_open)


def test_an_answered_call_is_not_made_again() -> None:
    assert after(None) is None


@pytest.mark.parametrize(
    "error", [RequestRejected("x"), PromptTooLong("x"), KeyRejected("x"), OutOfCredit("x"), REFUSAL]
)
def test_what_would_fail_again_is_not_made_again(error: SuiteError) -> None:
    assert after(error) is None


@pytest.mark.parametrize("error", [JudgeUnavailable("x"), JudgeTimeout("x"), MISFIT, CUT_OFF])
def test_what_may_succeed_is_made_again_a_bounded_number_of_times_with_growing_pauses(
    error: SuiteError,
) -> None:
    pauses = [after(error, failures=failures) for failures in range(3)]

    assert pauses == [
        Retry(pause=timedelta(seconds=1), counts=True),
        Retry(pause=timedelta(seconds=2), counts=True),
        None,
    ]


def test_a_rate_limit_never_counts_and_the_vendors_word_is_kept() -> None:
    busy = RateLimitReached("x", retry_after=timedelta(seconds=7))

    assert after(busy, failures=99) == Retry(pause=timedelta(seconds=7), counts=False)
    assert after(RateLimitReached("x")) == Retry(pause=timedelta(seconds=1), counts=False)


def test_an_outage_uses_up_no_tries_while_the_breaker_is_open() -> None:
    assert after(JudgeUnavailable("x"), failures=2, breaker_is_open=True) == Retry(
        pause=timedelta(seconds=4), counts=False
    )
    assert after(MISFIT, failures=2, breaker_is_open=True) is None, "a bad answer is no outage"


def test_an_unavailable_vendors_word_on_when_to_come_back_is_kept() -> None:
    overloaded = JudgeUnavailable("x", retry_after=timedelta(seconds=30))

    assert after(overloaded) == Retry(pause=timedelta(seconds=30), counts=True)


def test_what_a_batch_job_did_not_get_round_to_is_called_for_live_at_once_and_uncounted() -> None:
    assert after(JudgeTimeout("expired"), failures=2, in_batch=True) == Retry(
        pause=timedelta(0), counts=False
    )


def test_a_caller_may_want_to_hear_of_it_instead() -> None:
    leased = LeasedRequest(request=judge_request(reports_batch_expiry=True), attempts=1)
    call = call_of(leased, error=JudgeTimeout("expired"), in_batch=True)

    assert next_call(call, policy=POLICY, breaker_is_open=False) is None


@pytest.mark.parametrize(
    ("cap", "spent", "cost", "most", "exceeds"),
    [
        (None, "5", "5", "5", False),
        ("1.00", "0.30", "0.30", "0.40", False),
        ("1.00", "0.30", "0.30", "0.41", True),
        ("1.00", "0", None, "0.10", True),
        ("1.00", "0", "0.10", None, True),
    ],
)
def test_a_call_that_might_go_beyond_the_callers_cap_is_not_made(
    cap: str | None, spent: str, cost: str | None, most: str | None, exceeds: bool
) -> None:
    leased = LeasedRequest(
        request=judge_request(max_cost_usd=None if cap is None else Decimal(cap)),
        attempts=1,
        spent_usd=Decimal(spent),
    )
    call = call_of(leased, cost=Cost(usd=None if cost is None else Decimal(cost), price_list="list"))

    assert exceeds_cap(call, most=lambda _: None if most is None else Decimal(most)) is exceeds


def test_only_the_vendors_failures_are_reported_as_such() -> None:
    errors = [RateLimitReached("x"), JudgeTimeout("x"), JudgeUnavailable("x"), RequestRejected("x"), MISFIT]

    assert [failure_type(error) for error in errors] == [
        "rate_limit",
        "timeout",
        "service_unavailable",
        None,
        None,
    ]
