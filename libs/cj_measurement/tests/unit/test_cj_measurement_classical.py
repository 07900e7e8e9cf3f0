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
from cj_measurement.fitting.classical_parts import abilities_of_parts
from cj_measurement.tests.builders import judged


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


def test_steps_that_do_not_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classical, "STEPS", 2)

    with pytest.raises(NotConverged, match="still moves after 2 steps"):
        fit_classical(judged(20).comparisons)
