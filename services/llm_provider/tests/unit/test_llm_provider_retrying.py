"""Which calls are repeated, when, and what bounds them: paid calls by number, outages by time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from event_contracts import SuiteError
from llm_provider.domain.calls.answer import Defect, InvalidAnswer
from llm_provider.domain.calls.errors import (
    AdapterFailed,
    JudgeTimeout,
    JudgeUnavailable,
    JudgeUnreachable,
    KeyRejected,
    OutOfCredit,
    PromptTooLong,
    RateLimitReached,
    RequestRejected,
    UnexpectedAnswer,
    UnknownModel,
    failure_type,
)
from llm_provider.domain.calls.retrying import Retry, RetryPolicy, exceeds_cap, final_outcome, next_call
from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.tests.building import call_of, judge_request

POLICY = RetryPolicy(
    max_attempts=3, first_retry_delay=timedelta(seconds=1), outage_timeout=timedelta(minutes=3)
)


def answer(defect: Defect) -> InvalidAnswer:
    return InvalidAnswer("no vote", defect=defect)


def after(
    error: SuiteError | None,
    *,
    failures: int = 0,
    paid: int = 0,
    failing_for: timedelta = timedelta(0),
    temperature: float | None = None,
    in_batch: bool = False,
) -> Retry | None:
    leased = LeasedRequest(
        request=judge_request(temperature=temperature),
        attempts=failures + 1,
        failures=failures,
        paid_calls=paid,
        failing_since=datetime.now(UTC) - failing_for,
    )
    retry_after = error.retry_after if isinstance(error, RateLimitReached | JudgeUnavailable) else None
    usage = Usage(input=1, output=1) if isinstance(error, InvalidAnswer) else None
    call = call_of(leased, error=error, retry_after=retry_after, in_batch=in_batch, usage=usage)
    return next_call(call, policy=POLICY)


def test_an_answered_call_is_not_repeated() -> None:
    assert after(None) is None


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("x"),
        PromptTooLong("x"),
        KeyRejected("x"),
        OutOfCredit("x"),
        UnknownModel("x"),
        answer(Defect.REFUSAL),
        answer(Defect.CUT_OFF),
        answer(Defect.FENCED),
    ],
    ids=lambda error: getattr(error, "defect", type(error).__name__),
)
def test_a_call_that_would_fail_again_is_not_repeated(error: SuiteError) -> None:
    assert after(error) is None


@pytest.mark.parametrize("defect", [Defect.NOT_JSON, Defect.NOT_THE_SCHEMA, Defect.TOO_LONG])
def test_an_answer_that_does_not_fit_is_asked_for_again_unless_the_judge_would_repeat_itself(
    defect: Defect,
) -> None:
    assert after(answer(defect)) == Retry(delay=timedelta(seconds=1))
    assert after(answer(defect), temperature=0.7) == Retry(delay=timedelta(seconds=1))
    assert after(answer(defect), temperature=0.0) is None


@pytest.mark.parametrize(
    "error",
    [
        answer(Defect.NOT_THE_SCHEMA),
        JudgeTimeout("x"),
        AdapterFailed("x"),
        JudgeUnreachable("x", may_be_billed=True),
        UnexpectedAnswer("x", may_be_billed=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_calls_that_may_be_billed_are_made_three_times_at_most(error: SuiteError) -> None:
    delays = [after(error, failures=paid, paid=paid) for paid in range(3)]

    assert delays == [Retry(delay=timedelta(seconds=1)), Retry(delay=timedelta(seconds=2)), None]


@pytest.mark.parametrize("error", [JudgeUnavailable("x"), JudgeUnreachable("x"), UnexpectedAnswer("x")])
def test_calls_that_are_not_billed_are_repeated_for_some_minutes(error: JudgeUnavailable) -> None:
    early = after(error, failures=20, failing_for=timedelta(minutes=2))
    late = after(error, failures=20, failing_for=timedelta(minutes=3, seconds=1))

    assert early == Retry(delay=timedelta(seconds=30))
    assert late is None


def test_a_vendor_that_is_given_up_stops_the_batch_and_one_failed_call_does_not() -> None:
    def ended_with(failing_for: timedelta) -> SuiteError:
        leased = LeasedRequest(
            request=judge_request(), attempts=9, paid_calls=3, failing_since=datetime.now(UTC) - failing_for
        )
        outcome = final_outcome(call_of(leased, error=JudgeUnreachable("no connection")), policy=POLICY)
        assert isinstance(outcome, SuiteError)
        return outcome

    once, given_up = ended_with(timedelta(0)), ended_with(timedelta(minutes=4))

    assert once.details["stops_batch"] is False
    assert (given_up.code, given_up.details["scope"]) == ("CONNECTION_ERROR", "batch")
    assert given_up.message == "no connection; gave up after 180 s without an answer"


def test_a_rate_limit_is_bounded_by_the_expiry_alone_and_the_vendors_delay_is_kept() -> None:
    limited = RateLimitReached("x", retry_after=timedelta(seconds=7))

    assert after(limited, failures=99, paid=2, failing_for=timedelta(hours=1)) == Retry(
        delay=timedelta(seconds=7)
    )
    assert after(RateLimitReached("x")) == Retry(delay=timedelta(seconds=1))


def test_an_unavailable_vendors_delay_is_kept() -> None:
    overloaded = JudgeUnavailable("x", retry_after=timedelta(seconds=30))

    assert after(overloaded) == Retry(delay=timedelta(seconds=30))


def test_what_a_batch_job_did_not_judge_is_called_for_live_at_once() -> None:
    expired = JudgeTimeout("expired", may_be_billed=False)

    assert after(expired, failures=2, in_batch=True) == Retry(delay=timedelta(0))


def test_an_expiry_in_a_job_is_not_retried_for_callers_that_want_it_reported() -> None:
    leased = LeasedRequest(request=judge_request(reports_batch_expiry=True), attempts=1)
    call = call_of(leased, error=JudgeTimeout("expired", may_be_billed=False), in_batch=True)

    assert next_call(call, policy=POLICY) is None


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
def test_a_call_that_might_exceed_the_callers_cap_is_not_made(
    cap: str | None, spent: str, cost: str | None, most: str | None, exceeds: bool
) -> None:
    leased = LeasedRequest(
        request=judge_request(max_cost_usd=None if cap is None else Decimal(cap)),
        attempts=1,
        spent_usd=Decimal(spent),
    )
    call = call_of(leased, cost=Cost(usd=None if cost is None else Decimal(cost), price_list="list"))

    assert exceeds_cap(call, max_cost=lambda _: None if most is None else Decimal(most)) is exceeds


def test_only_the_vendors_failures_are_reported_as_such() -> None:
    errors = [
        RateLimitReached("x"),
        JudgeTimeout("x"),
        JudgeUnavailable("x"),
        JudgeUnreachable("x"),
        RequestRejected("x"),
        answer(Defect.NOT_JSON),
    ]

    assert [failure_type(error) for error in errors] == [
        "rate_limit",
        "timeout",
        "service_unavailable",
        "service_unavailable",
        None,
        None,
    ]
