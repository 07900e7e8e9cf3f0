"""Levels: what judges state becomes ranks, and nothing else."""

import numpy as np
import pytest
from cj_measurement import Comparisons, InvalidComparisons, LevelSource
from cj_measurement.fitting.answer_scales import scale_of
from numpy.typing import ArrayLike

NAN = float("nan")


def levels(
    count: int, *, n_items: int = 3, judge: ArrayLike | None = None, **stated: ArrayLike
) -> Comparisons:
    slots = np.arange(count) % n_items
    return Comparisons.of(n_items, slots, (slots + 1) % n_items, [True] * count, judge, **stated)


def test_a_margin_is_taken_before_a_confidence_and_that_before_log_odds() -> None:
    data = levels(
        6,
        judge=[0, 0, 1, 1, 2, 2],
        margin=[1, 3, NAN, NAN, NAN, NAN],
        confidence=[5, 5, 4, 5, NAN, NAN],
        log_odds=[0.1, 9, 3, 2, 0.1, 7],
    )

    assert data.levels is not None
    assert data.levels.source == (LevelSource.MARGIN, LevelSource.CONFIDENCE, LevelSource.LOG_ODDS)
    assert data.levels.level.tolist()[:4] == [1, 3, 1, 2]


def test_a_judge_that_states_nothing_has_no_levels() -> None:
    assert levels(3).levels is None
    assert levels(3, margin=[NAN] * 3).levels is None


def test_an_answer_that_does_not_state_what_the_others_do_has_no_level() -> None:
    data = levels(3, margin=[2, NAN, 1])

    assert data.levels is not None
    assert data.levels.level.tolist() == [2, 0, 1]


def test_log_odds_are_cut_into_four_equal_shares_that_do_not_move_later() -> None:
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal(size=200))

    early, late = (
        levels(100, n_items=100, log_odds=values[:100]),
        levels(200, n_items=100, log_odds=values),
    )

    assert early.levels is not None
    assert late.levels is not None
    assert np.bincount(early.levels.level)[1:].tolist() == [25, 25, 25, 25]
    assert late.levels.level[:100].tolist() == early.levels.level.tolist()


def test_log_odds_that_speak_for_the_loser_are_the_lowest() -> None:
    data = Comparisons.of(4, [0, 1, 2, 3], [1, 2, 3, 0], [1, 0, 1, 1], log_odds=[-8.0, -3.0, 2.0, 1.0])

    assert data.levels is not None
    assert data.levels.level.argmin() == 0
    assert data.levels.level.argmax() == 1


def test_levels_follow_their_comparisons() -> None:
    data = levels(4, margin=[1, 2, 3, 1])

    some, turned = data.where(data.slot_a > 0), data.swapped()

    assert some.levels is not None
    assert turned.levels is not None
    assert some.levels.level.tolist() == [2, 3]
    assert turned.levels.level.tolist() == [1, 2, 3, 1]
    assert data.winners_only().levels is None


@pytest.mark.parametrize("margin", [[0, 1, 2], [1.5, 1, 2], [1, 2, 50], [1, 2], [1, -1, 2]])
def test_an_invalid_margin_is_rejected(margin: list[float]) -> None:
    with pytest.raises(InvalidComparisons, match="margin"):
        levels(3, margin=margin)


def test_levels_with_few_answers_join_their_smaller_neighbour() -> None:
    stated = np.repeat([1, 2, 3, 4, 5], [2, 9, 30, 20, 4])

    scale = scale_of(0, np.arange(len(stated)), stated, np.ones(len(stated)))

    assert scale is not None
    assert scale.merged == (0, 0, 1, 2, 2)
    assert np.bincount(scale.level).tolist() == [11, 30, 24]


def test_constant_levels_are_ignored() -> None:
    stated = np.repeat([2, 3], [50, 4])

    assert scale_of(0, np.arange(54), stated, np.ones(54)) is None
