"""A plan answers its caller and tells others what is left out, under one correlation id."""

from uuid import UUID

import pytest
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.domain.phases import BatchRecord, PhaseRecord
from batch_conductor.domain.plan import Plan, event_correlation_id, make_plan, skipped_event
from batch_conductor.settings import PIPELINES
from batch_conductor.tests.building import CJ_ASSESSMENT, CORRELATION, MORNING, NLP, SPELLCHECK
from event_contracts import JsonObject, PhaseName, PhaseSkippedV1, PipelineRequest, parse_envelope
from hypothesis import given
from hypothesis import strategies as st

RULES = load_pipelines(PIPELINES)


def plan_of(
    requested: str = "cj_assessment",
    *,
    completed: frozenset[PhaseName] = frozenset({SPELLCHECK}),
    failed: tuple[str, ...] = (),
    metadata: JsonObject | None = None,
    correlation_id: str = str(CORRELATION),
) -> Plan:
    request = PipelineRequest(
        batch_id="batch-1",
        requested_pipeline=requested,
        correlation_id=correlation_id,
        batch_metadata=metadata,
    )
    batch = BatchRecord(phases={phase: PhaseRecord(failed_essay_ids=failed) for phase in completed})
    pipeline = RULES.resolve(requested, completed=completed)
    return make_plan(request, pipeline, batch=batch, rules=RULES, gates=())


@pytest.fixture
def plan() -> Plan:
    return plan_of(failed=("e7",))


def test_the_answer_says_what_is_left_what_is_skipped_and_which_essays_stay_out(plan: Plan) -> None:
    answer = plan.resolution()

    assert answer.final_pipeline == (CJ_ASSESSMENT,)
    assert answer.analysis_summary == (
        "cj_assessment: to run, in this order: cj_assessment; completed already: spellcheck;"
        " essays excluded because they failed: 1"
    )
    assert answer.details is not None
    assert [phase.phase_name for phase in answer.details.phases] == [CJ_ASSESSMENT]
    assert answer.details.phases[0].depends_on == (SPELLCHECK,)
    assert [phase.phase_name for phase in answer.details.skipped_phases] == [SPELLCHECK]
    assert answer.details.excluded_essay_ids == ("e7",)


def test_nothing_left_to_do_is_an_empty_list_and_a_summary_that_says_so() -> None:
    answer = plan_of(completed=frozenset({SPELLCHECK, CJ_ASSESSMENT})).resolution()

    assert answer.final_pipeline == ()
    assert "nothing left to do" in answer.analysis_summary


def test_the_same_question_in_the_same_state_has_the_same_plan_id_and_no_other_has() -> None:
    same = {plan_of().plan_id, plan_of(correlation_id="another").plan_id}
    others = {
        plan_of("comprehensive").plan_id,
        plan_of(completed=frozenset()).plan_id,
        plan_of("comprehensive", completed=frozenset({SPELLCHECK, NLP})).plan_id,
        plan_of(failed=("e1",)).plan_id,
        plan_of(metadata={"class": "7B"}).plan_id,
    }

    assert len(same) == 1
    assert len(others | same) == 6


def test_a_skipped_phase_is_announced_as_the_contract_says(plan: Plan) -> None:
    event = skipped_event(plan, SPELLCHECK, now=MORNING)

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
