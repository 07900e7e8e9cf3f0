"""Comparisons refuse what contradicts itself, and keep what they were given."""

import numpy as np
import pytest
from cj_measurement import Comparisons, InvalidComparisons


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, [], [], []), "at least two"),
        ((3, [0, 1], [1], [True, True]), "one length"),
        ((3, [0, 3], [1, 1], [True, True]), "there is no 3"),
        ((3, [0, -1], [1, 1], [True, True]), "there is no -1"),
        ((3, [0, 2], [1, 2], [True, True]), "item 2 is compared with itself: remove"),
        ((3, [0, 1.5], [1, 2], [True, True]), "whole numbers"),
        ((3, [0, np.nan], [1, 2], [True, True]), "whole numbers"),
        ((3, [0, 1], [1, 2], [1, 2]), "no ties"),
        ((3, [0, 1], [1, 2], [1, np.nan]), "no ties"),
        ((3, [0, 1], [1, 2], [True, True], [0, -1]), "judges are numbered from 0"),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_to_do(
    arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(InvalidComparisons, match=message):
        Comparisons.of(*arguments)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0, -1.0])
def test_a_weight_that_is_not_finite_and_positive_is_refused(weight: float) -> None:
    with pytest.raises(InvalidComparisons, match="finite and positive"):
        Comparisons.of(3, [0, 1], [1, 2], [True, False], weight=[1.0, weight])


def test_the_callers_arrays_stay_theirs() -> None:
    slots = np.array([0, 1])

    comparisons = Comparisons.of(3, slots, [1, 2], [True, False])
    slots[0] = 2

    assert comparisons.slot_a.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        comparisons.slot_a[0] = 1


def test_counts_scores_and_components_are_by_item() -> None:
    comparisons = Comparisons.of(5, [0, 1, 3], [1, 2, 4], [True, False, True])

    assert comparisons.counts.tolist() == [1, 2, 1, 1, 1]
    assert comparisons.scores.tolist() == [1, 0, 1, 1, 0]
    assert comparisons.components().tolist() == [0, 0, 0, 1, 1]


def test_a_pair_compared_twice_stays_two_links() -> None:
    comparisons = Comparisons.of(3, [0, 1, 1], [1, 0, 2], [True, True, True])

    links = comparisons.links.matrix(np.array([1.0, 2.0, 4.0])).toarray()

    assert links.tolist() == [[0, 3, 0], [3, 0, 4], [0, 4, 0]]


def test_a_part_keeps_items_judges_and_weights() -> None:
    whole = Comparisons.of(4, [0, 1, 2], [1, 2, 3], [True, False, True], [0, 1, 2], weight=[1, 2, 3])

    part = whole.where([False, True, True])

    assert (part.n_items, part.n_judges) == (4, 3)
    assert part.weight.tolist() == [2, 3]
    assert part.judge.tolist() == [1, 2]


def test_swapping_slots_keeps_winners() -> None:
    comparisons = Comparisons.of(3, [0, 1], [1, 2], [True, False])

    swapped = comparisons.swapped()

    assert swapped.slot_a.tolist() == [1, 2]
    assert swapped.winners.tolist() == comparisons.winners.tolist()
