"""A pipeline leads to what was asked, in an order that works, without doing anything twice."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from batch_conductor.domain.errors import DependencyCycle, UnresolvableDependency
from batch_conductor.domain.pipeline import PHASE_NEEDS, PipelineRules
from batch_conductor.tests.building import AI_FEEDBACK, CJ_ASSESSMENT, NLP, SPELLCHECK, STUDENT_MATCHING
from event_contracts import ErrorCode, PhaseName
from hypothesis import given
from hypothesis import strategies as st

RULES = PipelineRules(PHASE_NEEDS)

PHASES = st.sampled_from(PhaseName)
COMPLETED = st.frozensets(PHASES)


@st.composite
def acyclic_needs(draw: st.DrawFn) -> Mapping[PhaseName, tuple[PhaseName, ...]]:
    """Rules in which a phase needs only phases drawn before it."""
    line = draw(st.permutations(list(PhaseName)))
    return {
        phase: tuple(draw(st.lists(st.sampled_from(line[:place]), unique=True))) if place else ()
        for place, phase in enumerate(line)
    }


@pytest.mark.parametrize(
    ("requested", "phases"),
    [
        (SPELLCHECK, (SPELLCHECK,)),
        (NLP, (SPELLCHECK, NLP)),
        (CJ_ASSESSMENT, (SPELLCHECK, CJ_ASSESSMENT)),
        (AI_FEEDBACK, (SPELLCHECK, NLP, CJ_ASSESSMENT, AI_FEEDBACK)),
        (STUDENT_MATCHING, (STUDENT_MATCHING,)),
    ],
)
def test_a_fresh_batch_goes_through_everything_that_a_phase_needs(
    requested: PhaseName, phases: tuple[PhaseName, ...]
) -> None:
    assert RULES.resolve(requested, completed=frozenset()).phases == phases


def test_every_phase_of_the_contract_has_a_rule() -> None:
    assert set(PHASE_NEEDS) == set(PhaseName)


def test_what_is_completed_is_skipped_and_named() -> None:
    pipeline = RULES.resolve(AI_FEEDBACK, completed={SPELLCHECK, CJ_ASSESSMENT, STUDENT_MATCHING})

    assert pipeline.phases == (NLP, AI_FEEDBACK)
    assert pipeline.skipped == (SPELLCHECK, CJ_ASSESSMENT)


def test_nothing_is_run_for_the_sake_of_a_completed_phase() -> None:
    pipeline = RULES.resolve(CJ_ASSESSMENT, completed={CJ_ASSESSMENT})

    assert pipeline.phases == ()
    assert pipeline.skipped == (CJ_ASSESSMENT,)


@given(needs=acyclic_needs(), requested=PHASES, completed=COMPLETED)
def test_every_phase_comes_after_what_it_needs(
    needs: Mapping[PhaseName, tuple[PhaseName, ...]], requested: PhaseName, completed: frozenset[PhaseName]
) -> None:
    phases = PipelineRules(needs).resolve(requested, completed=completed).phases

    for place, phase in enumerate(phases):
        assert set(needs[phase]) <= {*phases[:place], *completed}


@given(needs=acyclic_needs(), requested=PHASES, completed=COMPLETED)
def test_a_pipeline_holds_no_completed_phase_and_none_that_nobody_needs(
    needs: Mapping[PhaseName, tuple[PhaseName, ...]], requested: PhaseName, completed: frozenset[PhaseName]
) -> None:
    phases = PipelineRules(needs).resolve(requested, completed=completed).phases

    assert not completed & set(phases)
    assert {need for phase in phases for need in needs[phase]} | {requested} >= set(phases)
    assert len(set(phases)) == len(phases)


@given(needs=acyclic_needs(), requested=PHASES, completed=COMPLETED)
def test_every_completed_phase_on_the_way_is_skipped(
    needs: Mapping[PhaseName, tuple[PhaseName, ...]], requested: PhaseName, completed: frozenset[PhaseName]
) -> None:
    rules = PipelineRules(needs)

    skipped = rules.resolve(requested, completed=completed).skipped

    assert set(skipped) == completed & set(rules.resolve(requested, completed=frozenset()).phases)


@given(needs=acyclic_needs(), requested=PHASES, completed=COMPLETED)
def test_asked_again_after_each_phase_the_rest_of_the_pipeline_is_left(
    needs: Mapping[PhaseName, tuple[PhaseName, ...]], requested: PhaseName, completed: frozenset[PhaseName]
) -> None:
    rules = PipelineRules(needs)
    phases = rules.resolve(requested, completed=completed).phases

    left = [
        rules.resolve(requested, completed=completed.union(phases[:done])).phases
        for done in range(len(phases) + 1)
    ]

    assert left == [phases[done:] for done in range(len(phases) + 1)]


@given(needs=acyclic_needs(), circle=st.lists(PHASES, min_size=1, unique=True))
def test_phases_that_need_each_other_in_a_circle_are_refused(
    needs: Mapping[PhaseName, tuple[PhaseName, ...]], circle: list[PhaseName]
) -> None:
    closed = {**needs, **{phase: (*needs[phase], circle[i - 1]) for i, phase in enumerate(circle)}}

    with pytest.raises(DependencyCycle) as refused:
        PipelineRules(closed)

    named = refused.value.details["cycle"]
    assert isinstance(named, list)
    assert named[0] == named[-1]
    assert all(PhaseName(need) in closed[PhaseName(phase)] for need, phase in pairwise(map(str, named)))
    assert refused.value.code == ErrorCode.BCS_PIPELINE_DEPENDENCY_CYCLE_DETECTED


def test_a_need_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(UnresolvableDependency, match="nlp needs spellcheck, which has no rule") as refused:
        PipelineRules({NLP: (SPELLCHECK,)})

    assert refused.value.code == ErrorCode.BCS_PIPELINE_DEPENDENCY_RESOLUTION_FAILED


def test_a_phase_without_a_rule_is_refused_by_name() -> None:
    rules = PipelineRules({SPELLCHECK: ()})

    with pytest.raises(UnresolvableDependency, match="no rule says what phase nlp needs"):
        rules.resolve(NLP, completed=frozenset())
