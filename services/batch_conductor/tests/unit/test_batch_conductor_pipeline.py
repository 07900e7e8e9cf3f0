"""A pipeline leads to what was requested, in an order that works, without doing anything twice."""

from collections.abc import Collection, Mapping
from itertools import pairwise

import pytest
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.domain.errors import DependencyCycle, UnresolvableDependency
from batch_conductor.domain.graph import closure, execution_order
from batch_conductor.domain.pipeline import PipelineName, PipelineRules, Step
from batch_conductor.settings import PIPELINES
from batch_conductor.tests.building import AI_FEEDBACK, CJ_ASSESSMENT, NLP, SPELLCHECK, STUDENT_MATCHING
from event_contracts import ErrorCode, InvalidRequest, PhaseName
from hypothesis import given
from hypothesis import strategies as st

RULES = load_pipelines(PIPELINES)

PHASES = st.sampled_from(PhaseName)
COMPLETED = st.frozensets(PHASES)
Needs = Mapping[PhaseName, tuple[PhaseName, ...]]


def rules_of(needs: Needs) -> PipelineRules:
    """A pipeline per phase, with its name."""
    steps = [
        Step(
            name=phase,
            service_name=f"{phase}_service",
            event_type=f"start.{phase}",
            event_data_model="Start",
            depends_on=tuple(needed),
        )
        for phase, needed in needs.items()
    ]
    return PipelineRules(steps, {PipelineName(phase): (phase,) for phase in needs})


@st.composite
def graphs(draw: st.DrawFn) -> Mapping[int, tuple[int, ...]]:
    """Up to 40 nodes, each of which needs some of those before it, in any order of declaration."""
    size = draw(st.integers(1, 40))
    needs = {
        node: tuple(draw(st.lists(st.integers(0, node - 1), unique=True, max_size=6))) if node else ()
        for node in range(size)
    }
    return {node: needs[node] for node in draw(st.permutations(range(size)))}


@st.composite
def acyclic_needs(draw: st.DrawFn) -> Needs:
    """Rules in which a phase needs only phases drawn before it."""
    line = draw(st.permutations(list(PhaseName)))
    return {
        phase: tuple(draw(st.lists(st.sampled_from(line[:place]), unique=True))) if place else ()
        for place, phase in enumerate(line)
    }


def everything_needed(needs: Mapping[int, Collection[int]], node: int) -> set[int]:
    """The closure by its definition, one step after the other."""
    found = {node}
    while more := {need for one in found for need in needs[one]} - found:
        found |= more
    return found


@given(needs=graphs(), data=st.data())
def test_a_plan_is_a_topological_order_of_exactly_the_missing_closure(
    needs: Mapping[int, tuple[int, ...]], data: st.DataObject
) -> None:
    requested = data.draw(st.sampled_from(sorted(needs)))
    completed = data.draw(st.frozensets(st.sampled_from(sorted(needs))))

    plan = [
        node
        for node in execution_order(needs)
        if node in closure(needs, [requested]) and node not in completed
    ]

    assert sorted(plan) == sorted(everything_needed(needs, requested) - completed)
    for place, node in enumerate(plan):
        assert set(needs[node]) <= {*plan[:place], *completed}


@given(needs=acyclic_needs(), requested=PHASES, completed=COMPLETED)
def test_the_rules_plan_exactly_the_missing_closure_in_order(
    needs: Needs, requested: PhaseName, completed: frozenset[PhaseName]
) -> None:
    pipeline = rules_of(needs).resolve(requested, completed=completed)

    assert {*pipeline.phases} == closure(needs, [requested]) - completed
    assert {*pipeline.skipped} == closure(needs, [requested]) & completed
    for place, phase in enumerate(pipeline.phases):
        assert set(needs[phase]) <= {*pipeline.phases[:place], *completed}


@given(needs=acyclic_needs(), requested=PHASES, completed=COMPLETED)
def test_asked_again_after_each_phase_the_rest_of_the_pipeline_is_left(
    needs: Needs, requested: PhaseName, completed: frozenset[PhaseName]
) -> None:
    rules = rules_of(needs)
    phases = rules.resolve(requested, completed=completed).phases

    left = [
        rules.resolve(requested, completed=completed.union(phases[:done])).phases
        for done in range(len(phases) + 1)
    ]

    assert left == [phases[done:] for done in range(len(phases) + 1)]


@pytest.mark.parametrize(
    ("requested", "phases"),
    [
        ("spellcheck", (SPELLCHECK,)),
        ("nlp", (SPELLCHECK, NLP)),
        ("cj_assessment", (SPELLCHECK, CJ_ASSESSMENT)),
        ("ai_feedback", (SPELLCHECK, NLP, AI_FEEDBACK)),
        ("comprehensive", (SPELLCHECK, NLP, CJ_ASSESSMENT, AI_FEEDBACK)),
        ("student_matching", (STUDENT_MATCHING,)),
    ],
)
def test_a_fresh_batch_goes_through_everything_that_a_pipeline_needs(
    requested: str, phases: tuple[PhaseName, ...]
) -> None:
    assert RULES.resolve(requested, completed=frozenset()).phases == phases


def test_every_phase_of_the_contract_has_a_rule_and_every_pipeline_can_be_requested() -> None:
    assert set(RULES.steps) == set(PhaseName)
    assert {*RULES.pipelines} == {*map(str, PhaseName), "comprehensive"}


def test_what_is_completed_is_skipped_and_named() -> None:
    pipeline = RULES.resolve("comprehensive", completed={SPELLCHECK, CJ_ASSESSMENT, STUDENT_MATCHING})

    assert pipeline.phases == (NLP, AI_FEEDBACK)
    assert pipeline.skipped == (SPELLCHECK, CJ_ASSESSMENT)


def test_a_pipeline_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"requested_pipeline: .*'ai_feedback', 'comprehensive'"):
        RULES.resolve("grammar", completed=frozenset())


@given(needs=acyclic_needs(), cycle=st.lists(PHASES, min_size=1, unique=True))
def test_phases_that_depend_on_each_other_in_a_cycle_are_refused(
    needs: Needs, cycle: list[PhaseName]
) -> None:
    closed = {**needs, **{phase: (*needs[phase], cycle[i - 1]) for i, phase in enumerate(cycle)}}

    with pytest.raises(DependencyCycle) as refused:
        rules_of(closed)

    named = refused.value.details["cycle"]
    assert isinstance(named, list)
    assert named[0] == named[-1]
    assert all(PhaseName(need) in closed[PhaseName(phase)] for need, phase in pairwise(map(str, named)))
    assert refused.value.code == ErrorCode.BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED


def test_a_need_without_a_rule_is_refused_by_name_and_place() -> None:
    with pytest.raises(
        UnresolvableDependency, match=r"steps\.0\.depends_on: nlp needs spellcheck, which is not a step"
    ) as refused:
        rules_of({NLP: (SPELLCHECK,)})

    assert refused.value.code == ErrorCode.BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED


def test_a_phase_in_no_pipeline_is_refused_by_name_and_place() -> None:
    steps = list(RULES.steps.values())

    with pytest.raises(UnresolvableDependency, match=r"steps\.0: student_matching is not in any pipeline"):
        PipelineRules(steps, {PipelineName("all"): (AI_FEEDBACK, CJ_ASSESSMENT)})
