"""The fit's errors and intervals: those of the exact posterior, covering as often as they say."""

import numpy as np
import pytest
from cj_measurement import Comparisons, fit
from cj_measurement.tests.builders import judged
from scipy.special import log_expit


def test_predictions_follow_the_judge() -> None:
    fitted = fit(judged(30, per_item=20, bias=(1.0, -1.0), seed=3).comparisons)

    neutral = fitted.probability([0, 1], [1, 0])
    biased = fitted.probability([0, 0], [1, 1], judge=[0, 1])

    assert neutral.sum() == pytest.approx(1)
    assert biased[0] > neutral[0] > biased[1]


def test_the_posterior_mean_is_that_of_the_exact_posterior() -> None:
    """Two items, one of which won thrice: the posterior of their difference is known, and leans outwards."""
    fitted = fit(Comparisons.of(2, [0, 0, 0], [1, 1, 1], [True] * 3), position_effects="none", tau=1.0)
    difference = np.linspace(-12, 12, 20_001)
    density = np.exp(3 * log_expit(difference) - difference**2 / 4)

    mode, mean = fitted.theta[0] - fitted.theta[1], fitted.posterior_mean[0] - fitted.posterior_mean[1]

    exact = (difference * density).sum() / density.sum()
    assert mode == pytest.approx(difference[density.argmax()], abs=2e-3)
    assert abs(mean - exact) < abs(mode - exact) / 4


def test_intervals_know_that_tau_is_not_known() -> None:
    data = judged(40, per_item=6, seed=2).comparisons
    searched = fit(data)
    given = fit(data, tau=searched.tau)

    widths, narrower = (np.diff(each.intervals(0.9)).ravel() for each in (searched, given))

    assert given.log_tau_error == 0
    assert 0.1 < searched.log_tau_error < 0.4
    assert given.theta == pytest.approx(searched.theta, abs=1e-7)
    assert (widths > narrower).all()


def test_the_error_of_tau_is_how_far_it_strays_from_batch_to_batch() -> None:
    fits = [fit(judged(100, per_item=8, seed=seed).comparisons) for seed in range(40)]

    strays = np.std([np.log(each.tau) for each in fits])

    assert np.mean([each.log_tau_error for each in fits]) == pytest.approx(strays, rel=0.35)


def test_an_error_that_all_abilities_share_is_not_in_their_intervals() -> None:
    fitted = fit(judged(12, per_item=20, sd=3.0, seed=1).comparisons, tau=3.0)
    n = fitted.n_items
    centring = np.eye(n) - np.ones((n, n)) / n

    half = np.diff(fitted.intervals(0.9)).ravel() / 2

    exact = np.sqrt(np.diag(centring @ fitted.covariance @ centring))
    assert half == pytest.approx(1.6449 * exact, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_items", "per_item", "sd"),
    [(30, 10, 1.5), (30, 6, 1.5), (100, 10, 1.5), (100, 10, 3.0), (100, 20, 3.0)],
)
def test_ninety_per_cent_intervals_cover_nine_times_in_ten(n_items: int, per_item: int, sd: float) -> None:
    covered = []
    for seed in range(40):
        batch = judged(n_items, per_item=per_item, sd=sd, bias=(0.3,), seed=seed)
        truth = batch.truth - batch.truth.mean()
        low, high = fit(batch.comparisons).intervals(0.9).T
        covered.append(np.mean((low < truth) & (truth < high)))

    assert 0.87 < np.mean(covered) < 0.93


@pytest.mark.slow
def test_a_position_effects_interval_covers_nine_times_in_ten() -> None:
    covered = [
        abs(bias.b - 0.4) < 1.6449 * bias.standard_error
        for seed in range(400)
        for bias in fit(judged(40, per_item=10, bias=(0.4,), seed=seed).comparisons, tau=1.5).position_bias
    ]

    assert 0.86 < np.mean(covered) < 0.94
