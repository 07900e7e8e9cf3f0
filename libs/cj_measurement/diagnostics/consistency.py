"""Whether decisions contradict each other: circular triads, and pairs judged in both orders."""

from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.diagnostics.graph import wins_by_pair


@dataclass(frozen=True, kw_only=True)
class Triads:
    """Triples of items in which all three pairs are decided; circular ones have A beat B, B beat C and C beat A."""

    closed: int
    circular: int

    @property
    def circular_share(self) -> float | None:
        """.25 when decisions are random; None without a closed triad."""
        return self.circular / self.closed if self.closed else None


@dataclass(frozen=True, kw_only=True)
class SwapConsistency:
    """Pairs that one judge judged in both orders, and the share in which the same item won."""

    judge: int
    pairs: int
    same_winner_share: float | None


def circular_triads(comparisons: Comparisons) -> Triads:
    """Count triads over pairs that have a majority; a tied pair decides nothing."""
    wins = wins_by_pair(comparisons)
    majority = ((wins - wins.T) > 0).astype(np.int64)
    decided = majority + majority.T
    return Triads(
        closed=int((decided @ decided).multiply(decided).sum()) // 6,
        circular=int((majority @ majority).multiply(majority.T).sum()) // 3,
    )


def swap_consistency(comparisons: Comparisons) -> tuple[SwapConsistency, ...]:
    """For each judge; a pair judged several times in an order counts as the share of its decisions."""
    n = comparisons.n_items
    low, high = (
        np.minimum(comparisons.slot_a, comparisons.slot_b),
        np.maximum(comparisons.slot_a, comparisons.slot_b),
    )
    keys, pair = np.unique((comparisons.judge * n + low) * n + high, return_inverse=True)
    low_won, low_first = comparisons.winners == low, comparisons.slot_a == low
    first = _share(pair[low_first], low_won[low_first], len(keys))
    second = _share(pair[~low_first], low_won[~low_first], len(keys))
    same = first * second + (1 - first) * (1 - second)
    both, judge = np.isfinite(same), keys // n**2
    by_judge = [same[both & (judge == number)] for number in range(comparisons.n_judges)]
    return tuple(
        SwapConsistency(
            judge=number, pairs=len(pairs), same_winner_share=float(pairs.mean()) if len(pairs) else None
        )
        for number, pairs in enumerate(by_judge)
    )


def _share(place: IntArray, won: BoolArray, count: int) -> FloatArray:
    """Share of wins by place, NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.bincount(place, won, count) / np.bincount(place, minlength=count)
