"""Diagnostics: each says what it is named for, on a case that can be counted by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    InvalidArgument,
    circular_triads,
    close_calls,
    fit,
    graph_shape,
    item_fit,
    judge_fit,
    length_correlation,
    losses,
    residuals,
    swap_consistency,
)
from cj_measurement.diagnostics import close_calls as close_calls_module
from cj_measurement.diagnostics import graph
from cj_measurement.tests.builders import judged
from scipy.special import ndtr


def test_a_residual_is_the_surprise_over_its_own_spread() -> None:
    fitted = fit(judged(20, per_item=12, bias=(0.5,), seed=1).comparisons)
    data = fitted.comparisons

    z = residuals(fitted)

    chance = fitted.probability(data.slot_a, data.slot_b, data.judge)
    won = data.a_won
    assert z[won] == pytest.approx(np.sqrt((1 - chance[won]) / chance[won]))
    assert z[~won] == pytest.approx(-np.sqrt(chance[~won] / (1 - chance[~won])))


def test_mean_squares_are_those_of_the_residuals() -> None:
    fitted = fit(judged(15, per_item=12, bias=(0.2, 0.0), seed=2).comparisons)
    data, z = fitted.comparisons, residuals(fitted)

    squares = item_fit(fitted)

    mine = (data.slot_a == 3) | (data.slot_b == 3)
    chance = fitted.probability(data.slot_a, data.slot_b, data.judge)
    spread = (chance * (1 - chance))[mine]
    assert squares.outfit[3] == pytest.approx(np.mean(z[mine] ** 2))
    assert squares.infit[3] == pytest.approx(np.sum(spread * z[mine] ** 2) / spread.sum())
    assert squares.n[3] == 12
    assert judge_fit(fitted).n.sum() == len(data)


def test_a_judge_who_contradicts_all_others_is_flagged() -> None:
    sharpness = (1.0,) * 11 + (-1.0,)
    fitted = fit(judged(60, per_item=60, sd=2.0, bias=(0.0,) * 12, sharpness=sharpness, seed=3).comparisons)

    flagged = judge_fit(fitted).misfits

    assert np.flatnonzero(flagged).tolist() == [11]


def test_an_item_without_comparisons_has_no_mean_square() -> None:
    fitted = fit(Comparisons.of(4, [0, 1, 2], [1, 2, 0], [True, True, True]), allow_disconnected=True)

    squares = item_fit(fitted)

    assert math.isnan(squares.infit[3])
    assert not squares.misfits[3]


def test_the_shape_of_a_graph_is_counted() -> None:
    ring = Comparisons.of(4, [0, 1, 2, 3], [1, 2, 3, 0], [True, True, True, True])

    shape = graph_shape(ring)

    assert (shape.components, shape.win_graph_connected) == (1, True)
    assert (shape.degree_min, shape.degree_median, shape.degree_max) == (2, 2.0, 2)
    assert shape.algebraic_connectivity == pytest.approx(2.0)


def test_a_graph_in_parts_has_no_connectivity_and_one_without_upsets_no_circle_of_wins() -> None:
    parts = Comparisons.of(4, [0, 2], [1, 3], [True, True])
    ladder = Comparisons.of(3, [0, 1], [1, 2], [True, True])

    assert graph_shape(parts).components == 2
    assert graph_shape(parts).algebraic_connectivity == 0
    assert not graph_shape(ladder).win_graph_connected


def test_the_connectivity_of_a_large_graph_is_that_of_the_factorisation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = judged(300, seed=1).comparisons
    exact = graph_shape(data).algebraic_connectivity

    monkeypatch.setattr(graph, "DENSE_LIMIT", 10)

    assert graph_shape(data).algebraic_connectivity == pytest.approx(exact, rel=1e-3)


def test_triads_are_counted_once_each() -> None:
    """0 > 1 > 2 > 0 is a cycle, 0 > 1 > 3 with 0 > 3 is none; 2 against 3 is tied, and closes nothing."""
    decided = [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3), (3, 2)]
    data = Comparisons.of(4, [winner for winner, _ in decided], [loser for _, loser in decided], [True] * 7)

    triads = circular_triads(data)

    assert (triads.closed, triads.circular) == (2, 1)
    assert triads.circular_share == 0.5
    assert circular_triads(data.where([0])).circular_share is None


def test_random_decisions_make_a_quarter_of_all_triads_circular() -> None:
    pairs = np.array(list(combinations(range(40), 2)))
    coins = np.random.default_rng(1).random(len(pairs)) < 0.5

    triads = circular_triads(Comparisons.of(40, pairs[:, 0], pairs[:, 1], coins))

    assert triads.closed == math.comb(40, 3)
    assert triads.circular_share == pytest.approx(0.25, abs=0.02)


def test_swapped_pairs_are_compared_judge_by_judge() -> None:
    """Judge 0: (0,1) and (0,2) the same winner both ways, (1,2) the same slot; judge 1 never swaps."""
    data = Comparisons.of(
        3,
        [0, 1, 1, 2, 0, 2, 0],
        [1, 0, 2, 1, 2, 0, 2],
        [True, False, True, True, False, True, True],
        [0, 0, 0, 0, 0, 0, 1],
    )

    first, second = swap_consistency(data)

    assert (first.judge, first.pairs) == (0, 3)
    assert first.same_winner_share == pytest.approx(2 / 3)
    assert (second.judge, second.pairs, second.same_winner_share) == (1, 0, None)


def test_losses_that_cluster_on_an_essay_are_flagged() -> None:
    generator = np.random.default_rng(1)
    judged_pairs = np.array([generator.choice(30, 2, replace=False) for _ in range(300)])
    scattered = np.array([generator.choice(30, 2, replace=False) for _ in range(15)])
    refused = np.column_stack([np.full(12, 7), np.arange(8, 20)])

    found = losses(30, judged=judged_pairs, missing=scattered, rejected=refused)

    assert np.flatnonzero(found.clustered).tolist() == [7]
    assert found.rejected[7] == 12
    assert found.asked.sum() == 2 * (300 + 15 + 12)
    assert not losses(30, judged=judged_pairs).clustered.any()
    with pytest.raises(InvalidArgument, match="0 to 29"):
        losses(30, judged=[(0, 30)])


def test_length_correlates_by_rank() -> None:
    theta = np.array([-2.0, 0.1, 0.2, 5.0])

    assert length_correlation(theta, [10, 20, 30, 1000]) == pytest.approx(1)
    assert length_correlation(theta, [4, 3, 2, 1]) == pytest.approx(-1)
    with pytest.raises(InvalidArgument, match="never varies"):
        length_correlation(theta, [5, 5, 5, 5])
    with pytest.raises(InvalidArgument, match="4 finite lengths"):
        length_correlation(theta, [1, 2, 3])


@pytest.mark.parametrize(("limit", "highest"), [(5_000, 0.8), (10, 0.85)])
def test_groups_hold_only_pairs_that_are_too_close_to_call(
    limit: int, highest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = fit(judged(40, per_item=20, sd=2.0, seed=1).comparisons)
    theta, covariance = fitted.theta, fitted.covariance
    monkeypatch.setattr(close_calls_module, "COVARIANCE_LIMIT", limit)

    groups = close_calls(fitted)

    def above(i: int, j: int) -> float:
        spread = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
        return float(ndtr((theta[i] - theta[j]) / math.sqrt(spread)))

    assert groups
    assert len({item for group in groups for item in group}) == sum(map(len, groups))
    assert all(0.5 <= above(i, j) <= highest for group in groups for i, j in combinations(group, 2))
    ranks = (-theta).argsort().argsort()
    assert all(np.ptp(ranks[list(group)]) == len(group) - 1 for group in groups)
