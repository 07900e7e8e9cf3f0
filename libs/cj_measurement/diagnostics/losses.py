"""Judgements that were asked for and not obtained, by item."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc

from cj_measurement.comparisons import BoolArray, IntArray
from cj_measurement.errors import InvalidArgument

CLUSTER_CHANCE = 0.01
"""Losses are flagged that would be seen in one batch in a hundred if every judgement were lost as easily."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Losses:
    """Judgements asked for, missing and rejected, by item (n,); ``clustered`` has more lost than chance explains."""

    asked: IntArray
    missing: IntArray
    rejected: IntArray
    clustered: BoolArray


def losses(
    n_items: int, *, judged: npt.ArrayLike, missing: npt.ArrayLike = (), rejected: npt.ArrayLike = ()
) -> Losses:
    """Count pairs (k, 2) that were judged, never answered, and answered in a way that could not be used, by item.

    An item is flagged when it lost more judgements than binomial chance, at the batch's own rate of loss, would take
    from any item in one batch in a hundred (Bonferroni).
    """
    answered, silent, refused = (_by_item(n_items, pairs) for pairs in (judged, missing, rejected))
    lost, asked = silent + refused, answered + silent + refused
    rate = lost.sum() / max(int(asked.sum()), 1)
    chance = np.where(lost > 0, bdtrc(np.maximum(lost - 1, 0), asked, rate), 1.0)
    return Losses(asked=asked, missing=silent, rejected=refused, clustered=chance < CLUSTER_CHANCE / n_items)


def _by_item(n_items: int, pairs: npt.ArrayLike) -> IntArray:
    items = np.asarray(pairs, dtype=np.int64).reshape(-1)
    if len(items) and not (items.min() >= 0 and items.max() < n_items):
        raise InvalidArgument(f"items are numbered 0 to {n_items - 1}")
    return np.bincount(items, minlength=n_items)
