"""Grades of simulated batches: as good as the anchors allow, and calibrated."""

from collections.abc import Sequence

import numpy as np
import pytest
from cj_measurement import GradeProjection, ScaleShape, project_grades
from cj_measurement.comparisons import IntArray
from cj_measurement.tests.anchored_grades import EIGHTHS, AnchoredRun, anchored_run

SWEDISH = (0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05)
RUNS = 8

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
