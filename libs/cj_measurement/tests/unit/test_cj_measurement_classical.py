"""The classical fit where published figures do not say what it does."""

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    GraphNotConnected,
    InvalidComparisons,
    NotConverged,
    classical,
    fit_classical,
)
from cj_measurement.classical import classical_abilities
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


def test_momentum_leads_to_the_same_abilities() -> None:
    data = judged(40, per_item=12, seed=2).comparisons

    assert classical_abilities(data) == pytest.approx(fit_classical(data).theta, abs=2e-3)


def test_items_that_a_half_does_not_compare_have_no_ability_in_it() -> None:
    half = Comparisons.of(4, [0, 1, 0], [1, 2, 2], [True, True, False])

    abilities = classical_abilities(half)

    assert np.isnan(abilities).tolist() == [False, False, False, True]
    assert np.isnan(classical_abilities(half.where(np.zeros(3, np.bool_)))).all()


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
