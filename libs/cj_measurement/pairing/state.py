"""What the next round of pairs depends on, and what a chosen pair is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cj_measurement.comparisons import IntArray
from cj_measurement.errors import InvalidArgument
from cj_measurement.fitting.result import Fit
from cj_measurement.pairing.asked_pairs import AskedPairs


class Policy(StrEnum):
    """How pairs are chosen once all items are linked; all but ``information`` are there to be compared with it."""

    INFORMATION = "information"
    RANDOM = "random"
    NEAREST = "nearest"
    SWISS = "swiss"


class Reason(StrEnum):
    """Why a pair was chosen."""

    CYCLE = "cycle"
    ALL_PAIRS = "all_pairs"
    INFORMATION = "information"
    RANDOM_LINK = "random_link"
    OTHER_ORDER = "other_order"
    NEIGHBOUR = "neighbour"


RANDOM_REASONS = frozenset({Reason.CYCLE, Reason.RANDOM_LINK})
"""Reasons of the pairs that were drawn at random."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items in their slots."""

    slot_a: int
    slot_b: int
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class PairingSettings:
    """Shares of all pairs: those drawn at random, and those that are judged in both orders, at least.

    The last is for judges whose levels count: they need few comparisons, and each second order is one fewer new pair.
    """

    random_link_share: float = 0.30
    both_orders_share: float = 0.20
    graded_both_orders_share: float = 0.10

    def __post_init__(self) -> None:
        for name in ("random_link_share", "both_orders_share", "graded_both_orders_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidArgument(f"{name} is a share: give a number from 0 to 1")


@dataclass(frozen=True, eq=False, kw_only=True)
class PairingState:
    """What the next round depends on: every ordered pair ever asked, answered or not, and the last fit.

    ``random_links`` of the pairs asked were drawn at random (``RANDOM_REASONS``).
    """

    n_items: int
    asked: AskedPairs
    random_links: int
    fit: Fit | None = None
    settings: PairingSettings = PairingSettings()

    @property
    def awaits_levels(self) -> bool:
        """Whether a judge states levels that are not tested yet: what an answer tells is not known then.

        By its winners alone near pairs would be chosen, which tell least where levels count; random ones are good
        either way.
        """
        return self.fit is not None and any(evidence.awaits_test for evidence in self.fit.levels)

    @property
    def both_orders_share(self) -> float:
        """The share that holds under the last fit."""
        is_graded = self.fit is not None and self.fit.is_graded
        return self.settings.graded_both_orders_share if is_graded else self.settings.both_orders_share

    def with_asked(self, pairs: Sequence[Pair]) -> "PairingState":
        """The state once these pairs are asked as well, with the same fit."""
        if not pairs:
            return self
        more = np.array([(pair.slot_a, pair.slot_b) for pair in pairs], np.int64)
        return replace(
            self,
            asked=self.asked.plus(more[:, 0], more[:, 1]),
            random_links=self.random_links + sum(pair.reason in RANDOM_REASONS for pair in pairs),
        )

    @classmethod
    def of(
        cls,
        n_items: int,
        asked: npt.ArrayLike,
        *,
        random_links: int | None = None,
        fit: Fit | None = None,
        settings: PairingSettings | None = None,
    ) -> "PairingState":
        """Build from ordered pairs (slot A, slot B), shape (m, 2); raises ``InvalidArgument``.

        Without ``random_links`` only the first cycle is taken to have been drawn at random.
        """
        pairs = np.asarray(asked, dtype=np.int64).reshape(-1, 2)
        _check(n_items, pairs, fit)
        return cls(
            n_items=n_items,
            asked=AskedPairs(n_items, pairs[:, 0], pairs[:, 1]),
            random_links=min(n_items, len(pairs)) if random_links is None else random_links,
            fit=fit,
            settings=settings or PairingSettings(),
        )


def _check(n_items: int, pairs: IntArray, fit: Fit | None) -> None:
    if n_items < 2:
        raise InvalidArgument("one item cannot be compared: there must be two")
    if len(pairs) and (pairs.min() < 0 or pairs.max() >= n_items or np.any(pairs[:, 0] == pairs[:, 1])):
        raise InvalidArgument(f"a pair is two of the items 0 to {n_items - 1}")
    if fit is not None and fit.n_items != n_items:
        raise InvalidArgument(f"the fit is of {fit.n_items} items, not of {n_items}")
