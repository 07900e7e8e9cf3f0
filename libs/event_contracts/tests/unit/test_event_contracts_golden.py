"""Every event as the platform writes it: read, written back, read tolerantly, refused when incomplete."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import cast

import pytest
from event_contracts import ALL_TOPICS, EventEnvelope, MalformedEvent, WireModel, parse_envelope
from pydantic import BaseModel, JsonValue

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
EVENTS = {spec.event.__name__: spec.event for spec in ALL_TOPICS}
ADDED = "added_by_a_later_version"
OVERRIDES = "model provider temperature max_tokens system_prompt judge_rubric"
MAY_BE_ABSENT = {
    "EventEnvelope": "schema_version data_schema_uri metadata",
    "SystemProcessingMetadata": "entity_id entity_type parent_id processing_stage started_at completed_at event"
    " error_info",
    "EssayProcessingInputRefV1": "spellcheck_metrics",
    "StoredText": "path",
    "ErrorDetail": "details stack_trace trace_id span_id",
    "LLMConfigOverrides": "reasoning_effort output_verbosity "
    + " ".join(f"{name}_override" for name in OVERRIDES.split()),
    "ELS_CJAssessmentRequestV1": "entity_type parent_id student_prompt_ref llm_config_overrides assignment_id org_id",
    "CJAssessmentCompletedV1": "entity_type parent_id",
    "CJAssessmentFailedV1": "entity_type parent_id",
    "ProcessingSummary": "successful_essay_ids failed_essay_ids single_essay_batch",
    "ReliabilitySummary": "eb ssr ssr_prime split_half is_inflated tau gates target",
    "PositionEffect": "b se p_first_if_equal comparisons",
    "GateView": "value",
    "AssessmentMetadata": "assignment_id grade_projection_summary",
    "AssessmentResultV1": "entity_type result_ref parent_id assignment_id assessment_method model_version",
    "EssayResultV1": "grade is_anchor feedback_uri metrics_uri display_name",
    "GradeProjectionSummary": "primary_grades confidence_labels confidence_scores grade_probabilities"
    " calibration_info bt_stats",
    "ResourceConsumptionV1": "entity_type parent_id org_id resource_type",
    "LLMComparisonResultV1": "winner justification confidence margin log_odds_a error_detail trace_id"
    " request_metadata",
    "LogOdds": "temperature",
    "LLMRequestStartedV1": "request_type user_id metadata",
    "LLMRequestCompletedV1": "request_type user_id metadata error_message token_usage cost_estimate",
    "LLMProviderFailureV1": "circuit_breaker_opened metadata",
    "LLMCostAlertV1": "metadata",
    "LLMCostTrackingV1": "request_type user_id organization_id metadata",
    "SpellcheckPhaseCompletedV1": "corrected_text_storage_id error_code",
    "PhaseSkippedV1": "event skip_reason storage_id",
}
"""The contract's optional fields, written by hand: a field that becomes optional by mistake is noticed."""

Place = tuple[str | int, ...]
Json = dict[str, JsonValue]


def load(path: Path) -> Json:
    return cast(Json, json.loads(path.read_text(encoding="utf-8")))


def parse(message: Json, path: Path) -> EventEnvelope[WireModel]:
    return parse_envelope(json.dumps(message).encode(), EVENTS[path.name.partition(".")[0]])


def places_of_models(value: object, here: Place = ()) -> Iterator[tuple[Place, type[BaseModel]]]:
    if isinstance(value, BaseModel):
        yield here, type(value)
        for name in type(value).model_fields:
            yield from places_of_models(getattr(value, name), (*here, name))
    elif isinstance(value, tuple | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_of_models(item, (*here, key))


def object_at(message: Json, place: Place) -> Json:
    found: JsonValue = message
    for step in place:
        found = found[step]  # type: ignore[index]  # the place is one of this very message
    return cast(Json, found)


def without_added(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: without_added(item) for key, item in value.items() if key != ADDED}
    return [without_added(item) for item in value] if isinstance(value, list) else value


def required_fields() -> Iterator[object]:
    for path in GOLDEN:
        for place, model in places_of_models(parse(load(path), path)):
            optional = MAY_BE_ABSENT.get(model.__name__.partition("[")[0], "").split()
            for name in sorted(set(model.model_fields).difference(optional)):
                yield pytest.param(path, place, name, id=".".join(map(str, (path.stem, *place, name))))


def test_every_event_has_a_golden_file() -> None:
    described = {path.name.partition(".")[0] for path in GOLDEN}

    assert described == set(EVENTS)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_event_is_written_as_it_was_read(path: Path) -> None:
    message = load(path)

    written = json.loads(parse(message, path).to_json())

    assert written == message


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_fields_that_nobody_here_knows_are_ignored_at_every_level(path: Path) -> None:
    message = load(path)
    later = deepcopy(message)
    for place, _ in places_of_models(parse(message, path)):
        object_at(later, place)[ADDED] = {"deeper": [1, None]}

    written = json.loads(parse(later, path).to_json())

    assert without_added(written) == message


@pytest.mark.parametrize(("path", "place", "name"), list(required_fields()))
def test_an_event_without_a_required_field_is_refused_and_the_field_named(
    path: Path, place: Place, name: str
) -> None:
    message = load(path)
    del object_at(message, place)[name]

    with pytest.raises(MalformedEvent) as refused:
        parse(message, path)

    assert any(reason.startswith(".".join(map(str, (*place, name)))) for reason in refused.value.reasons)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_message_about_a_batch_is_keyed_by_the_batch(path: Path) -> None:
    message = load(path)

    key = parse(message, path).key

    concerns_a_batch = "batch-" in path.read_text(encoding="utf-8")
    assert key.startswith("batch-") if concerns_a_batch else key == message["correlation_id"]
