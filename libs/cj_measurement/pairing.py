"""Choosing the next round of pairs: by what they would tell, with level use of items and slots.

A round is a matching: no item twice. Of its pairs a share is random (long links keep a scale honest: reliability
is too cautious when all pairs are neighbours), a share repeats earlier pairs the other way round (to measure the
judge's consistency), and the rest maximise the expected information
``½ log(1 + p(1−p)·R_ij)``, ``R_ij = C_ii + C_jj − 2C_ij``, p the chance that i wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import expit

from cj_measurement.bradley_terry import Fit
from cj_measurement.comparisons import BoolArray, FloatArray, IntArray
from cj_measurement.errors import MeasurementError

SMALL = 8
"""Below this many items every pair is asked before any is asked again."""


class Policy(StrEnum):
    """How pairs are chosen once every item is linked; all but ``information`` are there to be compared with it."""

    INFORMATION = "information"
    RANDOM = "random"
    NEAREST = "nearest"


class Reason(StrEnum):
    """Why a pair was chosen."""

    CYCLE = "cycle"
    ALL_PAIRS = "all_pairs"
    INFORMATION = "information"
    RANDOM_LINK = "random_link"
    OTHER_ORDER = "other_order"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items in their slots."""

    slot_a: int
    slot_b: int
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class PairingSettings:
    """Shares of a round: random links, and pairs that are judged in both orders."""

    random_link_share: float = 0.30
    both_orders_share: float = 0.20


@dataclass(frozen=True, eq=False, kw_only=True)
class PairingState:
    """What the next round depends on: every ordered pair ever asked, answered or not, and the last fit."""

    n_items: int
    asked_a: IntArray
    asked_b: IntArray
    fit: Fit | None = None
    settings: PairingSettings = PairingSettings()

    @classmethod
    def of(
        cls,
        n_items: int,
        asked: Sequence[tuple[int, int]],
        *,
        fit: Fit | None = None,
        settings: PairingSettings | None = None,
    ) -> "PairingState":
        """Build from ordered pairs (slot A, slot B)."""
        array = np.asarray(asked, dtype=np.int64).reshape(-1, 2)
        return cls(
            n_items=n_items,
            asked_a=array[:, 0],
            asked_b=array[:, 1],
            fit=fit,
            settings=settings or PairingSettings(),
        )


def plan_pairs(
    state: PairingState,
    *,
    count: int,
    seed: int,
    policy: Policy = Policy.INFORMATION,
) -> tuple[Pair, ...]:
    """Up to ``count`` pairs for the next round.

    The first rounds are a random cycle through all items: two comparisons an item, one in each slot, and every
    item linked to every other. Raises ``MeasurementError`` for fewer than two items.
    """
    if state.n_items < 2:
        raise MeasurementError("one item cannot be compared: there must be two")
    rng = np.random.default_rng(seed)
    if len(state.asked_a) == 0:
        return _cycle(state.n_items, count, rng)
    return _Round(state, rng).plan(count, policy)


def _cycle(n_items: int, count: int, rng: np.random.Generator) -> tuple[Pair, ...]:
    order = rng.permutation(n_items)
    pairs = [
        Pair(int(order[place]), int(order[(place + 1) % n_items]), Reason.CYCLE) for place in range(n_items)
    ]
    return tuple(pairs[:count])


