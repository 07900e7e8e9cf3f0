"""Choosing the next round of pairs: by expected information, with balanced use of items and slots.

A round is a matching: no item twice. An item's uses of slots A and B differ by one at most. The first round links
all items in a random cycle; a later round may be planned while earlier ones are still being judged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from cj_measurement.comparisons import TINY, BoolArray, FloatArray, IntArray
from cj_measurement.fitting.result import Fit
from cj_measurement.pairing.asked_pairs import AskedPairs
from cj_measurement.pairing.expected_gain import ExpectedGain
from cj_measurement.pairing.small_batches import next_pairs
from cj_measurement.pairing.state import Pair, PairingState, Policy, Reason

SMALL: Final = 8
"""Below this many items every pair is asked before any is asked again."""
MAX_CANDIDATES: Final = 200_000
"""Approximate maximum of pairs considered for a round: all of them up to 630 items."""
NEAREST_RANKS: Final = 16
"""Each item is considered with at least this many neighbours in rank, however large the batch."""
MAX_EXCHANGES: Final = 20
"""Maximum number of left-over items, met by each other before, that are exchanged into other pairs."""
MAX_LEFT_OVER: Final = 500
"""Maximum number of left-over items of either lead that are considered once more."""
CHUNK_SIZE: Final = 1_000
"""Candidates are processed in chunks of this size: most rounds are full after a few hundred."""


def plan_pairs(
    state: PairingState,
    *,
    count: int,
    seed: int,
    policy: Policy = Policy.INFORMATION,
) -> tuple[Pair, ...]:
    """Up to ``count`` pairs for the next round, at least one if ``count`` is; the same seed gives the same pairs.

    The first round is a random cycle through all items: two comparisons per item, one in each slot, and every item
    linked to every other. A later one is a matching of at most half the items. Policies other than ``information``
    are pure: neither random links nor other orders are mixed in.
    """
    if count < 1:
        return ()
    if state.n_items < SMALL:
        return tuple(Pair(a, b, Reason.ALL_PAIRS) for a, b in next_pairs(state.asked, count=count))
    rng = np.random.default_rng(seed)
    parts = state.asked.components()
    if parts.max() >= state.n_items // 2:
        return _linking_cycle(state.asked, parts, rng)[:count]
    return _Round(state, rng, min(count, state.n_items // 2)).plan(policy, parts)


def plan_many(state: PairingState, *, count: int, seed: int) -> tuple[Pair, ...]:
    """Up to ``count`` pairs by information: as many rounds of ``plan_pairs`` as that takes, planned from the same fit.

    An item may be in several of them. The same seed gives the same pairs, and those of one round are ``plan_pairs``'s.
    """
    pairs: list[Pair] = []
    seeds = iter(np.random.default_rng(seed).integers(2**63, size=max(count, 1)).tolist())
    while len(pairs) < count:
        more = plan_pairs(
            state.with_asked(pairs), count=count - len(pairs), seed=next(seeds) if pairs else seed
        )
        if not more:
            break
        pairs += more
    return tuple(pairs)


def _linking_cycle(asked: AskedPairs, parts: IntArray, rng: np.random.Generator) -> tuple[Pair, ...]:
    """A random cycle through the parts of the graph, at first through all items.

    It leaves a part by an item that stood less in slot A, and enters it by one that stood less in slot B.
    """
    shuffled = rng.permutation(asked.n_items)
    by_lead = shuffled[np.lexsort((asked.uses[shuffled], asked.lead[shuffled], parts[shuffled]))]
    n_parts = int(parts.max()) + 1
    bounds = np.searchsorted(parts[by_lead], np.arange(n_parts + 1))
    leaves, enters = by_lead[bounds[:-1]], by_lead[bounds[1:] - 1]
    tour = rng.permutation(n_parts)
    return tuple(
        Pair(int(leaves[part]), int(enters[following]), Reason.CYCLE)
        for part, following in zip(tour, np.roll(tour, -1), strict=True)
    )


@dataclass(frozen=True, eq=False)
class _OrderedPairs:
    """Pairs in the slots they would get, whether slot counts stay balanced, and how often each was asked this way."""

    slot_a: IntArray
    slot_b: IntArray
    fits: BoolArray
    times: IntArray

    def where(self, chosen: BoolArray) -> "_OrderedPairs":
        return _OrderedPairs(self.slot_a[chosen], self.slot_b[chosen], self.fits[chosen], self.times[chosen])

    def pair(self, place: int, reason: Reason) -> Pair:
        return Pair(int(self.slot_a[place]), int(self.slot_b[place]), reason)


Worth = Callable[[IntArray, IntArray], FloatArray]
"""Score of each pair of (one, other) under a policy, shape as given."""


class _Round:
    """A round under construction: which items are still free, and the pairs so far."""

    def __init__(self, state: PairingState, rng: np.random.Generator, count: int) -> None:
        self.state, self.rng, self.count = state, rng, count
        self.asked = state.asked
        self.lead, self.uses = state.asked.lead, state.asked.uses
        self.total = int(self.uses.sum()) // 2
        self.free: BoolArray = np.ones(state.n_items, np.bool_)
        self.pairs: list[Pair] = []

    def plan(self, policy: Policy, parts: IntArray) -> tuple[Pair, ...]:
        self._take_missing_links(parts)
        self._keep_least_used()
        is_blind = policy is Policy.INFORMATION and self.state.awaits_levels
        if self.state.fit is None or policy is Policy.RANDOM or is_blind:
            self._fill(self._never_met(*self._anywhere()), self._random_worth, Reason.RANDOM_LINK)
        elif policy is Policy.INFORMATION:
            self._plan_by_information(ExpectedGain(self.state.fit, self.asked))
        else:
            standing = self._standing(policy, self.state.fit)
            neighbours = self._never_met(*self._neighbours(standing))
            self._fill(neighbours, lambda a, b: -np.abs(standing[a] - standing[b]), Reason.NEIGHBOUR)
        return tuple(self.pairs)

    def _plan_by_information(self, gain: ExpectedGain) -> None:
        self._take_other_orders(gain)
        self._take_random_links(gain)
        self._fill(self._neighbours(gain.theta), gain, Reason.INFORMATION)

    def _take_missing_links(self, parts: IntArray) -> None:
        """One pair from each part of the graph to the largest, where judgements that failed cut it in parts."""
        main = np.bincount(parts).argmax()
        for part in np.flatnonzero(np.arange(parts.max() + 1) != main):
            one, other = np.meshgrid(np.flatnonzero(parts == part), np.flatnonzero(parts == main))
            ordered = self._possible(one.ravel(), other.ravel())
            until = min(len(self.pairs) + 1, self.count)
            self._take(ordered, [self._uses(ordered)], until, Reason.RANDOM_LINK)

    def _keep_least_used(self) -> None:
        """Only the items with the fewest comparisons take part when the round is smaller than all of them."""
        free = np.flatnonzero(self.free)
        use = self.uses[free] + self.rng.random(len(free))
        self.free[free[np.argsort(use)[2 * (self.count - len(self.pairs)) :]]] = False

    def _take_other_orders(self, gain: ExpectedGain) -> None:
        """Pairs asked once, now in their other order, until these have their share of all pairs."""
        share = self.state.both_orders_share
        due = (share * (self.asked.n_pairs + self.count) - self.asked.n_both_ways) / (1 + share)
        ordered = self._possible(*self.asked.one_way)
        ordered = ordered.where(ordered.times == 0)
        until = min(round(due), self.count // 2)
        self._take(ordered, [-gain(ordered.slot_a, ordered.slot_b)], until, Reason.OTHER_ORDER)

    def _take_random_links(self, gain: ExpectedGain) -> None:
        """Pairs that never met, drawn in proportion to their information, until these have their share of all pairs."""
        due = self.state.settings.random_link_share * (self.total + self.count) - self.state.random_links
        ordered = self._possible(*self._never_met(*self._anywhere()))
        weight = self.rng.gumbel(size=len(ordered.slot_a))
        weight += np.log(np.maximum(gain.information(ordered.slot_a, ordered.slot_b), TINY))
        self._take(ordered, [-weight], min(len(self.pairs) + round(due), self.count), Reason.RANDOM_LINK)

    def _fill(self, candidates: tuple[IntArray, IntArray], worth: Worth, reason: Reason) -> None:
        """Fill the round by worth, items that fell behind first; no order a second time while there is another."""
        ordered = self._possible(*candidates)
        ordered = ordered.where(ordered.times == 0)
        keys = [-worth(ordered.slot_a, ordered.slot_b), self._uses(ordered)]
        self._take(ordered, keys, self.count, reason)
        if len(self.pairs) < self.count:
            self._exchange_for_left_over(worth, reason)
        if len(self.pairs) < self.count:
            ordered = self._possible(*self._left_over())
            keys = [-worth(ordered.slot_a, ordered.slot_b), self._uses(ordered), ordered.times]
            self._take(ordered, keys, self.count, reason)

    def _exchange_for_left_over(self, worth: Worth, reason: Reason) -> None:
        """Two items that are left over, and that met already, each take one item of another pair."""
        for x, y in combinations(np.flatnonzero(self.free)[:MAX_EXCHANGES].tolist(), 2):
            if len(self.pairs) < self.count and self.free[x] and self.free[y]:
                self._exchange(x, y, worth, reason)

    def _exchange(self, x: int, y: int, worth: Worth, reason: Reason) -> None:
        a = np.array([pair.slot_a for pair in self.pairs], np.int64)
        b = np.array([pair.slot_b for pair in self.pairs], np.int64)
        found: list[tuple[float, int, Pair, Pair]] = []
        for to_x, to_y in ((a, b), (b, a)):
            one, two = self._in_slots(np.full_like(a, x), to_x), self._in_slots(np.full_like(a, y), to_y)
            value = worth(one.slot_a, one.slot_b) + worth(two.slot_a, two.slot_b) - worth(a, b)
            possible = one.fits & two.fits & (one.times == 0) & (two.times == 0)
            if possible.any():
                best = int(np.where(possible, value, -np.inf).argmax())
                found.append((float(value[best]), best, one.pair(best, reason), two.pair(best, reason)))
        if found:
            _, place, with_x, with_y = max(found, key=lambda exchange: exchange[0])
            self.pairs[place : place + 1] = [with_x, with_y]
            self.free[[x, y]] = False

    def _uses(self, ordered: _OrderedPairs) -> IntArray:
        return np.asarray(self.uses[ordered.slot_a] + self.uses[ordered.slot_b], dtype=np.int64)

    def _random_worth(self, one: IntArray, _other: IntArray) -> FloatArray:
        return self.rng.random(len(one))

    def _standing(self, policy: Policy, fit: Fit) -> FloatArray:
        """The value by which neighbours are ranked: ability, or in a Swiss tournament the number of wins."""
        if policy is Policy.NEAREST:
            return fit.theta
        wins = fit.comparisons.scores
        return np.asarray(wins + self.rng.random(len(wins)) / 2, dtype=np.float64)

    def _anywhere(self) -> tuple[IntArray, IntArray]:
        """All pairs, or a random sample of ``MAX_CANDIDATES``."""
        n = self.state.n_items
        if n * (n - 1) // 2 <= MAX_CANDIDATES:
            one, other = np.triu_indices(n, 1)
            return np.asarray(one, np.int64), np.asarray(other, np.int64)
        one = self.rng.integers(n, size=MAX_CANDIDATES)
        return one, (one + self.rng.integers(1, n, size=MAX_CANDIDATES)) % n

    def _neighbours(self, standing: FloatArray) -> tuple[IntArray, IntArray]:
        """Each item with those next in rank: all pairs of a batch of up to 450 items, fewer of a larger one."""
        n = len(standing)
        ranked = np.argsort(standing, kind="stable").astype(np.int64)
        reach = min(n - 1, max(NEAREST_RANKS, MAX_CANDIDATES // n))
        steps = range(1, reach + 1)
        return (
            np.concatenate([ranked[:-step] for step in steps]),
            np.concatenate([ranked[step:] for step in steps]),
        )

    def _never_met(self, one: IntArray, other: IntArray) -> tuple[IntArray, IntArray]:
        """Those of the pairs that were asked in neither order."""
        never = self.asked.times(one, other) + self.asked.times(other, one) == 0
        return one[never], other[never]

    def _left_over(self) -> tuple[IntArray, IntArray]:
        """Pairs of the least used items that are not in the round, one for slot A with one for slot B."""
        paired = [item for pair in self.pairs for item in (pair.slot_a, pair.slot_b)]
        self.free[:] = True
        self.free[paired] = False
        left = np.flatnonzero(self.free)
        left = left[np.argsort(self.uses[left], kind="stable")]
        for_a, for_b = left[self.lead[left] <= 0][:MAX_LEFT_OVER], left[self.lead[left] >= 0][:MAX_LEFT_OVER]
        one, other = np.meshgrid(for_a, for_b, indexing="ij")
        different = one != other
        return one[different], other[different]

    def _possible(self, one: IntArray, other: IntArray) -> _OrderedPairs:
        """Those of the pairs, ordered, whose items are free and keep their slot counts balanced."""
        free = self.free[one] & self.free[other]
        ordered = self._in_slots(one[free], other[free])
        return ordered.where(ordered.fits)

    def _in_slots(self, one: IntArray, other: IntArray) -> _OrderedPairs:
        """Each pair in the order that balances slots; of two such orders the one asked less often, else at random."""
        ahead, behind = self.asked.times(one, other), self.asked.times(other, one)
        lean = np.sign(self.lead[one] - self.lead[other])
        lean = np.where(lean == 0, np.sign(ahead - behind), lean)
        turned = np.where(lean == 0, self.rng.random(len(one)) < 0.5, lean > 0)
        return _OrderedPairs(
            slot_a=np.where(turned, other, one),
            slot_b=np.where(turned, one, other),
            fits=self.lead[one] * self.lead[other] <= 0,
            times=np.where(turned, behind, ahead),
        )

    def _take(
        self, ordered: _OrderedPairs, keys: Sequence[npt.NDArray[np.generic]], until: int, reason: Reason
    ) -> None:
        """Add pairs, in the order of the last key, then of those before it, until the round has ``until``."""
        order = np.lexsort(keys)
        for start in range(0, len(order), CHUNK_SIZE):
            best = order[start : start + CHUNK_SIZE]
            for a, b in zip(ordered.slot_a[best].tolist(), ordered.slot_b[best].tolist(), strict=True):
                if len(self.pairs) >= until:
                    return
                if self.free[a] and self.free[b]:
                    self.free[a] = self.free[b] = False
                    self.pairs.append(Pair(a, b, reason))
