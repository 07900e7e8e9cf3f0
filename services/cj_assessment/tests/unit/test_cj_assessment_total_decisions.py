"""Whatever is known of a batch, there is a decision and a result: no snapshot and no number raises an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import cj_measurement as measurement
import numpy as np
import pytest
from cj_assessment.domain.batch import Judge
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.deciding import (
    Decision,
    Evidence,
    Fail,
    Finish,
    JudgeMore,
    Snapshot,
    Spending,
    Wait,
    current_problem,
    decide,
)
from cj_assessment.domain.measuring import NoFit, NoFitReason, StartingValues
from cj_assessment.domain.results import assessment_result
from cj_assessment.tests.batch_simulation import PlayedBatch, failing, luck, sharp_judge
from cj_assessment.tests.building import NOW, asked, batch, essays, snapshot
from event_contracts import AssessmentResultV1, ComparisonState, ErrorCode, StopReason, grade_scale
from hypothesis import given, settings
from hypothesis import strategies as st

SCALE = grade_scale("eng5_np_legacy_9_step")
GRADED = essays(10, anchors={0: "A", 3: "B", 6: "C+", 9: "F+"})
CODES = [None, "", "UNKNOWN_TO_ALL", *ErrorCode]
ERRORS = [
    measurement.NotConverged,
    measurement.GraphNotConnected,
    measurement.InvalidComparisons,
    measurement.InvalidArgument,
    measurement.TooLarge,
    measurement.MeasurementError,
    np.linalg.LinAlgError,
    FloatingPointError,
    ZeroDivisionError,
]
USED = ["fit", "fit_classical", "project_grades", "plan_many", "forecast", "split_half", "swap_consistency"]

money = st.decimals(0, 100, places=4)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Anything at all: few essays or none, anchors of grades that the scale has or not, comparisons in any state."""
    count = draw(st.integers(0, 7))
    anchors = draw(st.dictionaries(st.integers(0, 6), st.sampled_from(["A", "B", "F+", "not a grade"])))
    judges = draw(st.integers(1, 3))
    place = st.integers(0, max(1, count))
    comparisons = st.builds(
        lambda a, b, state, a_won, number, code, judge: asked(
            a, b, state, a_won=a_won, number=number, error_code=code, assigned=judge
        ),
        place,
        place,
        st.sampled_from(ComparisonState),
        st.booleans(),
        st.integers(1, 4),
        st.sampled_from(CODES),
        st.integers(0, judges),
    ).filter(lambda pair: pair.slot_a != pair.slot_b)
    cap = draw(st.none() | money)
    spending = Spending(
        cost_usd=draw(money),
        reserved_usd=draw(money),
        pending_usd=draw(money),
        outstanding=draw(st.integers(0, 5)),
        answered=draw(st.integers(0, 5)),
    )
    known = snapshot(
        essays(count, anchors=anchors),
        draw(st.lists(comparisons, max_size=30)),
        scale=draw(st.sampled_from([None, SCALE])),
        judges=tuple(
            Judge(
                provider="mock", model=f"m{place}", share=1 / judges, expected_cost_usd=price, cap_usd=price
            )
            for place in range(judges)
            for price in [draw(st.none() | money)]
        ),
        spending=spending,
        max_comparisons=draw(st.none() | st.integers(1, 60)),
        max_cost_usd=cap,
        target_reliability=draw(st.floats(0.01, 0.999)),
        deadline=NOW + timedelta(seconds=draw(st.integers(-1, 100))),
        is_overdue=draw(st.booleans()),
    )
    theta = st.lists(st.floats(-1e6, 1e6), min_size=count, max_size=count).map(tuple)
    start = st.none() | st.builds(lambda t, tau: StartingValues(theta=t, tau=tau), theta, st.floats(-1, 1e6))
    return replace(known, start=draw(start))


def result_of(known: Snapshot, decision: Decision) -> AssessmentResultV1 | None:
    """The published result of a decision to finish."""
    if not isinstance(decision, Finish):
        return None
    return assessment_result(batch(known), known.essays, known, decision, now=NOW)


