"""The classical fit where published figures do not say what it does."""

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    GraphNotConnected,
    InvalidComparisons,
    NotConverged,
    fit_classical,
)
from cj_measurement.fitting import classical
from cj_measurement.fitting.classical import Decisions
from cj_measurement.fitting.classical_parts import abilities_of_parts
from cj_measurement.tests.builders import judged
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import expit


def test_abilities_are_centred_and_finite_for_items_that_win_everything() -> None:
    everything = Comparisons.of(3, [0, 0, 1, 0, 1, 2], [1, 2, 2, 1, 2, 1], [True] * 5 + [False])

    fitted = fit_classical(everything)

    assert fitted.theta.sum() == pytest.approx(0, abs=1e-12)
    assert np.isfinite(fitted.theta).all()
    assert fitted.theta.argmax() == 0


def test_a_self_comparison_counts_as_a_win_and_a_loss() -> None:
    data = judged(20, seed=1).comparisons

    with_it, without = fit_classical(data, self_comparisons=[3]), fit_classical(data)

    assert with_it.standard_errors[3] < without.standard_errors[3]


def test_parts_side_by_side_come_to_the_same_abilities_as_each_alone() -> None:
    data = judged(40, per_item=30, seed=2).comparisons
    first = np.random.default_rng(1).random(len(data)) < 0.6

    together = abilities_of_parts(data, np.array([first, ~first, np.ones(len(data), np.bool_)]))

    for abilities, part in zip(together, (data.where(first), data.where(~first), data), strict=True):
        assert abilities == pytest.approx(fit_classical(part).theta, abs=5e-3)


def test_a_part_that_settles_late_does_not_hold_up_or_change_the_others() -> None:
    """In the second part one item beat all others: there its ability runs away."""
    data = Comparisons.of(4, [0, 1, 2, 3, 0, 0, 0], [1, 2, 3, 0, 2, 1, 3], [True] * 7)
    parts = np.array([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 1, 1]], np.bool_)

    together, alone = abilities_of_parts(data, parts), abilities_of_parts(data, parts[:1])

    assert together[0] == pytest.approx(alone[0], abs=1e-12)


def test_items_that_a_part_does_not_compare_have_no_ability_in_it() -> None:
    data = Comparisons.of(4, [0, 1, 0], [1, 2, 2], [True, True, False])

    abilities = abilities_of_parts(data, np.array([[True, True, True], [False, False, False]]))

    assert np.isnan(abilities).tolist() == [[False, False, False, True], [True] * 4]


def test_parts_and_items_without_comparisons_are_refused() -> None:
    parts = Comparisons.of(4, [0, 2, 1], [1, 3, 0], [True, True, False])
    lonely = Comparisons.of(3, [0, 1], [1, 0], [True, True])

    with pytest.raises(GraphNotConnected):
        fit_classical(parts)
    with pytest.raises(InvalidComparisons, match="leave it out"):
        fit_classical(lonely, allow_disconnected=True)


def test_steps_that_are_cut_off_on_their_way_are_followed_to_the_solution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = judged(20).comparisons
    settled = fit_classical(data)

    monkeypatch.setattr(classical, "STEPS", 2)
    cut_off = fit_classical(data)

    assert cut_off.theta == pytest.approx(settled.theta, abs=1e-3)
    assert cut_off.ssr == pytest.approx(settled.ssr, abs=1e-4)


def test_scores_that_no_abilities_have_are_an_error() -> None:
    """Items 0 to 2 win all there is to win against 3 to 5, and the adjustment gives them .3 wins more than that."""
    wins = {(0, 1): 100, (0, 2): 100, (1, 4): 1, (4, 3): 100, (5, 3): 100}
    winner, loser = np.repeat(list(wins), list(wins.values()), axis=0).T

    with pytest.raises(NotConverged, match="no finite abilities"):
        fit_classical(Comparisons.of(6, winner, loser, np.ones(len(winner), np.bool_)))


@st.composite
def dense_designs(draw: st.DrawFn) -> Comparisons:
    """Few items and thousands of decisions; items may fall into groups that meet each other only, or a chain."""
    n_items, n_decisions = draw(st.integers(4, 20)), draw(st.integers(2_000, 8_000))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    weight = generator.dirichlet(np.full(n_items, draw(st.sampled_from([0.5, 2.0, 50.0])))) + 0.01
    kind = draw(st.sampled_from(["anyone", "two groups", "two groups, nearly", "cycle"]))
    slot_a = generator.choice(n_items, n_decisions, p=weight / weight.sum())
    slot_b = (slot_a + generator.integers(1, n_items, n_decisions)) % n_items
    if kind == "cycle":
        slot_b = (slot_a + 1) % n_items
    elif kind != "anyone":
        across = (slot_a < n_items // 2) != (slot_b < n_items // 2)
        kept = across | (generator.random(n_decisions) < (0.02 if kind == "two groups, nearly" else 0))
        slot_a, slot_b = slot_a[kept], slot_b[kept]
    truth = generator.normal(0, draw(st.sampled_from([0.0, 0.5, 1.5])), n_items)
    won = generator.random(len(slot_a)) < expit(truth[slot_a] - truth[slot_b])
    return Comparisons.of(n_items, slot_a, slot_b, won)


@settings(max_examples=60, deadline=None)
@given(dense_designs())
def test_dense_designs_come_to_rest_where_every_item_has_its_score(data: Comparisons) -> None:
    """Adjusted scores do not add up: what is left over moves all items alike, and is taken out by centring."""
    assume(data.counts.min() > 0 and data.components().max() == 0)

    fitted = fit_classical(data)

    decisions = Decisions(data.n_items, data.winners, data.losers, data.weight)
    surprise = 1 - expit(fitted.theta[data.winners] - fitted.theta[data.losers])
    expected = (
        np.bincount(data.losers, surprise, data.n_items)
        - np.bincount(data.winners, surprise, data.n_items)
        + data.scores
    )
    next_step = (decisions.score - expected) * fitted.standard_errors**2
    assert np.abs(next_step - next_step.mean()).max() < 2e-3
    assert fitted.theta.sum() == pytest.approx(0, abs=1e-9)
    assert fitted.standard_errors.min() > 0
    assert np.isfinite([fitted.standard_errors, fitted.infit, fitted.outfit]).all()
    assert fitted.ssr <= 1
