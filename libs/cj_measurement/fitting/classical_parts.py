"""The classical fit of many parts of a session side by side, as split-half reliability needs it."""

import numpy as np

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray
from cj_measurement.fitting.classical import STEP_LIMIT_FACTOR, STEPS, Decisions

MOMENTUM = 0.7
LAST_STEP_OF_A_PART = 1e-3
"""Where the steps of a half end: a tenth of the third digit of its correlation."""
COMPARISONS_PER_CHUNK = 128_000
"""In all parts that are fitted side by side: some hundred halves of a usual batch, a few of a huge one."""


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def abilities_of_parts(comparisons: Comparisons, parts: BoolArray) -> FloatArray:
    """Abilities (parts, n) of parts of a session, each a row of ``parts`` (parts, m); NaN where a part has no
    comparison of an item. Never raises: a part in which abilities diverge is left where the steps end.

    For halves: steps with momentum reach about the same end sooner, and fitting many parts together sooner still.
    """
    abilities = np.full((len(parts), comparisons.n_items), np.nan)
    chunk = max(1, COMPARISONS_PER_CHUNK // max(1, len(comparisons)))
    for start in range(0, len(parts), chunk):
        _Parts(comparisons, parts[start : start + chunk]).fit(abilities[start : start + chunk])
    return abilities


class _Parts:
    """Parts of a session side by side: each has items of its own, numbered through."""

    def __init__(self, comparisons: Comparisons, parts: BoolArray) -> None:
        self.shape = len(parts), comparisons.n_items
        part, chosen = np.nonzero(parts)
        first = part * comparisons.n_items
        self.winner, self.loser = first + comparisons.winners[chosen], first + comparisons.losers[chosen]
        self.weight = comparisons.weight[chosen]
        whole = Decisions(parts.shape[0] * comparisons.n_items, self.winner, self.loser, self.weight)
        self.seen = (whole.total > 0).reshape(self.shape).astype(np.float64)
        self.adjustment = np.where(self.seen, whole.adjustment.reshape(self.shape), 0.0)
        self.start = np.where(self.seen, whole.start.reshape(self.shape), 0.0)
        self.row = np.arange(len(parts))

    def fit(self, abilities: FloatArray) -> None:
        """Fill in each part's row, as soon as it is settled."""
        theta = before = self._centred(self.start)
        limit = 1.0
        for _ in range(STEPS):
            limit *= STEP_LIMIT_FACTOR
            step = np.clip(self._step(theta), -limit, limit)
            before, theta = theta, self._centred(theta + step) + MOMENTUM * (theta - before)
            moving = np.abs(theta - before).max(1, initial=0.0) > LAST_STEP_OF_A_PART
            if not moving.all():
                self._write(abilities, theta, ~moving)
                self._keep(moving)
                theta, before = theta[moving], before[moving]
                if not len(theta):
                    return
        self._write(abilities, theta, np.ones(len(theta), np.bool_))

    def _step(self, theta: FloatArray) -> FloatArray:
        flat = theta.ravel()
        odds = np.exp(flat.take(self.winner) - flat.take(self.loser))
        surprise = self.weight / (1 + odds)
        beyond = np.bincount(self.winner, surprise, theta.size) - np.bincount(
            self.loser, surprise, theta.size
        )
        surprise *= odds / (1 + odds)
        information = np.bincount(self.winner, surprise, theta.size) + np.bincount(
            self.loser, surprise, theta.size
        )
        step = (self.adjustment.ravel() + beyond) / (information + 1 - self.seen.ravel())
        return np.asarray(step, dtype=np.float64).reshape(theta.shape)

    def _centred(self, theta: FloatArray) -> FloatArray:
        """Around each part's mean; items that a part has not seen are and stay at 0."""
        means = theta.sum(1) / np.maximum(self.seen.sum(1), 1)
        return np.asarray(theta - means[:, None] * self.seen, dtype=np.float64)

    def _write(self, abilities: FloatArray, theta: FloatArray, settled: BoolArray) -> None:
        abilities[self.row[settled]] = np.where(self.seen[settled] > 0, theta[settled], np.nan)

    def _keep(self, moving: BoolArray) -> None:
        """Continue with these parts alone, renumbered."""
        n = self.shape[1]
        part = self.winner // n
        kept = moving[part]
        shift = ((np.cumsum(moving) - 1 - np.arange(len(moving))) * n)[part[kept]]
        self.winner, self.loser = self.winner[kept] + shift, self.loser[kept] + shift
        self.weight = self.weight[kept]
        self.seen, self.adjustment, self.row = self.seen[moving], self.adjustment[moving], self.row[moving]
