"""A plan answers its caller and tells others what is left out, under one correlation id."""

from uuid import UUID

import pytest
from batch_conductor.domain.gates import GATES, BatchFacts
from batch_conductor.domain.pipeline import PHASE_NEEDS, PipelineRules
from batch_conductor.domain.plan import Plan, event_correlation_id, make_plan, skipped_event
from batch_conductor.tests.building import CORRELATION, MORNING
from event_contracts import PhaseName, PhaseSkippedV1, PipelineRequest, parse_envelope
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def plan() -> Plan:
    request = PipelineRequest(
        batch_id="batch-1", requested_pipeline=PhaseName.CJ_ASSESSMENT, correlation_id=str(CORRELATION)
    )
    pipeline = PipelineRules(PHASE_NEEDS).resolve(
        PhaseName.CJ_ASSESSMENT, completed=frozenset({PhaseName.SPELLCHECK})
    )
    return make_plan(request, pipeline, facts=BatchFacts(has_student_prompt=True), gates=GATES)


def test_the_answer_says_what_is_left_why_and_what_is_skipped(plan: Plan) -> None:
    answer = plan.resolution()

    assert answer.model_dump(mode="json") == {
        "batch_id": "batch-1",
        "final_pipeline": ["cj_assessment"],
        "analysis_summary": {
            "requested_pipeline": "cj_assessment",
            "needs": {"cj_assessment": ["spellcheck"]},
            "skipped_phases": [{"phase_name": "spellcheck", "reason": "already_completed"}],
        },
    }


def test_a_skipped_phase_is_announced_as_the_contract_says(plan: Plan) -> None:
    event = skipped_event(plan, PhaseName.SPELLCHECK, now=MORNING)

    read = parse_envelope(event.to_json(), PhaseSkippedV1)
    assert read == event
    assert read.key == "batch-1"
    assert (read.data.event, read.data.skip_reason) == ("batch.phase.skipped", "already_completed")
    assert read.correlation_id == read.data.correlation_id == CORRELATION
    assert read.event_timestamp == read.data.metadata.timestamp == MORNING


@given(st.uuids())
def test_a_uuid_stays_the_correlation_id_that_it_is(correlation_id: UUID) -> None:
    assert event_correlation_id(str(correlation_id)) == correlation_id


@given(one=st.text(min_size=1, max_size=100), other=st.text(min_size=1, max_size=100))
def test_any_other_string_is_one_uuid_and_no_two_are_the_same(one: str, other: str) -> None:
    assert event_correlation_id(one) == event_correlation_id(one)
    assert (event_correlation_id(one) == event_correlation_id(other)) == (one == other)
