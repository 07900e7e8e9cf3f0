"""Every gate is open, blocked or not evaluated, on facts alone, and what a caller says is read strictly."""

from collections.abc import Collection
from decimal import Decimal

import pytest
from batch_conductor.adapters.batch_metadata import read_facts
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.domain.errors import GatesNotEvaluated, PipelineBlocked
from batch_conductor.domain.gates import BatchFacts, GateName, GateResult
from batch_conductor.domain.phases import BatchRecord, EssayCounts, PhaseRecord
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan, make_plan
from batch_conductor.settings import PIPELINES
from batch_conductor.tests.building import CJ_ASSESSMENT, NLP, SPELLCHECK
from batch_conductor.tests.facts import KnownFacts, NobodyWatches
from batch_conductor.use_cases.evaluate_gates import EvaluateGates
from event_contracts import (
    ErrorCode,
    GateVerdict,
    InvalidRequest,
    JsonObject,
    PhaseName,
    PipelineRequest,
    ProcessingStage,
)

RULES = load_pipelines(PIPELINES)
OPEN, BLOCKED, UNKNOWN = GateVerdict.OPEN, GateVerdict.BLOCKED, GateVerdict.NOT_EVALUATED
STORED, DANGLING = "sha256-1f", "sha256-gone"
PROMPT_REF: JsonObject = {"references": {"student_prompt_text": {"storage_id": STORED, "path": ""}}}
FACTS = KnownFacts(texts={STORED}, prompts={"with-prompt"}, anchors={"with-anchors"}, spent=Decimal(3))


def essays(
    *, succeeded: int = 0, failed: int = 0, reported: int | None = None, stage: str = "completed"
) -> BatchRecord:
    """Spellcheck is completed with these numbers of essays, of the ``reported`` number."""
    record = PhaseRecord(
        stage=ProcessingStage(stage), essays=reported, counts=EssayCounts(succeeded=succeeded, failed=failed)
    )
    return BatchRecord(phases={SPELLCHECK: record})


async def gates(
    requested: str,
    said: BatchFacts,
    *,
    away: Collection[str] = (),
    batch: BatchRecord | None = None,
    completed: Collection[PhaseName] = (),
) -> dict[str, GateResult]:
    known = KnownFacts(
        texts=FACTS.texts, prompts=FACTS.prompts, anchors=FACTS.anchors, spent=FACTS.spent, away=set(away)
    )
    results = await EvaluateGates(rules=RULES, facts=known, watcher=NobodyWatches())(
        RULES.resolve(requested, completed=frozenset(completed)),
        batch_id=BatchId("batch-1"),
        said=said,
        batch=batch or BatchRecord(),
    )
    return {result.gate: result for result in results}


async def plan_for(requested: str, said: BatchFacts, *, away: Collection[str] = ()) -> Plan:
    request = PipelineRequest(batch_id="batch-1", requested_pipeline=requested, correlation_id="run-1")
    return make_plan(
        request,
        RULES.resolve(requested, completed=frozenset()),
        batch=BatchRecord(),
        rules=RULES,
        gates=[*(await gates(requested, said, away=away)).values()],
    )


@pytest.mark.parametrize(
    ("said", "away", "verdict"),
    [
        (BatchFacts(prompt_attached=True), (), OPEN),
        (BatchFacts(prompt_storage_id=STORED), (), OPEN),
        (BatchFacts(prompt_attached=True, prompt_storage_id=STORED), (), OPEN),
        (BatchFacts(assignment_id="with-prompt"), (), OPEN),
        (BatchFacts(prompt_storage_id=DANGLING, assignment_id="with-prompt"), (), OPEN),
        (BatchFacts(prompt_storage_id=STORED, assignment_id="with-prompt"), ("content",), OPEN),
        (BatchFacts(), (), BLOCKED),
        (BatchFacts(prompt_attached=False), (), BLOCKED),
        (BatchFacts(prompt_attached=True, prompt_storage_id=DANGLING), (), BLOCKED),
        (BatchFacts(assignment_id="without"), (), BLOCKED),
        (BatchFacts(prompt_storage_id=DANGLING, assignment_id="without"), (), BLOCKED),
        (BatchFacts(prompt_storage_id=STORED), ("content",), UNKNOWN),
        (BatchFacts(assignment_id="with-prompt"), ("prompts",), UNKNOWN),
        (BatchFacts(prompt_storage_id=STORED, assignment_id="without"), ("content",), UNKNOWN),
        (BatchFacts(prompt_storage_id=DANGLING, assignment_id="with-prompt"), ("prompts",), UNKNOWN),
    ],
)
async def test_the_prompt_gate_follows_the_facts(
    said: BatchFacts, away: Collection[str], verdict: GateVerdict
) -> None:
    assert (await gates("cj_assessment", said, away=away))["prompt_attached"].verdict == verdict


@pytest.mark.parametrize(
    ("said", "away", "verdict"),
    [
        (BatchFacts(), (), OPEN),
        (BatchFacts(assignment_id="without"), ("anchors",), OPEN),
        (BatchFacts(grades_requested=True, assignment_id="with-anchors"), (), OPEN),
        (BatchFacts(grades_requested=True, assignment_id="without"), (), BLOCKED),
        (BatchFacts(grades_requested=True), (), BLOCKED),
        (BatchFacts(grades_requested=True, assignment_id="with-anchors"), ("anchors",), UNKNOWN),
    ],
)
async def test_the_anchors_gate_follows_the_facts(
    said: BatchFacts, away: Collection[str], verdict: GateVerdict
) -> None:
    assert (await gates("cj_assessment", said, away=away))["anchors_registered"].verdict == verdict


