"""Vendors' headers of limits are read as they mean it, and what cannot be read sets no limit."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_provider.adapters.vendor_api.limit_headers import (
    anthropic_limits,
    openai_limits,
    read_duration,
    retry_after,
)
from llm_provider.domain.limits import Allowance, LimitReading

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("1s", 1),
        ("12ms", 0.012),
        ("1h2m3.5s", 3723.5),
        ("24h0m0s", 86_400),
        ("13.5s", 13.5),
        ("500us", 0.0005),
        ("2d", 172_800),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_as_go_and_protobuf_write_it(text: str, seconds: float) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "6", "m", "-1s", "1s ", "1x", "soon", "1e9s", "9999999h", "٣s"])
def test_text_that_is_not_a_duration_is_none(text: str) -> None:
    assert read_duration(text) is None


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(
    hours: int, minutes: int, seconds: int, milliseconds: int
) -> None:
    read = read_duration(f"{hours}h{minutes}m{seconds}s{milliseconds}ms")

    assert read == timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "2"}, timedelta(seconds=2)),
        ({"retry-after": "0"}, timedelta(0)),
        ({"retry-after": "1.25"}, timedelta(seconds=1.25)),
        ({"retry-after-ms": "1500"}, timedelta(seconds=1.5)),
        ({"retry-after-ms": "1500", "retry-after": "2"}, timedelta(seconds=1.5)),
        (
            {"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}
            | {"date": format_datetime(NOW, usegmt=True)},
            timedelta(seconds=30),
        ),
        (
            {"retry-after": format_datetime(NOW - timedelta(seconds=30), usegmt=True)}
            | {"date": format_datetime(NOW, usegmt=True)},
            timedelta(0),
        ),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], wait: timedelta) -> None:
    assert retry_after(headers) == wait


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "1e30", "Tue, 99 Nov 2026"])
def test_an_unreadable_retry_after_is_ignored(text: str) -> None:
    assert retry_after({"retry-after": text}) is None


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text(max_size=40)))
def test_no_header_can_break_the_reading_of_when_to_return(headers: dict[str, str]) -> None:
    wait = retry_after(headers)

    assert wait is None or wait >= timedelta(0)


def test_openais_limits_are_those_of_requests_and_of_tokens() -> None:
    readings = openai_limits(
        {
            "x-ratelimit-limit-requests": "600",
            "x-ratelimit-remaining-requests": "599",
            "x-ratelimit-reset-requests": "100ms",
            "x-ratelimit-limit-tokens": "200000",
            "x-ratelimit-remaining-tokens": "199000",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    )

    assert readings == (
        LimitReading(
            allowance=Allowance.REQUESTS, limit=600, remaining=599, resets_in=timedelta(seconds=0.1)
        ),
        LimitReading(
            allowance=Allowance.TOKENS, limit=200_000, remaining=199_000, resets_in=timedelta(minutes=6)
        ),
    )


def test_anthropics_moments_are_taken_by_anthropics_clock() -> None:
    (reading,) = anthropic_limits(
        {
            "date": format_datetime(NOW, usegmt=True),
            "anthropic-ratelimit-output-tokens-limit": "8000",
            "anthropic-ratelimit-output-tokens-remaining": "7600",
            "anthropic-ratelimit-output-tokens-reset": "2026-11-24T12:00:03Z",
        }
    )

    assert reading == LimitReading(
        allowance=Allowance.OUTPUT_TOKENS, limit=8_000, remaining=7_600, resets_in=timedelta(seconds=3)
    )


@pytest.mark.parametrize(
    ("reset", "wait"),
    [("2026-11-24T11:59:57Z", timedelta(0)), ("2026-11-24T12:00:03", None), ("soon", None)],
)
def test_a_moment_that_is_past_is_now_and_one_that_cannot_be_read_is_none(
    reset: str, wait: timedelta | None
) -> None:
    (reading,) = anthropic_limits(
        {
            "date": format_datetime(NOW, usegmt=True),
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-reset": reset,
        }
    )

    assert reading.resets_in == wait


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "٦", "9" * 30, ""])
def test_an_unreadable_limit_is_left_empty(value: str) -> None:
    (reading,) = openai_limits({"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": "5"})

    assert (reading.limit, reading.remaining) == (None, 5)


def test_headers_that_say_nothing_of_limits_are_not_limits() -> None:
    assert openai_limits({"content-type": "application/json"}) == ()
    assert anthropic_limits({"content-type": "application/json"}) == ()


@given(
    st.dictionaries(
        st.sampled_from(
            [f"anthropic-ratelimit-tokens-{part}" for part in ("limit", "remaining", "reset")]
            + [f"x-ratelimit-{part}-tokens" for part in ("limit", "remaining", "reset")]
        ),
        st.text(max_size=30),
    )
)
def test_no_header_can_break_the_reading_of_limits(headers: dict[str, str]) -> None:
    for reading in (*openai_limits(headers), *anthropic_limits(headers)):
        assert reading.resets_in is None or reading.resets_in >= timedelta(0)
