"""A batch is judged only with its task, and what a caller says about it is read strictly."""

import pytest
from batch_conductor.adapters.batch_metadata import read_facts
from batch_conductor.domain.errors import PipelineBlocked
from batch_conductor.domain.gates import GATES, BatchFacts, Obstacle
from batch_conductor.domain.pipeline import PHASE_NEEDS, Pipeline, PipelineRules
from batch_conductor.domain.plan import Plan, make_plan
from event_contracts import ErrorCode, InvalidRequest, JsonObject, PhaseName, PipelineRequest

RULES = PipelineRules(PHASE_NEEDS)
WITH_PROMPT = BatchFacts(has_student_prompt=True)
WITHOUT_PROMPT = BatchFacts(has_student_prompt=False)
PROMPT_REF: JsonObject = {"references": {"student_prompt_text": {"storage_id": "sha256-1f", "path": ""}}}


def plan_for(
    requested: PhaseName, *, facts: BatchFacts, completed: frozenset[PhaseName] = frozenset()
) -> Plan:
    request = PipelineRequest(batch_id="batch-1", requested_pipeline=requested, correlation_id="run-1")
    return make_plan(request, RULES.resolve(requested, completed=completed), facts=facts, gates=GATES)


@pytest.mark.parametrize("requested", [PhaseName.CJ_ASSESSMENT, PhaseName.AI_FEEDBACK])
def test_essays_are_not_compared_without_their_task(requested: PhaseName) -> None:
    plan = plan_for(requested, facts=WITHOUT_PROMPT)

    error = plan.blocked()

    assert error.code == ErrorCode.BCS_PIPELINE_COMPATIBILITY_FAILED
    assert error.http_status == 409
    assert [obstacle.phase for obstacle in plan.obstacles] == [PhaseName.CJ_ASSESSMENT]
    assert "student_prompt_ref" in error.message


@pytest.mark.parametrize("requested", PhaseName)
def test_with_its_task_a_batch_may_go_anywhere(requested: PhaseName) -> None:
    assert plan_for(requested, facts=WITH_PROMPT).obstacles == ()


@pytest.mark.parametrize("requested", [PhaseName.SPELLCHECK, PhaseName.NLP, PhaseName.STUDENT_MATCHING])
def test_a_pipeline_that_compares_nothing_needs_no_task(requested: PhaseName) -> None:
    assert plan_for(requested, facts=WITHOUT_PROMPT).obstacles == ()


def test_a_batch_that_has_been_compared_needs_no_task_any_more() -> None:
    completed = frozenset({PhaseName.SPELLCHECK, PhaseName.CJ_ASSESSMENT})

    plan = plan_for(PhaseName.AI_FEEDBACK, facts=WITHOUT_PROMPT, completed=completed)

    assert plan.obstacles == ()


def test_a_caller_learns_of_all_obstacles_at_once() -> None:
    def closed(pipeline: Pipeline, _facts: BatchFacts) -> Obstacle:
        return Obstacle(phase=pipeline.requested, reason="the school is closed", remedy="wait for Monday")

    request = PipelineRequest(
        batch_id="batch-1", requested_pipeline=PhaseName.CJ_ASSESSMENT, correlation_id="run-1"
    )
    pipeline = RULES.resolve(PhaseName.CJ_ASSESSMENT, completed=frozenset())
    plan = make_plan(request, pipeline, facts=WITHOUT_PROMPT, gates=(*GATES, closed))

    error = plan.blocked()

    assert isinstance(error, PipelineBlocked)
    assert "student prompt" in error.message
    assert "wait for Monday" in error.message
    assert isinstance(error.details["obstacles"], list)
    assert len(error.details["obstacles"]) == 2


@pytest.mark.parametrize(
    ("metadata", "has_prompt"),
    [
        (None, False),
        ({}, False),
        ({"prompt_attached": None, "student_prompt_ref": None}, False),
        ({"prompt_attached": False}, False),
        ({"prompt_attached": True}, True),
        ({"student_prompt_ref": PROMPT_REF}, True),
        ({"prompt_attached": True, "student_prompt_ref": PROMPT_REF}, True),
        ({"class": "7B", "prompt": "an unknown key says nothing"}, False),
    ],
)
def test_two_keys_tell_whether_there_is_a_student_prompt(
    metadata: JsonObject | None, has_prompt: bool
) -> None:
    assert read_facts(metadata).has_student_prompt is has_prompt


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"prompt_attached": "yes"}, r"batch_metadata\.prompt_attached: Input should be a valid boolean"),
        ({"prompt_attached": 1}, r"batch_metadata\.prompt_attached: Input should be a valid boolean"),
        ({"student_prompt_ref": "sha256-1f"}, r"batch_metadata\.student_prompt_ref"),
        ({"student_prompt_ref": {"references": {}}}, "no student_prompt_text reference"),
        ({"prompt_attached": False, "student_prompt_ref": PROMPT_REF}, "send one of them"),
    ],
)
def test_metadata_that_is_wrong_or_contradicts_itself_is_refused(metadata: JsonObject, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        read_facts(metadata)