@pytest.mark.parametrize(
    ("said", "batch", "verdict"),
    [
        (BatchFacts(), BatchRecord(), OPEN),
        (BatchFacts(essays_ready=True, essay_count=30), BatchRecord(), OPEN),
        (BatchFacts(), essays(succeeded=1, failed=9, reported=10), OPEN),
        (BatchFacts(), essays(), OPEN),
        (BatchFacts(essays_ready=False), BatchRecord(), BLOCKED),
        (BatchFacts(essay_count=0), BatchRecord(), BLOCKED),
        (BatchFacts(), essays(failed=10, reported=10), BLOCKED),
        (BatchFacts(), essays(failed=4, reported=10), UNKNOWN),
        (BatchFacts(), essays(reported=10), UNKNOWN),
    ],
)
async def test_the_essays_gate_follows_the_facts(
    said: BatchFacts, batch: BatchRecord, verdict: GateVerdict
) -> None:
    completed = batch.phases.keys()

    found = await gates("cj_assessment", said, batch=batch, completed=completed)

    assert found["essays_ready"].verdict == verdict


@pytest.mark.parametrize(
    ("said", "away", "verdict"),
    [
        (BatchFacts(), ("costs",), OPEN),
        (BatchFacts(max_cost_usd=Decimal("3.01")), (), OPEN),
        (BatchFacts(max_cost_usd=Decimal(3)), (), BLOCKED),
        (BatchFacts(max_cost_usd=Decimal(9)), ("costs",), UNKNOWN),
    ],
)
async def test_the_budget_gate_follows_the_facts(
    said: BatchFacts, away: Collection[str], verdict: GateVerdict
) -> None:
    assert (await gates("cj_assessment", said, away=away))["budget_available"].verdict == verdict


@pytest.mark.parametrize("requested", ["nlp", "cj_assessment", "ai_feedback", "comprehensive"])
async def test_what_reads_the_task_is_blocked_without_it(requested: str) -> None:
    refusal = (await plan_for(requested, BatchFacts())).refusal()

    assert isinstance(refusal, PipelineBlocked)
    assert (refusal.code, refusal.http_status) == (ErrorCode.BCS_PIPELINE_COMPATIBILITY_FAILED, 422)
    assert refusal.details["gate"] == "prompt_attached"
    assert "no student prompt" in str(refusal.details["reason"])
    assert "student_prompt_ref" in str(refusal.details["what_to_do"])


@pytest.mark.parametrize("requested", ["spellcheck", "student_matching"])
async def test_phases_without_a_prompt_need_no_prompt(requested: str) -> None:
    assert (await plan_for(requested, BatchFacts())).refusal() is None


async def test_a_phase_that_is_not_run_again_has_no_gate() -> None:
    found = await gates("cj_assessment", BatchFacts(), completed={SPELLCHECK, CJ_ASSESSMENT})

    assert found == {}


async def test_a_caller_learns_of_all_obstacles_together_and_of_the_phases_behind_them() -> None:
    plan = await plan_for("comprehensive", BatchFacts(grades_requested=True))

    assert [gate.gate for gate in plan.blocked] == [GateName.PROMPT_ATTACHED, GateName.ANCHORS_REGISTERED]
    assert plan.blocked[0].phases == (NLP, CJ_ASSESSMENT, PhaseName.AI_FEEDBACK)


async def test_what_is_not_known_is_neither_open_nor_blocked() -> None:
    refusal = (await plan_for("nlp", BatchFacts(prompt_storage_id=STORED), away=["content"])).refusal()

    assert isinstance(refusal, GatesNotEvaluated)
    assert (refusal.http_status, refusal.retry_after) == (503, 7)


async def test_what_blocks_is_told_even_where_something_else_is_not_known() -> None:
    said = BatchFacts(max_cost_usd=Decimal(9))

    assert isinstance((await plan_for("cj_assessment", said, away=["costs"])).refusal(), PipelineBlocked)


@pytest.mark.parametrize(
    ("metadata", "facts"),
    [
        (None, BatchFacts()),
        ({"prompt_attached": None, "student_prompt_ref": None}, BatchFacts()),
        ({"prompt_attached": False}, BatchFacts(prompt_attached=False)),
        ({"prompt_attached": True}, BatchFacts(prompt_attached=True)),
        ({"student_prompt_ref": PROMPT_REF}, BatchFacts(prompt_storage_id=STORED)),
        ({"class": "7B", "prompt_source": "an unknown key says nothing"}, BatchFacts()),
        (
            {"assignment_id": "a-1", "grades_requested": True, "essay_count": 7, "max_cost_usd": 2.5},
            BatchFacts(
                assignment_id="a-1", grades_requested=True, essay_count=7, max_cost_usd=Decimal("2.5")
            ),
        ),
    ],
)
def test_facts_are_read_from_known_metadata_keys_alone(
    metadata: JsonObject | None, facts: BatchFacts
) -> None:
    assert read_facts(metadata) == facts


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"prompt_attached": "yes"}, r"batch_metadata\.prompt_attached: Input should be a valid boolean"),
        ({"prompt_attached": 1}, r"batch_metadata\.prompt_attached: Input should be a valid boolean"),
        ({"student_prompt_ref": "sha256-1f"}, r"batch_metadata\.student_prompt_ref"),
        ({"student_prompt_ref": {"references": {}}}, "no student_prompt_text reference"),
        ({"prompt_attached": False, "student_prompt_ref": PROMPT_REF}, "send one of them"),
        ({"essay_count": 5001}, r"batch_metadata\.essay_count"),
        ({"max_cost_usd": 0}, r"batch_metadata\.max_cost_usd"),
        ({"assignment_id": "a" * 101}, r"batch_metadata\.assignment_id"),
    ],
)
def test_metadata_that_is_wrong_or_contradicts_itself_is_refused(metadata: JsonObject, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        read_facts(metadata)
