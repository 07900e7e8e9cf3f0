"""Resampling shows how far scores and ranks would move."""

import numpy as np
import pytest
from cj_measurement import InvalidArgument, bootstrap, fit
from cj_measurement.tests.builders import judged


def test_resamples_move_scores_about_as_far_as_their_errors_say() -> None:
    fitted = fit(judged(60, per_item=40, seed=1).comparisons)

    resampled = bootstrap(fitted, seed=1, resamples=100)

    ratio = resampled.standard_deviations / fitted.standard_errors
    assert 0.75 < ratio.mean() < 1.05
    assert resampled.theta.mean(axis=0) == pytest.approx(fitted.theta, abs=0.25)


def test_a_resample_is_a_fit_of_its_own() -> None:
    data = judged(30, per_item=12, bias=(0.4,), seed=2).comparisons
    fitted = fit(data)

    (first, _) = bootstrap(fitted, seed=9, resamples=2).theta

    drawn = np.random.default_rng(9).integers(0, len(data), len(data))
    alone = fit(data.where(drawn), tau=fitted.tau, allow_disconnected=True)
    assert first == pytest.approx(alone.theta, abs=1e-2)


def test_judges_are_drawn_where_there_are_ten() -> None:
    many = fit(judged(30, per_item=40, bias=(0.0,) * 10, seed=1).comparisons)
    few = fit(judged(30, per_item=40, bias=(0.0,) * 9, seed=1).comparisons)

    assert bootstrap(many, seed=1, resamples=2).unit == "judges"
    assert bootstrap(few, seed=1, resamples=2).unit == "comparisons"
    assert bootstrap(few, seed=1, resamples=2, unit="judges").unit == "judges"


def test_ranks_lie_within_their_intervals() -> None:
    fitted = fit(judged(20, per_item=20, seed=3).comparisons)
    ranks = (-fitted.theta).argsort().argsort() + 1

    intervals = bootstrap(fitted, seed=1, resamples=100).rank_intervals()

    assert intervals.shape == (20, 2)
    assert np.all((intervals[:, 0] >= 1) & (intervals[:, 1] <= 20))
    assert np.mean((intervals[:, 0] <= ranks) & (ranks <= intervals[:, 1])) > 0.85


def test_the_same_seed_draws_the_same_resamples() -> None:
    fitted = fit(judged(20, seed=3).comparisons)

    first, second = (bootstrap(fitted, seed=1, resamples=5).theta for _ in range(2))

    assert first.tolist() == second.tolist()


def test_one_resample_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least two"):
        bootstrap(fit(judged(20).comparisons), seed=1, resamples=1)
