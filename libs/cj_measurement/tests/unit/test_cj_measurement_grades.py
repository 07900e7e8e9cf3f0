"""Grades: monotone, through the anchors, with the errors of both, and refused where the input makes no sense."""

import numpy as np
import pytest
from cj_measurement import (
    Anchor,
    ConfidenceLabel,
    GradeProjection,
    InvalidArgument,
    NoProjection,
    ScaleShape,
    confidence_label,
    project_grades,
)
from cj_measurement.comparisons import FloatArray
from cj_measurement.tests.anchored_grades import EIGHTHS, LADDER, RUNGS, anchored_run, projected
from hypothesis import given, settings
from hypothesis import strategies as st

few_examples = settings(max_examples=40)


@few_examples
@given(
    st.lists(st.floats(-4, 4), min_size=2, max_size=15),
    st.lists(st.floats(-0.4, 0.4), min_size=5, max_size=5),
    st.booleans(),
    st.sampled_from([None, (0.1, 0.2, 0.4, 0.2, 0.1)]),
)
def test_an_abler_essay_is_never_expected_to_have_a_lower_grade(
    essays: list[float], wobble: list[float], below: bool, priors: tuple[float, ...] | None
) -> None:
    anchors = [rung + offset for rung, offset in zip(LADDER, wobble, strict=True)]
    scale = ScaleShape(5, has_below_lowest=below, priors=priors)

    projection = projected([*anchors, *essays], RUNGS, scale=scale)

    order = 5 + np.argsort(essays, kind="stable")
    at_least = np.cumsum(projection.probabilities[:, ::-1], axis=1)[:, ::-1]
    assert np.diff(at_least[order], axis=0).min(initial=0) >= -1e-9
    assert np.diff(projection.expected_grade[order]).min(initial=0) >= -1e-9
    assert np.diff(projection.boundaries).min() > 0


@few_examples
@given(st.lists(st.floats(-4, 4), min_size=1, max_size=15), st.floats(0, 5))
def test_probabilities_of_an_essays_grades_sum_to_one(essays: list[float], variance: float) -> None:
    projection = projected([*LADDER, *essays], RUNGS, variance=variance)

    assert projection.probabilities.sum(1) == pytest.approx(np.ones(5 + len(essays)))
    assert projection.probabilities.min() >= 0
    assert np.all((projection.change >= 0) & (projection.change <= 1))


def test_an_essay_as_able_as_the_anchors_of_a_grade_gets_that_grade() -> None:
    projection = projected([*LADDER, -2.1, 0.05, 1.9], RUNGS, variance=0.01)

    assert projection.most_probable[5:].tolist() == [0, 2, 4]
    assert projection.confidence[5:].min() > 0.6


def test_boundaries_of_grades_without_anchors_are_interpolated() -> None:
    projection = projected([-2.0, -1.9, 2.0, 2.1, 0.0], [(0, 0), (1, 0), (2, 4), (3, 4)])

    assert projection.boundaries == pytest.approx([-1.5, -0.5, 0.5, 1.5], abs=0.15)
    assert projection.most_probable[4] == 2