@settings(max_examples=60)
@given(known=snapshots())
def test_every_snapshot_has_a_decision_and_the_last_one_a_result(
    known: Snapshot,
) -> None:
    decision = decide(known)

    result = result_of(known, decision)
    problem = current_problem(known.asked, known.judges)
    assert isinstance(decision, Wait | JudgeMore | Finish | Fail)
    assert problem is None or problem.words
    if isinstance(decision, Fail):
        assert decision.message
    if isinstance(decision, JudgeMore):
        students = {essay.item for essay in known.essays if not essay.is_anchor}
        assert students
        assert decision.pairs
        assert known.limits.max_comparisons is None or len(decision.pairs) <= known.limits.max_comparisons
    if isinstance(decision, Finish) and decision.ranking is not None:
        assert result is not None
        assert {essay.essay_id for essay in result.essay_results}.isdisjoint(decision.unranked)
        assert any(not essay.is_anchor for essay in result.essay_results)


@contextmanager
def broken(name: str, error: type[Exception], after: int = 0) -> Iterator[None]:
    """The measurement library, one function of which fails from its n-th call on."""
    working: Callable[..., object] = getattr(measurement, name)
    calls = 0

    def fails(*arguments: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls > after:
            raise error("the numbers do not allow it")
        return working(*arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, name, fails)
        yield


@pytest.mark.parametrize(
    ("name", "error", "after"),
    [
        *(("fit", error, 0) for error in ERRORS),
        *((name, measurement.NotConverged, 0) for name in USED),
        *((name, np.linalg.LinAlgError, 3) for name in USED),
    ],
)
def test_a_batch_ends_whatever_the_measurement_cannot_compute(
    name: str, error: type[Exception], after: int
) -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, max_comparisons=30)

    with broken(name, error, after):
        end = played.play(looks=200)
        result = result_of(played.known(), end)

    assert isinstance(end, Finish | Fail)
    assert isinstance(end, Fail) or result is not None
    assert sum(pair.state == ComparisonState.JUDGED for pair in played.asked) <= 30


@pytest.mark.parametrize("error", [measurement.NotConverged, measurement.InvalidArgument, FloatingPointError])
def test_a_fit_that_fails_ends_the_batch_with_the_code_of_the_contract(error: type[Exception]) -> None:
    played = PlayedBatch(essays(6), sharp_judge, order=1, max_comparisons=30)

    with broken("fit", error):
        end = played.play()

    assert isinstance(end, Fail)
    assert end.reason is StopReason.FAILED
    assert end.code is ErrorCode.CJ_SCORE_CONVERGENCE_FAILED
    assert "the numbers do not allow it" in end.message


def test_a_batch_whose_next_round_cannot_be_planned_ends_and_says_why() -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, max_comparisons=60)

    with broken("plan_many", np.linalg.LinAlgError, after=2):
        end = played.play()

    assert isinstance(end, Finish)
    assert end.reason is StopReason.EXHAUSTED
    assert end.problem == "the next comparisons could not be planned: the numbers do not allow it"


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError])
def test_a_mistake_in_the_code_is_not_taken_for_degenerate_numbers(error: type[Exception]) -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, max_comparisons=60)

    with broken("plan_many", error), pytest.raises(error):
        played.play()


def test_a_fit_that_fails_from_where_the_last_one_ended_is_tried_from_nowhere() -> None:
    pairs = [asked(0, 1), asked(1, 2), asked(2, 0)]
    started = replace(snapshot(essays(3), pairs), start=StartingValues(theta=(0.0, 0.0, 0.0), tau=-1.0))

    assert not isinstance(Evidence(snapshot=started).ranking, NoFit)


@pytest.mark.parametrize("error", [measurement.MeasurementError, np.linalg.LinAlgError])
def test_where_only_the_grades_fail_the_batch_has_ranks_and_says_why_it_has_no_grades(
    error: type[Exception],
) -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, max_comparisons=40)

    with broken("project_grades", error):
        end = played.play()
        result = result_of(played.known(), end)

    assert result is not None
    assert {essay.rank for essay in result.essay_results} == set(range(1, 11))
    projections = result.assessment_metadata.grade_projections
    assert not projections.projections_available
    assert "the numbers do not allow it" in str(projections.calibration_info["reason"])


