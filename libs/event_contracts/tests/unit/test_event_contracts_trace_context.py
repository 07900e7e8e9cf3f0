"""W3C trace contexts: what is one, what is ignored, and how an event carries it."""

from uuid import UUID

import pytest
from event_contracts import ComparisonRequest, EventEnvelope, LLMRequestStartedV1, TraceContext
from pydantic import ValidationError

TRACEPARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


def started(trace: TraceContext | None, **metadata: str) -> EventEnvelope[LLMRequestStartedV1]:
    data = LLMRequestStartedV1(provider="mock", correlation_id=UUID(int=7))
    return EventEnvelope.wrap(
        data, source_service="tested", correlation_id=UUID(int=7), metadata={**metadata} or None, trace=trace
    )


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "00-ab-cd-01",
        TRACEPARENT.upper(),
        f"ff{TRACEPARENT[2:]}",
        f"00-{'0' * 32}-{'cd' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
        TRACEPARENT + "x",
        TRACEPARENT + "\n",
    ],
)
def test_an_invalid_trace_context_is_ignored(text: object) -> None:
    assert TraceContext.of(text, "school=1") is None


def test_a_later_version_of_the_format_is_read_as_far_as_this_one_goes() -> None:
    found = TraceContext.of(f"01{TRACEPARENT[2:]}-more")

    assert found == TraceContext(f"01{TRACEPARENT[2:]}")
    assert found.trace_id == "ab" * 16


@pytest.mark.parametrize("state", [None, 7, "", "x" * 513, "a=1\nb=2", "ä=1"])
def test_a_malformed_state_costs_the_state_alone(state: object) -> None:
    assert TraceContext.of(TRACEPARENT, state) == TraceContext(TRACEPARENT)


def test_an_event_carries_its_trace_in_metadata_and_headers() -> None:
    trace = TraceContext(TRACEPARENT, "school=1")

    event = started(trace, kept="as it was")

    headers = dict(event.headers())
    assert event.trace == trace
    assert event.metadata == {"kept": "as it was", "traceparent": TRACEPARENT, "tracestate": "school=1"}
    assert headers["traceparent"] == TRACEPARENT.encode()
    assert headers["tracestate"] == b"school=1"
    assert headers["trace_id"] == b"ab" * 16


def test_an_event_without_a_trace_has_the_metadata_that_it_was_given() -> None:
    assert started(None).metadata is None
    assert started(None).trace is None


def test_a_comparison_names_its_trace_and_a_malformed_one_is_refused() -> None:
    body = {"user_prompt": "Compare them.", "traceparent": TRACEPARENT}

    assert ComparisonRequest.model_validate(body).trace == TraceContext(TRACEPARENT)
    with pytest.raises(ValidationError):
        ComparisonRequest.model_validate({**body, "traceparent": "00-ab-cd-01"})
