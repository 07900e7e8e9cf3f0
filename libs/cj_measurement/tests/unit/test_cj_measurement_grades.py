"""Grades: as good as the anchors allow, calibrated, monotone, and never silent about what is weak."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.fitting.result import Fit
from cj_measurement.grading.grade_warnings import WarningKind
from cj_measurement.simulated_judges import SimulatedJudge
from cj_measurement.simulation import Design, Run
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

EIGHTHS = (0.125,) * 8
SWEDISH = (0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05)
ANCHORS = 12
MARKER_NOISE = 0.15
"""SD of what the markers of the anchors saw besides the truth, in standard deviations of the essays."""
RUNS = 8

few_examples = settings(max_examples=40)


@dataclass(frozen=True, eq=False)
class AnchoredRun:
    """A judged batch of 100 essays and 12 anchors."""

    fit: Fit
    truth: FloatArray
    sd: float

    def true_grades(self, shares: Sequence[float], noise: float | FloatArray = 0.0) -> IntArray:
        cuts = norm.ppf(np.cumsum(shares)[:-1]) * self.sd
        return np.searchsorted(cuts, self.truth + noise)

    def anchors(self, shares: Sequence[float]) -> list[Anchor]:
        """Scripts spread evenly over the grades, their grades given by markers who see them with some noise."""
        where = (np.arange(ANCHORS) + 0.5) / ANCHORS * len(shares)
        grade = where.astype(int)
        quantile = np.concatenate([[0], np.cumsum(shares)])[grade] + (where - grade) * np.array(shares)[grade]
        items: list[int] = []
        for ability in norm.ppf(quantile) * self.sd:
            distance = np.abs(self.truth - ability)
            distance[items] = np.inf
            items.append(int(distance.argmin()))
        noise = np.random.default_rng(len(items)).normal(0, MARKER_NOISE * self.sd, len(self.truth))
        given = self.true_grades(shares, noise)
        return [Anchor(item, int(given[item])) for item in items]

    def project(self, shares: Sequence[float], priors: tuple[float, ...] | None = None) -> GradeProjection:
        projection = project_grades(
            theta=self.fit.posterior_mean,
            covariance=self.fit.covariance,
            anchors=self.anchors(shares),
            scale=ScaleShape(len(shares), priors=priors),
            tau=self.fit.tau,
            seed=0,
        )
        assert isinstance(projection, GradeProjection)
        return projection

    def others(self, projection: GradeProjection) -> IntArray:
        return np.setdiff1d(np.arange(len(self.truth)), [anchor.item for anchor in projection.anchors])


def anchored_run(sd: float, per_essay: int, seed: int) -> AnchoredRun:
    run = Run(Design(essays=112), SimulatedJudge(sd=sd, position_bias=0.3), seed=seed)
    while run.comparisons_per_essay < per_essay:
        run.judge_round()
    fitted = run.fit()
    assert fitted is not None
    return AnchoredRun(fitted, run.truth, sd)


Conditions = dict[tuple[float, int], list[AnchoredRun]]


@pytest.fixture(scope="module")
def conditions() -> Conditions:
    """Runs by the judge's sharpness and the comparisons per essay."""
    return {
        (sd, per_essay): [anchored_run(sd, per_essay, seed) for seed in range(RUNS)]
        for sd, per_essay in ((1.5, 10), (1.5, 20), (3.0, 20))
    }


def quadratic_weighted_kappa(truth: IntArray, given: IntArray, n_grades: int) -> float:
    seen = np.zeros((n_grades, n_grades))
    np.add.at(seen, (truth, given), 1)
    weight = np.subtract.outer(np.arange(n_grades), np.arange(n_grades)) ** 2
    by_chance = np.outer(seen.sum(1), seen.sum(0)) / seen.sum()
    return float(1 - (weight * seen).sum() / (weight * by_chance).sum())


def mean_kappa(
    runs: Sequence[AnchoredRun], shares: Sequence[float], priors: tuple[float, ...] | None
) -> float:
    kappas = []
    for run in runs:
        projection = run.project(shares, priors)
        essays = run.others(projection)
        given = projection.most_probable[essays]
        kappas.append(quadratic_weighted_kappa(run.true_grades(shares)[essays], given, len(shares)))
    return float(np.mean(kappas))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sd", "per_essay", "on_eighths", "on_swedish"),
    [(1.5, 10, 0.80, 0.75), (1.5, 20, 0.88, 0.86), (3.0, 20, 0.92, 0.92)],
)
def test_grades_agree_with_the_truth_through_12_noisy_anchors(
    conditions: Conditions, sd: float, per_essay: int, on_eighths: float, on_swedish: float
) -> None:
    runs = conditions[sd, per_essay]

    assert mean_kappa(runs, EIGHTHS, EIGHTHS) >= on_eighths
    assert mean_kappa(runs, SWEDISH, SWEDISH) >= on_swedish


@pytest.mark.slow
def test_wrong_expected_shares_do_little_harm(conditions: Conditions) -> None:
    runs = conditions[1.5, 20]

    assert mean_kappa(runs, EIGHTHS, SWEDISH) > mean_kappa(runs, EIGHTHS, None) - 0.02


