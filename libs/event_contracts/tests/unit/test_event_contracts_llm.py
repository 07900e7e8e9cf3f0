"""What a comparison may look like when it is asked for and when it is answered."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from event_contracts import (
    CALLBACK_TOPICS,
    MAX_COMPARISONS_PER_SUBMISSION,
    BatchExpiry,
    CallbackMissing,
    ComparisonBatchRequest,
    ComparisonItemAnswer,
    ComparisonRequest,
    InvalidCallback,
    InvalidRequest,
    JudgementProvenance,
    Latency,
    LLMComparisonResultV1,
    LLMConfigOverrides,
    Topic,
)
from pydantic import JsonValue, ValidationError

NOTHING: Mapping[str, JsonValue] = {}
GOLDEN = Path(__file__).parent / "golden"


def result(kind: str = "", changes: Mapping[str, JsonValue] = NOTHING) -> LLMComparisonResultV1:
    path = GOLDEN / f"LLMComparisonResultV1{kind}.json"
    data = json.loads(path.read_text(encoding="utf-8"))["data"]
    return LLMComparisonResultV1.model_validate({**data, **changes})


def request(**fields: JsonValue) -> dict[str, JsonValue]:
    return {"user_prompt": "Which is better?", "correlation_id": str(uuid4()), **fields}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("", {"winner": None, "justification": None, "confidence": None}),
        (".error", {"winner": "Essay A", "justification": "A.", "confidence": 3}),
        ("", {"justification": None}),
        ("", {"confidence": None}),
        (".error", {"justification": "A."}),
        (".error", {"confidence": 3}),
    ],
)
def test_a_result_is_a_reasoned_winner_or_an_error_never_both_or_neither(
    kind: str, changes: Mapping[str, JsonValue]
) -> None:
    with pytest.raises(ValidationError):
        result(kind, changes)


@pytest.mark.parametrize(
    "change",
    [
        {"winner": "essay a"},
        {"winner": "tie"},
        {"confidence": 0.5},
        {"confidence": 6},
        {"confidence": "4"},
        {"justification": "x" * 501},
        {"cost_estimate": -0.01},
        {"response_time_ms": -1},
    ],
)
def test_a_result_outside_its_limits_is_refused(change: Mapping[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        result(changes=change)


@pytest.mark.parametrize("metadata", [{}, {"prompt_sha256": "F" * 64}, {"bos_batch_id": "c"}])
def test_another_services_result_is_read_and_says_that_it_is_not_ours(metadata: dict[str, JsonValue]) -> None:
    read = result("", {"request_metadata": metadata})

    with pytest.raises(InvalidRequest):
        read.provenance()


@pytest.mark.parametrize("error", [None, "its own"])
def test_a_winner_that_says_error_is_an_error_and_never_a_vote(error: str | None) -> None:
    own = result(".error").error_detail
    detail = None if error is None or own is None else own.model_dump(mode="json")

    read = result("", {"winner": "Error", "error_detail": detail})

    assert (read.winner, read.justification, read.confidence) == (None, None, None)
    assert read.error_detail is not None
    assert read.error_detail == own if error else read.error_detail.error_code == "LLM_PROVIDER_SERVICE_ERROR"


@pytest.mark.parametrize("kind", ["", ".error"])
def test_a_result_says_which_essays_and_batch_it_is_about(kind: str) -> None:
    provenance = result(kind).provenance()

    assert isinstance(provenance, JudgementProvenance)
    assert provenance.bos_batch_id == "batch-eng5-7b"


def test_a_result_that_does_not_name_its_essays_says_so() -> None:
    stray = result(
        changes={"request_metadata": {"prompt_sha256": "0" * 64, "essay_a_id": "a", "bos_batch_id": "b"}}
    )

    with pytest.raises(InvalidRequest, match="essay_b_id"):
        stray.provenance()


def test_zero_is_a_temperature_and_null_is_the_default() -> None:
    zero = LLMConfigOverrides.model_validate_json('{"temperature_override": 0.0}')
    unset = LLMConfigOverrides.model_validate_json('{"temperature_override": null}')

    assert zero.temperature_override == 0.0
    assert unset.temperature_override is None


@pytest.mark.parametrize(
    "override",
    [
        {"temperature_override": 2.1},
        {"temperature_override": -0.1},
        {"max_tokens_override": 0},
        {"model_override": ""},
        {"reasoning_effort": "extreme"},
        {"output_verbosity": "none"},
    ],
)
def test_an_override_outside_its_limits_is_refused(override: Mapping[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        LLMConfigOverrides.model_validate(override)


def test_a_provider_in_capitals_is_that_provider() -> None:
    assert LLMConfigOverrides(provider_override="ANTHROPIC").provider_override == "anthropic"


def test_a_request_without_a_place_for_its_result_is_refused() -> None:
    homeless = ComparisonRequest.model_validate(request())

    with pytest.raises(CallbackMissing):
        homeless.require_callback(CALLBACK_TOPICS)


@pytest.mark.parametrize("topic", ["", "somebody.elses.topic", Topic.LLM_COST_ALERT.value])
def test_a_result_goes_to_no_topic_that_is_not_allowed(topic: str) -> None:
    astray = ComparisonRequest.model_validate(request(callback_topic=topic, callback_url="https://a.example"))

    with pytest.raises(InvalidCallback, match=Topic.LLM_COMPARISON_RESULT):
        astray.require_callback(CALLBACK_TOPICS)


@pytest.mark.parametrize(
    "callback",
    [{"callback_topic": Topic.LLM_COMPARISON_RESULT.value}, {"callback_url": "https://a.example/callback"}],
)
def test_a_topic_or_an_address_is_place_enough(callback: dict[str, JsonValue]) -> None:
    ComparisonRequest.model_validate(request(**callback)).require_callback(CALLBACK_TOPICS)


@pytest.mark.parametrize("count", [0, MAX_COMPARISONS_PER_SUBMISSION + 1])
def test_one_call_brings_between_one_and_five_hundred_comparisons(count: int) -> None:
    items = cast(JsonValue, [request()] * count)

    with pytest.raises(ValidationError):
        ComparisonBatchRequest.model_validate({"comparisons": items})


def test_an_item_is_answered_with_acceptance_or_error() -> None:
    with pytest.raises(ValidationError):
        ComparisonItemAnswer()


def test_a_caller_that_knows_nothing_of_queues_gets_the_usual_treatment() -> None:
    asked = ComparisonRequest.model_validate(request())

    assert (asked.priority, asked.latency, asked.on_batch_expiry) == (0, Latency.LIVE, BatchExpiry.RETRY_LIVE)
    assert (asked.not_before, asked.expires_at, asked.max_cost_usd) == (None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"priority": 10},
        {"priority": -1},
        {"priority": "1"},
        {"latency": "whenever"},
        {"on_batch_expiry": "forget"},
        {"not_before": "2026-03-01T08:00:00"},
    ],
)
def test_how_a_comparison_is_queued_is_not_guessed_at(change: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        ComparisonRequest.model_validate(request(**change))