def test_grades_keep_their_order_where_their_anchors_do_not() -> None:
    theta = np.repeat([-3.0, 2.0, 0.0, -2.0, 3.0], 40)
    anchors = [(item, item // 40) for item in range(200)]

    projection = projected(theta, anchors)

    assert np.diff(projection.boundaries).min() > 0


def test_a_constant_added_to_all_abilities_changes_no_grade() -> None:
    here, there = (
        projected([ability + shift for ability in [*LADDER, -1.4, 0.6]], RUNGS) for shift in (0.0, 7.0)
    )

    assert here.probabilities == pytest.approx(there.probabilities, abs=1e-9)
    assert here.boundaries + 7 == pytest.approx(there.boundaries)


def test_a_covariance_of_independent_errors_and_their_variances_are_the_same() -> None:
    theta = np.array([*LADDER, -0.3, 0.8])
    variances = np.linspace(0.1, 0.4, 7)
    anchors = [Anchor(*rung) for rung in RUNGS]

    alone, joint = (
        project_grades(theta=theta, covariance=given, anchors=anchors, scale=ScaleShape(5), seed=3, tau=2.0)
        for given in (variances, np.diag(variances))
    )

    assert isinstance(alone, GradeProjection)
    assert isinstance(joint, GradeProjection)
    assert alone.probabilities == pytest.approx(joint.probabilities)


def test_anchors_are_freed_of_the_prior_of_the_fit() -> None:
    run = anchored_run(1.5, 6, seed=4)
    c, tau = run.fit.covariance, run.fit.tau
    anchors = run.anchors(EIGHTHS)
    items = [anchor.item for anchor in anchors]
    precision = np.linalg.inv(c)
    freed = precision.copy()
    freed[items, items] -= tau**-2
    covariance = np.linalg.inv(freed)
    by_hand = project_grades(
        theta=covariance @ precision @ run.fit.theta,
        covariance=covariance,
        anchors=anchors,
        scale=ScaleShape(8),
        seed=5,
    )

    projection = project_grades(
        theta=run.fit.theta, covariance=c, anchors=anchors, scale=ScaleShape(8), seed=5, tau=tau
    )

    assert isinstance(by_hand, GradeProjection)
    assert isinstance(projection, GradeProjection)
    assert projection.probabilities == pytest.approx(by_hand.probabilities, abs=1e-4)


def test_uncertain_abilities_make_uncertain_grades() -> None:
    certain, uncertain = (projected([*LADDER, 0.0], RUNGS, variance=variance) for variance in (0.01, 2.0))

    assert certain.confidence[5] > uncertain.confidence[5] + 0.2
    assert certain.change[5] < uncertain.change[5]


def test_more_judging_does_not_settle_what_the_anchors_leave_open() -> None:
    projection = projected([*LADDER, 0.4], RUNGS, variance=1e-6)

    assert projection.change[5] == pytest.approx(0, abs=1e-6)
    assert projection.confidence[5] < 0.9


def test_expected_shares_fill_in_for_grades_without_anchors() -> None:
    essays = np.random.default_rng(0).normal(0, 1, 200)
    theta = [-1.0, 1.0, *essays]

    few_at_the_top, many_at_the_top = (
        projected(theta, [(0, 1), (1, 3)], scale=ScaleShape(5, priors=priors))
        for priors in ((0.1, 0.4, 0.3, 0.15, 0.05), (0.05, 0.1, 0.2, 0.3, 0.35))
    )

    assert few_at_the_top.boundaries[-1] > many_at_the_top.boundaries[-1]


def test_only_a_scale_that_has_it_gives_the_grade_below_the_lowest() -> None:
    theta = [*LADDER, -5.0]

    with_it = projected(theta, RUNGS, scale=ScaleShape(5, has_below_lowest=True))
    without = projected(theta, RUNGS)

    assert with_it.most_probable[5] == -1
    assert with_it.expected_grade[5] == pytest.approx(-1, abs=0.05)
    assert with_it.probabilities.shape == (6, 6)
    assert without.most_probable[5] == 0


def test_the_same_seed_gives_the_same_grades() -> None:
    once, again = (projected([*LADDER, 0.4], RUNGS) for _ in range(2))

    assert np.array_equal(once.probabilities, again.probabilities)


@pytest.mark.parametrize(
    ("anchors", "reason"),
    [
        ([], "no anchors"),
        ([(0, 2), (1, 2)], "one grade"),
        ([(0, 3), (1, 1), (2, 0)], "Kendall tau -1.00"),
    ],
)
def test_without_anchors_that_make_sense_there_are_no_grades_but_a_reason(
    anchors: list[tuple[int, int]], reason: str
) -> None:
    projection = project_grades(
        theta=np.array(LADDER),
        covariance=np.full(5, 0.1),
        anchors=[Anchor(item, grade) for item, grade in anchors],
        scale=ScaleShape(5),
        seed=0,
    )

    assert isinstance(projection, NoProjection)
    assert reason in projection.reason


@pytest.mark.parametrize(
    ("anchors", "message"),
    [([(0, 0), (0, 1)], "another one"), ([(0, 0), (9, 1)], "items 0 to 4"), ([(0, 0), (1, 5)], "0 to 4")],
)
def test_invalid_anchors_are_rejected(anchors: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        projected(LADDER, anchors)


@pytest.mark.parametrize("covariance", [np.zeros((5, 4)), np.full(5, np.nan), np.zeros(4)])
def test_a_covariance_of_another_shape_or_without_values_is_refused(covariance: FloatArray) -> None:
    with pytest.raises(InvalidArgument, match="covariance"):
        project_grades(theta=np.array(LADDER), covariance=covariance, anchors=[], scale=ScaleShape(5), seed=0)


@pytest.mark.parametrize("priors", [(0.5, 0.5), (0.5, 0.6, -0.1), (0.5, 0.4, 0.2), (0.5, 0.5, 0.0)])
def test_invalid_expected_shares_are_refused(priors: tuple[float, ...]) -> None:
    with pytest.raises(InvalidArgument, match="priors"):
        ScaleShape(3, priors=priors)


def test_a_scale_of_one_grade_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="two grades"):
        ScaleShape(1)


@pytest.mark.parametrize(
    ("probability", "label"),
    [(1.0, "HIGH"), (0.8, "HIGH"), (0.799, "MID"), (0.6, "MID"), (0.599, "LOW"), (0.0, "LOW")],
)
def test_confidence_has_three_labels(probability: float, label: str) -> None:
    assert confidence_label(probability) == ConfidenceLabel(label)