class _Round:
    """One round in the making: which items are free, and how often each stood in slot A and B."""

    def __init__(self, state: PairingState, rng: np.random.Generator) -> None:
        self.state = state
        self.rng = rng
        n = state.n_items
        self.asked = np.zeros((n, n), np.int64)
        np.add.at(self.asked, (state.asked_a, state.asked_b), 1)
        self.times_a, self.times_b = self.asked.sum(1), self.asked.sum(0)
        self.free: BoolArray = np.ones(n, np.bool_)
        self.pairs: list[Pair] = []

    def plan(self, count: int, policy: Policy) -> tuple[Pair, ...]:
        count = min(count, self.state.n_items // 2)
        self._keep_least_used(2 * count)
        if self.state.n_items < SMALL:
            self._take(self._rarity(), count, Reason.ALL_PAIRS)
            return tuple(self.pairs)
        settings = self.state.settings
        swaps = self._share(count, settings.both_orders_share / (1 + settings.both_orders_share))
        links = self._share(count, settings.random_link_share)
        self._take(self._other_orders(), swaps, Reason.OTHER_ORDER)
        self._take(self._random(), len(self.pairs) + links, Reason.RANDOM_LINK)
        self._take(self._worth(policy), count, Reason.INFORMATION)
        self._take(self._rarity(), count, Reason.RANDOM_LINK)
        return tuple(self.pairs)

    def _share(self, count: int, share: float) -> int:
        """The share of ``count``, rounded up or down by chance, so that it holds over many rounds."""
        return int(count * share + self.rng.random())

    def _keep_least_used(self, wanted: int) -> None:
        """Only the items with the fewest comparisons take part when the round is smaller than all of them."""
        use = self.times_a + self.times_b + self.rng.random(self.state.n_items)
        self.free[:] = False
        self.free[np.argsort(use)[: max(2, wanted)]] = True

    def _take(self, worth: FloatArray, until: int, reason: Reason) -> None:
        """Add the best pairs of free items, best first, until the round has ``until`` pairs."""
        upper = np.triu(np.isfinite(worth) & self._slots_stay_even(), 1)
        first, second = np.nonzero(upper & np.outer(self.free, self.free))
        for place in np.argsort(-worth[first, second], kind="stable"):
            if len(self.pairs) >= until:
                return
            i, j = int(first[place]), int(second[place])
            if self.free[i] and self.free[j]:
                self._add(i, j, reason)

    def _add(self, i: int, j: int, reason: Reason) -> None:
        a, b = (i, j) if self._i_goes_first(i, j) else (j, i)
        self.free[[a, b]] = False
        self.pairs.append(Pair(a, b, reason))

    def _i_goes_first(self, i: int, j: int) -> bool:
        """The item that stood less in slot A goes there; else the order that was asked less; else chance."""
        lead = (self.times_a[i] - self.times_b[i]) - (self.times_a[j] - self.times_b[j])
        if lead == 0:
            lead = self.asked[i, j] - self.asked[j, i]
        return bool(lead < 0 or (lead == 0 and self.rng.random() < 0.5))

    def _slots_stay_even(self) -> BoolArray:
        """Pairs in which each item may get the slot that it had less often."""
        lead = np.sign(self.times_a - self.times_b)
        return np.asarray(np.multiply.outer(lead, lead) <= 0, dtype=np.bool_)

    def _rarity(self) -> FloatArray:
        """Pairs asked least often first."""
        together = (self.asked + self.asked.T).astype(np.float64)
        noise = self.rng.random(together.shape)
        return np.asarray(-together + np.triu(noise, 1), dtype=np.float64)

    def _random(self) -> FloatArray:
        """Pairs never asked, in random order."""
        return np.where(self.asked + self.asked.T == 0, self.rng.random(self.asked.shape), -np.inf)

    def _other_orders(self) -> FloatArray:
        """Pairs asked in one order only, whose other order would keep the slots even."""
        once = (self.asked + self.asked.T) == 1
        lead = self.times_a - self.times_b
        swapped_fits = np.where(self.asked > 0, lead[:, None] - lead[None, :] >= 0, True)
        fits = once & swapped_fits & swapped_fits.T
        return np.where(fits, self.rng.random(self.asked.shape), -np.inf)

    def _worth(self, policy: Policy) -> FloatArray:
        """What a pair is worth under the policy; pairs asked in both orders already are left for the end."""
        fit = self.state.fit
        if fit is None or policy is Policy.RANDOM:
            return self._random()
        distance = fit.theta[:, None] - fit.theta[None, :]
        if policy is Policy.NEAREST:
            worth = -np.abs(distance)
        else:
            p = expit(distance)
            spread = np.diag(fit.covariance)
            separation = spread[:, None] + spread[None, :] - 2 * fit.covariance
            worth = 0.5 * np.log1p(p * (1 - p) * separation)
        return np.where((self.asked > 0) & (self.asked.T > 0), -np.inf, worth)
