"""Comparisons as arrays: who stood in which slot, who won, who judged, and how much it counts."""

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from cj_measurement.errors import InvalidComparisons
from cj_measurement.levels import TINY, BoolArray, FloatArray, IntArray, Levels, levels_of

__all__ = ["TINY", "BoolArray", "Comparisons", "FloatArray", "IntArray", "Links"]


@dataclass(frozen=True, eq=False)
class Links:
    """The comparison graph by rows: item i's partners are ``partner[start[i]:start[i+1]]``.

    Each comparison is there twice, once for either item; ``comparison`` says which one a link is, shape (2m,).
    """

    start: npt.NDArray[np.int32]
    partner: npt.NDArray[np.int32]
    comparison: IntArray

    @classmethod
    def of(cls, n_items: int, slot_a: IntArray, slot_b: IntArray) -> "Links":
        """Sort the ends of all comparisons by item."""
        m = len(slot_a)
        own = np.empty((m, 2), np.int32)
        own[:, 0], own[:, 1] = slot_a, slot_b
        ends, rows = own.reshape(-1), 2 * np.arange(m + 1, dtype=np.int32)
        by_item = csr_array((np.arange(2 * m), ends, rows), shape=(m, n_items)).tocsc()
        return cls(by_item.indptr, ends.take(by_item.data ^ 1), by_item.data >> 1)

    @cached_property
    def _pattern(self) -> "csr_array[np.float64, tuple[int, int]]":
        n = len(self.start) - 1
        return csr_array((np.ones(len(self.partner)), self.partner, self.start), shape=(n, n))

    def matrix(self, weight: FloatArray) -> "csr_array[np.float64, tuple[int, int]]":
        """The symmetric matrix (n, n) of links weighted by ``weight`` (m,); several links of a pair stay apart."""
        matrix = copy(self._pattern)
        matrix.data = weight.take(self.comparison)
        return matrix

    def is_connected(self) -> bool:
        """Whether every item is linked to every other, by a walk from the first."""
        reached = breadth_first_order(self._pattern, 0, return_predecessors=False)
        return len(reached) == len(self.start) - 1

    def components(self) -> IntArray:
        """The part of the graph that each item belongs to, numbered from 0, shape (n,)."""
        return np.asarray(connected_components(self._pattern, directed=False)[1], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Comparisons:
    """``m`` comparisons of ``n_items`` items by ``n_judges`` judges; every array has shape (m,).

    A comparison of weight w counts like w comparisons with the same outcome. ``levels`` says how far ahead the winners
    are, where a judge says more than who won.
    """

    n_items: int
    slot_a: IntArray
    slot_b: IntArray
    a_won: BoolArray
    judge: IntArray
    n_judges: int
    weight: FloatArray
    levels: Levels | None = None

    @classmethod
    def of(
        cls,
        n_items: int,
        slot_a: npt.ArrayLike,
        slot_b: npt.ArrayLike,
        a_won: npt.ArrayLike,
        judge: npt.ArrayLike | None = None,
        *,
        weight: npt.ArrayLike | None = None,
        margin: npt.ArrayLike | None = None,
        confidence: npt.ArrayLike | None = None,
        log_odds: npt.ArrayLike | None = None,
    ) -> "Comparisons":
        """Check and freeze; raises ``InvalidComparisons``.

        Without ``judge`` one judge made them all; without ``weight`` each counts once. ``margin`` (1 slightly better,
        2 clearly, 3 far), ``confidence`` and ``log_odds`` (of slot A) make the levels: see ``levels.levels_of``.
        """
        first, second = _whole_numbers(slot_a, "slot_a"), _whole_numbers(slot_b, "slot_b")
        won = _outcomes(a_won)
        judges = np.zeros(len(first), np.int64) if judge is None else _whole_numbers(judge, "judge")
        weights = np.ones(len(first)) if weight is None else np.array(weight, np.float64).reshape(-1)
        _check(n_items, first, second, won, judges, weights)
        for array in (first, second, won, judges, weights):
            array.setflags(write=False)
        levels = levels_of(
            n_items=n_items,
            judge=judges,
            a_won=won,
            margin=margin,
            confidence=confidence,
            log_odds=log_odds,
        )
        return cls(n_items, first, second, won, judges, int(judges.max(initial=0)) + 1, weights, levels)

    def __len__(self) -> int:
        return len(self.slot_a)

    @cached_property
    def winners(self) -> IntArray:
        """The item that won each comparison."""
        return np.where(self.a_won, self.slot_a, self.slot_b)

    @cached_property
    def losers(self) -> IntArray:
        """The item that lost each comparison."""
        return np.where(self.a_won, self.slot_b, self.slot_a)

    @property
    def counts(self) -> IntArray:
        """Comparisons of each item, shape (n,)."""
        return np.bincount(self.slot_a, minlength=self.n_items) + np.bincount(
            self.slot_b, minlength=self.n_items
        )

    @property
    def scores(self) -> IntArray:
        """Wins of each item, shape (n,)."""
        return np.bincount(self.winners, minlength=self.n_items)

    @property
    def judge_counts(self) -> IntArray:
        """Comparisons of each judge, shape (judges,)."""
        return np.bincount(self.judge, minlength=self.n_judges)

    @cached_property
    def links(self) -> Links:
        """The comparison graph, by item."""
        return Links.of(self.n_items, self.slot_a, self.slot_b)

    def components(self) -> IntArray:
        """The part of the comparison graph that each item belongs to, numbered from 0, shape (n,)."""
        return self.links.components()

    def where(self, chosen: npt.ArrayLike) -> "Comparisons":
        """The chosen comparisons only (mask or places), of the same items and judges."""
        keep = np.asarray(chosen)
        return replace(
            self,
            slot_a=self.slot_a[keep],
            slot_b=self.slot_b[keep],
            a_won=self.a_won[keep],
            judge=self.judge[keep],
            weight=self.weight[keep],
            levels=None if self.levels is None else self.levels.where(keep),
        )

    def winners_only(self) -> "Comparisons":
        """The same comparisons without levels."""
        return replace(self, levels=None)

    def swapped(self) -> "Comparisons":
        """The same decisions with the slots of every pair exchanged."""
        return replace(self, slot_a=self.slot_b, slot_b=self.slot_a, a_won=~self.a_won)


def _whole_numbers(values: npt.ArrayLike, name: str) -> IntArray:
    given = np.asarray(values).reshape(-1)
    if given.dtype.kind not in "iu" and not np.array_equal(given, np.floor(given)):
        raise InvalidComparisons(f"{name} must hold whole numbers: the places of items or judges")
    return given.astype(np.int64)


def _outcomes(values: npt.ArrayLike) -> BoolArray:
    given = np.asarray(values).reshape(-1)
    if given.dtype.kind != "b" and not np.isin(given, (0, 1)).all():
        raise InvalidComparisons("a_won must hold true or false: there are no ties and no missing outcomes")
    return given.astype(np.bool_)


def _check(
    n_items: int, first: IntArray, second: IntArray, won: BoolArray, judges: IntArray, weights: FloatArray
) -> None:
    if n_items < 2:
        raise InvalidComparisons(f"{n_items} items cannot be compared: there must be at least two")
    if len({len(first), len(second), len(won), len(judges), len(weights)}) != 1:
        raise InvalidComparisons("slot_a, slot_b, a_won, judge and weight must have one length")
    if len(first) == 0:
        return
    _check_items(n_items, first, second)
    if judges.min() < 0:
        raise InvalidComparisons("judges are numbered from 0")
    if not (np.isfinite(weights).all() and weights.min() > 0):
        raise InvalidComparisons("weights must be finite and positive: leave out what should not count")


def _check_items(n_items: int, first: IntArray, second: IntArray) -> None:
    unknown = np.union1d(first, second)
    unknown = unknown[(unknown < 0) | (unknown >= n_items)]
    if len(unknown):
        raise InvalidComparisons(f"items are numbered 0 to {n_items - 1}: there is no {_few(unknown)}")
    itself = first[first == second]
    if len(itself):
        raise InvalidComparisons(f"item {_few(itself)} is compared with itself: remove these rows")


def _few(items: IntArray) -> str:
    shown = ", ".join(str(item) for item in items[:5])
    return f"{shown}, ..." if len(items) > 5 else shown
