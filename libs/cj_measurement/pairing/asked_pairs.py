"""What was asked so far, counted: every ordered pair, every item in every slot."""

from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cj_measurement.comparisons import FloatArray, IntArray


class AskedPairs:
    """``m`` ordered pairs (slot A, slot B) of ``n_items`` items, answered or not."""

    def __init__(self, n_items: int, slot_a: IntArray, slot_b: IntArray) -> None:
        self.n_items = n_items
        self._codes, self._counts = np.unique(slot_a * n_items + slot_b, return_counts=True)
        self.slot_a, self.slot_b = np.divmod(self._codes, n_items)
        self.times_a = np.bincount(slot_a, minlength=n_items)
        self.times_b = np.bincount(slot_b, minlength=n_items)

    def plus(self, slot_a: IntArray, slot_b: IntArray) -> "AskedPairs":
        """These and more ordered pairs."""
        return AskedPairs(
            self.n_items,
            np.concatenate([np.repeat(self.slot_a, self._counts), slot_a]),
            np.concatenate([np.repeat(self.slot_b, self._counts), slot_b]),
        )

    @property
    def uses(self) -> IntArray:
        """How often each item was asked about, shape (n,)."""
        return np.asarray(self.times_a + self.times_b, dtype=np.int64)

    @property
    def lead(self) -> IntArray:
        """How much more often each item stood in slot A than in slot B, shape (n,)."""
        return np.asarray(self.times_a - self.times_b, dtype=np.int64)

    def times(self, slot_a: IntArray, slot_b: IntArray) -> IntArray:
        """How often each of these ordered pairs was asked, shape as given."""
        codes = slot_a * self.n_items + slot_b
        if len(self._codes) == 0:
            return np.zeros(codes.shape, np.int64)
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[place] == codes, self._counts[place], 0)

    @cached_property
    def _other_order(self) -> IntArray:
        """How often the other order of each distinct ordered pair was asked."""
        return self.times(self.slot_b, self.slot_a)

    @property
    def one_way(self) -> tuple[IntArray, IntArray]:
        """Pairs asked once and in one order, as (slot A, slot B)."""
        once = (self._other_order == 0) & (self._counts == 1)
        return self.slot_a[once], self.slot_b[once]

    @property
    def n_both_ways(self) -> int:
        """Number of pairs asked in both orders."""
        return int(np.count_nonzero(self._other_order)) // 2

    @property
    def n_pairs(self) -> int:
        """Number of pairs asked in any order."""
        return len(self._codes) - self.n_both_ways

    def components(self) -> IntArray:
        """The part of the graph that each item belongs to, shape (n,)."""
        links = coo_array(
            (np.ones(len(self._codes)), (self.slot_a, self.slot_b)), shape=(self.n_items, self.n_items)
        )
        return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)

    def without(self, slot_a: IntArray, slot_b: IntArray) -> "tuple[IntArray, IntArray, FloatArray]":
        """What is left when these ordered pairs are taken away once each: slots, and how often."""
        answered = AskedPairs(self.n_items, slot_a, slot_b)
        left = self._counts - answered.times(self.slot_a, self.slot_b)
        kept = left > 0
        return self.slot_a[kept], self.slot_b[kept], left[kept].astype(np.float64)
