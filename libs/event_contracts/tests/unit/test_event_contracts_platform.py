"""The contract test pack: every row of `contract_facts` and `contract_bodies` holds, in both directions.

Messages that are read start from the golden files, which are written as the platform writes them.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, cast

import event_contracts
import pytest
from event_contracts import (
    ALL_TOPICS,
    GRADE_SCALES,
    BatchStatus,
    ConfidenceLabel,
    ContentType,
    ContextOrigin,
    CostAlertType,
    CourseCode,
    DeadLetterHeader,
    EnvelopeHints,
    ErrorCode,
    EventEnvelope,
    EventName,
    InvalidRequest,
    LLMComparisonResultV1,
    LLMProvider,
    MalformedEvent,
    OutputVerbosity,
    PhaseName,
    ProcessingStage,
    ProviderFailureType,
    ReasoningEffort,
    SourceService,
    WireModel,
    course_language,
    dead_letter_topic,
    letter_grade,
    parse_envelope,
)
from event_contracts.tests import contract_bodies as bodies
from event_contracts.tests import contract_facts as facts
from pydantic import ValidationError

GOLDEN: Final = Path(__file__).parent / "golden"
EVENTS: Final = {spec.event.__name__: spec.event for spec in ALL_TOPICS}
VOCABULARIES: Final[dict[str, type[StrEnum]]] = {
    "Batch status": BatchStatus,
    "processing_stage": ProcessingStage,
    "ContentType": ContentType,
    "Course codes": CourseCode,
    "Providers": LLMProvider,
    "Phase names": PhaseName,
    "failure_type": ProviderFailureType,
    "alert_type": CostAlertType,
    "confidence_label": ConfidenceLabel,
    "reasoning_effort": ReasoningEffort,
    "output_verbosity": OutputVerbosity,
    "context_origin": ContextOrigin,
}


def golden(event: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads((GOLDEN / f"{event}.json").read_text("utf-8")))


def read(message: dict[str, Any], event: str) -> EventEnvelope[WireModel]:
    return parse_envelope(json.dumps(message).encode(), EVENTS[event])


def written(envelope: EventEnvelope[WireModel]) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(envelope.to_json()))


def at(message: Any, place: str) -> Any:
    for step in place.split(".") if place else ():
        message = message[int(step)] if isinstance(message, list) else message[step]
    return message


def changed(message: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    outer, _, name = place.rpartition(".")
    target = at(message, outer)
    if value is facts.ABSENT:
        del target[name]
    else:
        target[name] = value
    return message


def payload(name: str) -> type[WireModel]:
    return cast(type[WireModel], getattr(event_contracts, name))


def test_the_topics_are_those_of_the_contract() -> None:
    ours = tuple(
        (spec.event.__name__, str(spec.topic), " ".join(spec.producers), " ".join(spec.consumers))
        for spec in ALL_TOPICS
    )

    assert ours == facts.TOPICS


def test_dead_letters_are_named_and_labelled_as_the_contract_says() -> None:
    assert dead_letter_topic("some.topic.v1") == f"some.topic.v1{facts.DEAD_LETTER_SUFFIX}"
    assert [str(header) for header in DeadLetterHeader] == facts.DEAD_LETTER_HEADERS.split()


@pytest.mark.parametrize("name", facts.VOCABULARIES)
def test_a_vocabulary_has_the_contracts_words_and_no_others(name: str) -> None:
    assert sorted(VOCABULARIES[name]) == sorted(facts.VOCABULARIES[name].split())


def test_error_codes_are_those_in_use() -> None:
    assert set(ErrorCode) >= set(facts.ERROR_CODES.split())


def test_the_suites_own_parts_have_their_names() -> None:
    assert {str(name) for name in SourceService} == set(facts.SOURCE_SERVICES.split())


@pytest.mark.parametrize(("course", "language"), facts.LANGUAGES.items())
def test_a_course_has_its_language(course: str, language: str) -> None:
    assert course_language(CourseCode(course)) == language


@pytest.mark.parametrize(("event", "name"), facts.EVENT_NAMES.items())
def test_an_event_has_its_short_name(event: str, name: str) -> None:
    assert name in set(EventName)
    assert golden(event)["data"]["event_name"] == name


def test_grade_scales_are_those_of_the_contract() -> None:
    ours = tuple((s.id, " ".join(s.grades), s.below_lowest, s.priors) for s in GRADE_SCALES.values())

    assert ours == facts.GRADE_SCALES


@pytest.mark.parametrize(("scale", "anchor_id", "grade"), facts.ANCHOR_IDS)
def test_an_anchor_id_names_its_grade(scale: str, anchor_id: str, grade: str) -> None:
    assert GRADE_SCALES[scale].grade_of_anchor_id(anchor_id) == grade


@pytest.mark.parametrize(("grade", "letter"), facts.LETTER_GRADES)
def test_a_letter_grade_is_one_that_the_aggregator_takes(grade: str | None, letter: str) -> None:
    assert letter_grade(grade) == letter


@pytest.mark.parametrize(("event", "fields"), facts.FIELDS.items())
def test_an_event_is_written_with_all_its_fields(event: str, fields: str) -> None:
    message = written(read(golden(event), event))

    assert list(message) == facts.ENVELOPE.split()
    assert set(message["data"]) >= set(fields.split())


@pytest.mark.parametrize(("event", "place", "fields"), facts.PARTS)
def test_a_part_of_an_event_is_written_with_all_its_fields(event: str, place: str, fields: str) -> None:
    message = written(read(golden(event), event))

    assert set(at(message["data"], place)) >= set(fields.split())


@pytest.mark.parametrize("event", EVENTS)
def test_a_message_carries_the_contracts_headers(event: str) -> None:
    envelope = read(golden(event), event)

    headers = dict(envelope.headers())

    traced = {"traceparent"} if (envelope.metadata or {}).get("traceparent") else set()
    assert set(headers) == set(facts.HEADERS.split()) | traced
    assert headers["event_id"].decode() == str(envelope.event_id)
    assert headers["event_type"].decode() == envelope.event_type
    assert headers["correlation_id"].decode() == str(envelope.correlation_id)
    assert headers["source_service"].decode() == envelope.source_service
    assert headers["schema_version"] == b"1"
    assert headers["occurred_at"].decode() == envelope.event_timestamp.isoformat()
    assert headers["content_type"] == b"application/json"


@pytest.mark.parametrize("event", EVENTS)
def test_what_is_written_names_its_topic(event: str) -> None:
    data = read(golden(event), event).data

    wrapped = EventEnvelope.wrap(data, source_service="s", correlation_id=read(golden(event), event).event_id)

    assert wrapped.event_type == {row[0]: row[1] for row in facts.TOPICS}[event]


@pytest.mark.parametrize(("event", "place", "value", "expected"), facts.READ)
def test_events_that_peers_write_are_read(event: str, place: str, value: Any, expected: Any) -> None:
    envelope = read(changed(golden(event), place, value), event)

    assert at(written(envelope), place) == (value if expected is facts.ABSENT else expected)


@pytest.mark.parametrize(("event", "place", "value"), facts.NOT_READ)
def test_what_the_contract_does_not_allow_is_refused_and_named(event: str, place: str, value: Any) -> None:
    with pytest.raises(MalformedEvent) as refused:
        read(changed(golden(event), place, value), event)

    assert refused.value.reasons


@pytest.mark.parametrize(("name", "value", "wrong"), facts.HINTS)
def test_hints_are_read_from_the_metadata(name: str, value: Any, wrong: Any) -> None:
    assert EnvelopeHints.of({name: value}).model_dump(mode="json")[name] == value
    with pytest.raises(InvalidRequest):
        EnvelopeHints.of({name: wrong})


def test_an_older_peers_error_is_an_error_and_never_a_vote() -> None:
    message = golden("LLMComparisonResultV1")
    message["data"] |= {"winner": "Error", "justification": "it broke", "confidence": 3}

    result = read(message, "LLMComparisonResultV1").data

    assert isinstance(result, LLMComparisonResultV1)
    assert result.winner is None
    assert result.error_detail is not None


@pytest.mark.parametrize("name", facts.PROVENANCE.split())
@pytest.mark.parametrize("event", ["LLMComparisonResultV1", "LLMComparisonResultV1.error"])
def test_success_and_error_both_say_whose_comparison_it_was(event: str, name: str) -> None:
    message = json.loads((GOLDEN / f"{event}.json").read_text("utf-8"))
    result = read(message, "LLMComparisonResultV1").data
    assert isinstance(result, LLMComparisonResultV1)

    assert getattr(result.provenance(), name) == result.request_metadata[name]


@pytest.mark.parametrize(("name", "body", "expected"), bodies.READ)
def test_a_body_that_peers_send_is_read(name: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    model = payload(name).model_validate_json(json.dumps(body | {"added_by_a_later_version": 1}))

    assert model.model_dump(mode="json").items() >= expected.items()


@pytest.mark.parametrize(("name", "body", "field"), bodies.NOT_READ)
def test_a_body_that_is_wrong_is_refused_and_its_field_named(
    name: str, body: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        payload(name).model_validate_json(json.dumps(body))

    places = [".".join(map(str, error["loc"])) for error in refused.value.errors()]
    assert any(place.startswith(field) for place in places)


@pytest.mark.parametrize(("name", "fields"), bodies.ANSWERS)
def test_an_answer_has_the_fields_that_its_reader_finds(name: str, fields: str) -> None:
    assert set(payload(name).model_fields) >= set(fields.split())
