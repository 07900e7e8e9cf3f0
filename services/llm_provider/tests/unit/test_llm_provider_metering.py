"""What calls teach the meters."""

from datetime import UTC, datetime, timedelta

import pytest
from event_contracts import SuiteError
from llm_provider.domain.calls.answer import Defect, InvalidAnswer
from llm_provider.domain.calls.errors import JudgeTimeout, JudgeUnavailable, RateLimitReached, RequestRejected
from llm_provider.domain.calls.settlement import settlements, unused_settlements
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import Allowance, LimitReading
from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.tests.building import call_of, judge_request


def leased(model: str = "m") -> LeasedRequest:
    return LeasedRequest(
        request=judge_request(model=model), attempts=1, reserved_input=120, reserved_output=50
    )


def reading(remaining: int) -> LimitReading:
    return LimitReading(allowance=Allowance.REQUESTS, limit=100, remaining=remaining, resets_in=None)


def test_each_model_is_settled_for_itself_in_the_order_of_names() -> None:
    calls = [call_of(leased(model)) for model in ("b", "a", "b")]

    settled = settlements(calls, now=datetime.now(UTC))

    assert [(one.model, one.replies) for one in settled] == [("a", 1), ("b", 2)]


def test_tokens_are_settled_by_what_was_really_used() -> None:
    calls = [
        call_of(leased(), usage=Usage(input=100, output=80)),
        call_of(leased(), usage=Usage(input=150, output=40)),
    ]

    (settled,) = settlements(calls, now=datetime.now(UTC))

    assert settled.excess[Allowance.INPUT_TOKENS] == 250 - 240
    assert settled.excess[Allowance.OUTPUT_TOKENS] == 120 - 100
    assert settled.excess[Allowance.TOKENS] == 30
    assert settled.excess[Allowance.REQUESTS] == 0


@pytest.mark.parametrize("error", [RateLimitReached("x"), JudgeUnavailable("x"), RequestRejected("x")])
def test_a_call_that_was_refused_gives_its_tokens_back_but_not_its_request(error: SuiteError) -> None:
    (settled,) = settlements([call_of(leased(), error=error)], now=datetime.now(UTC))

    assert settled.excess[Allowance.TOKENS] == -170
    assert settled.excess[Allowance.REQUESTS] == 0
    assert settled.replies == 0


def test_a_call_that_timed_out_keeps_what_was_reserved() -> None:
    (settled,) = settlements([call_of(leased(), error=JudgeTimeout("x"))], now=datetime.now(UTC))

    assert settled.excess[Allowance.TOKENS] == 0


def test_calls_that_were_not_made_give_everything_back() -> None:
    (settled,) = unused_settlements([leased(), leased()])

    assert dict(settled.excess) == {
        Allowance.REQUESTS: -2,
        Allowance.INPUT_TOKENS: -240,
        Allowance.OUTPUT_TOKENS: -100,
        Allowance.TOKENS: -340,
    }


def test_the_vendors_latest_limits_apply() -> None:
    calls = [call_of(leased(), limits=(reading(9),)), call_of(leased(), limits=(reading(8),))]

    (settled,) = settlements(calls, now=datetime.now(UTC))

    assert settled.readings[Allowance.REQUESTS].remaining == 8


def test_a_rate_limit_is_dated_by_the_call_that_met_it_last() -> None:
    busy = [call_of(leased(), error=RateLimitReached("x"), seconds=seconds) for seconds in (9.0, 2.0, 5.0)]

    (settled,) = settlements(busy, now=datetime.now(UTC))

    assert settled.limited is not None
    assert settled.limited == pytest.approx(timedelta(seconds=2), abs=timedelta(seconds=0.5))


DOWN, BUSY, WRONG = JudgeUnavailable("x"), RateLimitReached("x"), RequestRejected("x")
MISFIT = InvalidAnswer("x", defect=Defect.NOT_JSON)


@pytest.mark.parametrize(
    ("errors", "failures", "has_responded"),
    [
        ([DOWN, DOWN], 2, False),
        ([DOWN, None, DOWN], 1, True),
        ([DOWN, BUSY, DOWN], 2, False),
        ([DOWN, WRONG], 0, True),
        ([DOWN, MISFIT], 0, True),
        ([BUSY], 0, False),
    ],
)
def test_a_vendor_that_answers_anything_is_alive_and_a_rate_limit_says_nothing(
    errors: list[SuiteError | None], failures: int, has_responded: bool
) -> None:
    (settled,) = settlements([call_of(leased(), error=error) for error in errors], now=datetime.now(UTC))

    assert (settled.failures, settled.has_responded) == (failures, has_responded)