@pytest.mark.parametrize(
    ("broken_part", "statistic"), [("split_half", "split_half"), ("swap_consistency", "agreement")]
)
def test_a_statistic_that_cannot_be_computed_is_missing_with_its_reason(
    broken_part: str, statistic: str
) -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, max_comparisons=40)
    end = played.play()
    whole = result_of(played.known(), end)

    with broken(broken_part, np.linalg.LinAlgError):
        lacking = result_of(played.known(), end)

    assert whole is not None
    assert whole.assessment_metadata.notes().not_computed == {}
    assert "not_computed" not in whole.model_dump_json()
    assert lacking is not None
    assert lacking.assessment_metadata.notes().not_computed == {statistic: "the numbers do not allow it"}


def test_a_forecast_that_cannot_be_computed_is_missing_with_its_reason() -> None:
    played = PlayedBatch(GRADED, sharp_judge, order=1, scale=SCALE, max_comparisons=60)
    while not isinstance(decision := played.look(), JudgeMore) or decision.measured is None:
        played.take(decision)

    with broken("forecast", np.linalg.LinAlgError):
        lacking = played.look()

    assert decision.measured.forecast is not None
    assert isinstance(lacking, JudgeMore)
    assert lacking.measured is not None
    assert (lacking.measured.forecast, lacking.measured.forecast_error) == (
        None,
        "the numbers do not allow it",
    )


def test_an_anchor_whose_grade_the_scale_does_not_have_costs_the_grades_alone() -> None:
    odd = essays(5, anchors={0: "A", 1: "seven"})

    end = PlayedBatch(odd, sharp_judge, order=1, scale=SCALE, max_comparisons=20).play()

    assert isinstance(end, Finish)
    assert end.ranking is not None
    assert "seven" in str(end.ranking.grading.information["reason"])


def test_each_reason_for_no_fit_is_told_from_the_others() -> None:
    apart = [asked(0, 1), asked(2, 3)]

    nothing = Evidence(snapshot=snapshot(essays(4))).ranking
    disconnected = Evidence(snapshot=snapshot(essays(4), apart)).ranking
    with broken("fit", measurement.NotConverged):
        moving = Evidence(snapshot=snapshot(essays(4), apart)).ranking
    with broken("fit", measurement.TooLarge):
        degenerate = Evidence(snapshot=snapshot(essays(4), apart)).ranking

    reasons = [
        found.reason for found in (nothing, disconnected, moving, degenerate) if isinstance(found, NoFit)
    ]
    assert reasons == list(NoFitReason)


@settings(max_examples=25)
@given(
    count=st.integers(1, 9),
    anchors=st.integers(0, 6),
    refused=st.integers(0, 9),
    share=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    code=st.sampled_from([code for code in CODES if code]),
    deadline=st.sampled_from([-1, 3600]),
    order=st.integers(0, 100),
)
def test_every_course_of_a_batch_ends(
    count: int, anchors: int, refused: int, share: float, code: str, deadline: int, order: int
) -> None:
    """With refusals, failures of every kind, anchors only, one essay, and a deadline that is over."""
    everyone = essays(
        count + anchors, anchors={count + place: "ABCDE"[place % 5] for place in range(anchors)}
    )
    also_failing = failing(share, code)

    def judge(pair: Asked) -> Asked:
        if refused in (pair.slot_a, pair.slot_b) and luck(pair, "refuse") < 0.9:
            return pair._replace(state=ComparisonState.FAILED, error_code="LLM_INVALID_RESPONSE")
        return also_failing(pair)

    played = PlayedBatch(
        everyone,
        judge,
        order=order,
        scale=SCALE,
        max_comparisons=40,
        deadline=NOW + timedelta(seconds=deadline),
    )

    end = played.play(looks=300)

    assert result_of(played.known(), end) is not None or isinstance(end, Fail)
    assert len(played.asked) <= 40 + 40 // 5


def test_no_money_for_one_comparison_is_said_before_anything_is_asked() -> None:
    dear = (Judge(provider="openai", model="m", expected_cost_usd=Decimal("0.01"), cap_usd=Decimal("0.10")),)

    end = decide(snapshot(essays(3), judges=dear, max_cost_usd=Decimal("0.05")))

    assert isinstance(end, Fail)
    assert end.reason is StopReason.BUDGET_COST
    assert "raise it" in end.message