@pytest.mark.slow
def test_the_map_beats_the_nearest_anchor(conditions: Conditions) -> None:
    runs = conditions[1.5, 20]
    nearest = []
    for run in runs:
        anchors = run.anchors(EIGHTHS)
        items = np.array([anchor.item for anchor in anchors])
        essays = np.setdiff1d(np.arange(len(run.truth)), items)
        closest = np.abs(np.subtract.outer(run.fit.theta[essays], run.fit.theta[items])).argmin(1)
        given = np.array([anchor.grade for anchor in anchors])[closest]
        nearest.append(quadratic_weighted_kappa(run.true_grades(EIGHTHS)[essays], given, 8))

    assert mean_kappa(runs, EIGHTHS, None) > np.mean(nearest) + 0.02


@pytest.mark.slow
def test_of_essays_given_a_probability_near_80_percent_as_many_are_right(conditions: Conditions) -> None:
    right: list[bool] = []
    for runs in conditions.values():
        for run in runs:
            for shares in (EIGHTHS, SWEDISH):
                projection = run.project(shares)
                essays = run.others(projection)
                near = essays[np.abs(projection.confidence[essays] - 0.8) < 0.05]
                right += list(projection.most_probable[near] == run.true_grades(shares)[near])

    assert len(right) > 300
    assert 0.75 <= np.mean(right) <= 0.85


@pytest.mark.slow
def test_as_many_grades_change_when_all_is_known_as_was_expected(conditions: Conditions) -> None:
    expected, changed = [], []
    for runs in conditions.values():
        for run in runs:
            projection = run.project(EIGHTHS)
            essays = run.others(projection)
            final = project_grades(
                theta=run.truth,
                covariance=np.zeros(len(run.truth)),
                anchors=projection.anchors,
                scale=ScaleShape(8),
                seed=0,
            )
            assert isinstance(final, GradeProjection)
            settled = np.searchsorted(final.boundaries, run.truth[essays])
            expected.append(projection.change_share)
            changed.append(np.mean(settled != projection.most_probable[essays]))

    assert np.mean(expected) == pytest.approx(np.mean(changed), abs=0.07)


def projected(
    theta: Sequence[float] | FloatArray,
    anchors: Sequence[tuple[int, int]],
    *,
    variance: float = 0.1,
    scale: ScaleShape | None = None,
    wins: Sequence[int] | None = None,
    draws: int = 500,
) -> GradeProjection:
    projection = project_grades(
        theta=np.array(theta, np.float64),
        covariance=np.full(len(theta), variance),
        anchors=[Anchor(item, grade) for item, grade in anchors],
        scale=scale or ScaleShape(5),
        seed=1,
        wins=None if wins is None else np.array(wins),
        draws=draws,
    )
    assert isinstance(projection, GradeProjection)
    return projection


LADDER = [-2.0, -1.0, 0.0, 1.0, 2.0]
"""Abilities of five anchors, one per grade, a logit apart."""
RUNGS = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]


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


def kinds(projection: GradeProjection) -> set[WarningKind]:
    return {warning.kind for warning in projection.warnings}


def test_twelve_anchors_in_order_on_every_grade_give_no_warning() -> None:
    theta = np.repeat(np.arange(4.0), 3) + np.tile([-0.1, 0.0, 0.1], 4)
    anchors = [(item, item // 3) for item in range(12)]

    projection = projected([*theta, 1.2], anchors, scale=ScaleShape(4), wins=[1] * 13)

    assert projection.warnings == ()
    assert projection.kendall_tau > 0.8


def test_few_anchors_and_grades_without_any_are_warned_of() -> None:
    projection = projected([-1.0, 0.0, 1.0, 0.3], [(0, 0), (1, 2), (2, 3)])

    assert kinds(projection) >= {WarningKind.FEW_ANCHORS, WarningKind.GRADES_WITHOUT_ANCHORS}
    missing = next(
        warning for warning in projection.warnings if warning.kind == WarningKind.GRADES_WITHOUT_ANCHORS
    )
    assert missing.grades == (1, 4)


def test_each_pair_of_anchors_out_of_order_is_listed() -> None:
    projection = projected([-2.0, 0.2, 0.1, 1.0, -0.5], RUNGS)

    listed = {
        warning.items for warning in projection.warnings if warning.kind == WarningKind.ANCHORS_OUT_OF_ORDER
    }
    assert listed == {(1, 2), (1, 4), (2, 4), (3, 4)}
    assert projection.kendall_tau == pytest.approx(0.2)


def test_an_anchor_that_never_won_is_warned_of() -> None:
    projection = projected([*LADDER, 0.0], RUNGS, wins=[0, 3, 4, 6, 9, 2])

    listed = [warning for warning in projection.warnings if warning.kind == WarningKind.ANCHOR_WITHOUT_WINS]
    assert [warning.items for warning in listed] == [(0,)]


def test_displacement_is_how_far_an_anchor_lies_from_where_the_others_put_its_grade() -> None:
    theta = [-2.0, -1.0, 0.0, 1.0, 2.0, 1.5]

    projection = projected([*theta, 0.0], [*RUNGS, (5, 2)])

    assert projection.displacement[5] == pytest.approx(1.5, abs=0.25)
    far = [warning for warning in projection.warnings if warning.kind == WarningKind.ANCHOR_DISPLACED]
    assert [warning.items for warning in far] == [(5,)]


def test_an_anchor_off_a_straight_line_is_displaced_by_just_that_much() -> None:
    projection = projected([-2.0, -1.0, 0.7, 1.0, 2.0], RUNGS)

    assert projection.displacement[2] == pytest.approx(0.7)


def test_anchors_without_which_there_is_no_map_have_no_displacement() -> None:
    projection = projected([-1.0, 1.0, 0.9, 0.0], [(0, 0), (1, 4), (2, 4)])

    assert projection.displacement.keys() == {1, 2}


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
