"""The envelope: what is put in comes out, what is wrong is named, and nothing of an essay is repeated."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from event_contracts import (
    EnvelopeHints,
    EventEnvelope,
    InvalidRequest,
    LLMComparisonResultV1,
    LLMCostTrackingV1,
    LLMRequestStartedV1,
    MalformedEvent,
    SourceService,
    TokenUsage,
    Topic,
    parse_envelope,
    usd,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(storable, max_size=9)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts
json_values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(texts, scalars, max_size=2)
objects = st.dictionaries(texts, json_values, max_size=3)
TRACEPARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"
moments = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))
counts = st.integers(0, 2**31 - 1)
names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=9)


@st.composite
def costs(draw: st.DrawFn) -> LLMCostTrackingV1:
    return LLMCostTrackingV1(
        correlation_id=draw(st.uuids()),
        provider=draw(names),
        model=draw(names),
        cost_estimate_usd=usd(draw(st.decimals(min_value=0, max_value=100, places=9))),
        token_usage=TokenUsage(
            prompt_tokens=draw(counts), completion_tokens=draw(counts), total_tokens=draw(counts)
        ),
        user_id=draw(st.none() | names),
        service_name=draw(names),
        request_timestamp=draw(moments),
        response_time_ms=draw(counts),
    )


def started(metadata: dict[str, JsonValue] | None = None) -> EventEnvelope[LLMRequestStartedV1]:
    return EventEnvelope.wrap(
        LLMRequestStartedV1(provider="mock", correlation_id=UUID(int=7)),
        source_service=SourceService.LLM_PROVIDER,
        correlation_id=UUID(int=7),
        metadata=metadata,
    )


@given(costs(), st.uuids(), moments, st.none() | objects)
def test_an_envelope_is_read_as_it_was_written(
    data: LLMCostTrackingV1, event_id: UUID, at: datetime, metadata: dict[str, JsonValue] | None
) -> None:
    envelope = EventEnvelope.wrap(
        data,
        source_service=SourceService.LLM_PROVIDER,
        correlation_id=data.correlation_id,
        metadata=metadata,
        event_timestamp=at,
        event_id=event_id,
    )

    read = parse_envelope(envelope.to_json(), LLMCostTrackingV1)

    assert read == envelope
    assert read.to_json() == envelope.to_json()


def test_a_new_event_gets_its_own_id_its_topic_as_type_and_the_present_moment() -> None:
    before = datetime.now(UTC)

    first, second = started(), started()

    assert first.event_id != second.event_id
    assert first.event_type == Topic.LLM_REQUEST_STARTED
    assert before <= first.event_timestamp <= datetime.now(UTC)


def test_headers_repeat_what_a_reader_may_want_before_it_parses() -> None:
    envelope = started({"traceparent": TRACEPARENT})

    headers = dict(envelope.headers())

    assert headers == {
        "event_id": str(envelope.event_id).encode(),
        "event_type": b"huleedu.llm_provider.request_started.v1",
        "correlation_id": str(UUID(int=7)).encode(),
        "source_service": b"llm_provider_service",
        "schema_version": b"1",
        "occurred_at": envelope.event_timestamp.isoformat().encode(),
        "content_type": b"application/json",
        "trace_id": b"ab" * 16,
        "traceparent": TRACEPARENT.encode(),
    }


def test_without_a_trace_there_is_no_trace_header() -> None:
    envelope = started()

    headers = dict(envelope.headers())
    assert "traceparent" not in headers
    assert headers["trace_id"] == UUID(int=7).hex.encode()


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"7", b'"event"', b"{}"])
def test_bytes_that_are_not_an_envelope_are_malformed(value: bytes) -> None:
    with pytest.raises(MalformedEvent) as refused:
        parse_envelope(value, LLMRequestStartedV1)

    assert refused.value.reasons


def test_another_topics_event_is_malformed_even_if_it_would_fit() -> None:
    value = started().to_json().replace(b"request_started", b"request_complete")

    with pytest.raises(MalformedEvent, match="event_type"):
        parse_envelope(value, LLMRequestStartedV1)


def test_the_reasons_name_the_fields_and_never_repeat_the_text() -> None:
    secret = "It was a dark and stormy night"
    message = json.loads(started().to_json())
    message["data"] |= {"request_type": secret, "correlation_id": 4}
    message["event_timestamp"] = secret

    with pytest.raises(MalformedEvent) as refused:
        parse_envelope(json.dumps(message).encode(), LLMRequestStartedV1)

    fields = [reason.partition(":")[0] for reason in refused.value.reasons]
    assert fields == ["event_timestamp", "data.request_type", "data.correlation_id"]
    assert "stormy" not in str(refused.value)


def test_hints_are_read_from_the_metadata_and_the_rest_is_left_alone() -> None:
    envelope = started(
        {
            "traceparent": "00-ab-cd-01",
            "max_comparisons": 300,
            "max_cost_usd": 0.1,
            "target_reliability": 0.85,
            "callback_url": "https://results.school.example/cj",
        }
    )

    hints = envelope.hints()

    assert hints == EnvelopeHints(
        max_comparisons=300,
        max_cost_usd=Decimal("0.1"),
        target_reliability=0.85,
        callback_url="https://results.school.example/cj",
    )


def test_without_metadata_there_are_no_hints() -> None:
    assert started().hints() == EnvelopeHints()


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        ("max_comparisons", 0),
        ("max_comparisons", "300"),
        ("max_comparisons", 2.5),
        ("max_cost_usd", 0),
        ("max_cost_usd", -1),
        ("target_reliability", 0.0),
        ("target_reliability", 1.0),
        ("target_reliability", 90),
        ("callback_url", "results.school.example"),
        ("callback_url", "file:///etc/hosts"),
    ],
)
def test_a_hint_that_makes_no_sense_is_refused_by_name(hint: str, value: JsonValue) -> None:
    envelope = started({hint: value})

    with pytest.raises(InvalidRequest, match=hint):
        envelope.hints()


def test_a_result_without_a_batch_is_keyed_by_its_correlation() -> None:
    correlation_id = uuid4()
    result = LLMComparisonResultV1(
        request_id="r",
        correlation_id=correlation_id,
        winner="Essay A",  # type: ignore[arg-type]  # as it stands on the wire
        justification="A.",
        confidence=3,
        provider="mock",
        model="mock",
        response_time_ms=1,
        token_usage=TokenUsage(prompt_tokens=1, completion_tokens=1, total_tokens=2),
        cost_estimate=Decimal(0),
        requested_at=datetime.now(UTC),
        completed_at=datetime.now(UTC),
        request_metadata={"prompt_sha256": "0" * 64},
    )

    envelope = EventEnvelope.wrap(result, source_service="s", correlation_id=correlation_id)

    assert envelope.key == str(correlation_id)
