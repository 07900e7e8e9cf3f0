"""Comparisons as arrays: who stood in which slot, who won, who judged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cj_measurement.errors import InvalidComparisons

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """``m`` comparisons of ``n_items`` items by ``n_judges`` judges; every array has shape (m,)."""

    n_items: int
    slot_a: IntArray
    slot_b: IntArray
    a_won: BoolArray
    judge: IntArray
    n_judges: int

    @classmethod
    def of(
        cls,
        n_items: int,
        slot_a: npt.ArrayLike,
        slot_b: npt.ArrayLike,
        a_won: npt.ArrayLike,
        judge: npt.ArrayLike | None = None,
    ) -> "Comparisons":
        """Check and freeze; raises ``InvalidComparisons``. Without ``judge`` one judge made them all."""
        first = np.asarray(slot_a, dtype=np.int64).reshape(-1)
        second = np.asarray(slot_b, dtype=np.int64).reshape(-1)
        won = np.asarray(a_won, dtype=np.bool_).reshape(-1)
        judges = np.zeros(len(first), np.int64) if judge is None else np.asarray(judge, np.int64).reshape(-1)
        _check(n_items, first, second, won, judges)
        for array in (first, second, won, judges):
            array.setflags(write=False)
        return cls(n_items, first, second, won, judges, int(judges.max(initial=0)) + 1)

    def __len__(self) -> int:
        return len(self.slot_a)

    @property
    def winners(self) -> IntArray:
        """The item that won each comparison."""
        return np.where(self.a_won, self.slot_a, self.slot_b)

    @property
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

    def components(self) -> IntArray:
        """The part of the comparison graph that each item belongs to, shape (n,)."""
        links = coo_array(
            (np.ones(len(self)), (self.slot_a, self.slot_b)), shape=(self.n_items, self.n_items)
        )
        return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)

    def where(self, chosen: npt.ArrayLike) -> "Comparisons":
        """The chosen comparisons only (mask or places), of the same items and judges."""
        keep = np.asarray(chosen)
        return Comparisons(
            self.n_items,
            self.slot_a[keep],
            self.slot_b[keep],
            self.a_won[keep],
            self.judge[keep],
            self.n_judges,
        )


def _check(n_items: int, first: IntArray, second: IntArray, won: BoolArray, judges: IntArray) -> None:
    if len({len(first), len(second), len(won), len(judges)}) != 1:
        raise InvalidComparisons("slot_a, slot_b, a_won and judge must have one length")
    if len(first) == 0:
        return
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= n_items:
        raise InvalidComparisons(f"items are numbered 0 to {n_items - 1}")
    if np.any(first == second):
        raise InvalidComparisons("an item was compared with itself: drop such rows")
    if judges.min() < 0:
        raise InvalidComparisons("judges are numbered from 0")
