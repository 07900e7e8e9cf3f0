"""Notes on a result travel as further keys of its metadata, and are read as they were built."""

import json

import pytest
from event_contracts import MAX_ESSAYS_PER_BATCH, AssessmentMetadata, FailedComparisons, LookAt, ResultNotes
from pydantic import ValidationError

NOTES = ResultNotes(
    failed_essays={"a": "EMPTY_CONTENT: the essay has no text"},
    look_at={"b": LookAt(signals=("role_marker",), hidden_characters=3)},
    problem="the judge is not judging",
)


def metadata(**notes: object) -> AssessmentMetadata:
    known = {
        "grade_scale": "none",
        "anchor_essays_used": 0,
        "anchor_grade_distribution": {},
        "calibration_method": None,
        "comparison_count": 0,
        "processing_duration_seconds": 1.0,
        "llm_temperature": None,
        "course_code": "ENG5",
        "reliability": {},
        "position_bias": {},
        "stop_reason": "exhausted",
        "cost_usd": 0,
        "grade_projections": {"projections_available": False},
    }
    return AssessmentMetadata.model_validate(known | notes)


def test_notes_are_read_as_they_were_built() -> None:
    sent = metadata(**NOTES.model_dump(mode="json")).model_dump_json()

    assert AssessmentMetadata.model_validate(json.loads(sent)).notes() == NOTES


def test_a_result_without_notes_says_nothing() -> None:
    assert metadata().notes() == ResultNotes()


def test_a_note_that_does_not_hold_what_it_should_is_refused() -> None:
    with pytest.raises(ValidationError):
        metadata(look_at=["b"]).notes()


def test_a_note_on_each_essay_of_the_largest_batch_is_kept() -> None:
    essays = [f"{number:0255}" for number in range(MAX_ESSAYS_PER_BATCH)]
    reasons = dict.fromkeys(essays, "EMPTY_CONTENT: " + "a reason of some length " * 20)
    notes = ResultNotes(
        failed_essays=reasons,
        unranked_essays=reasons,
        look_at=dict.fromkeys(essays, LookAt(signals=("role_marker", "fake_answer", "hidden_text"))),
        failed_comparisons=FailedComparisons(by_essay=dict.fromkeys(essays, 1)),
    )

    assert metadata(**notes.model_dump(mode="json")).notes() == notes
