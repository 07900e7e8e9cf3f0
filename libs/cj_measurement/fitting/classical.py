"""The classical fit of the field, by which published sessions were scored: the oracle for our own statistics.

Each score is moved away from the ends, eps + (n − 2 eps)·score/n with eps = .3; abilities take Newton steps one by
one, all at once, and are centred; errors come from each item's own information. The steps, their limit, the start
and the end are those of ``sirt::btm`` (Robitzsch), because adjusted scores do not add up to the number of
comparisons: there is no exact solution, and what was published depends on where the steps end.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.errors import GraphNotConnected, InvalidComparisons, NotConverged
from cj_measurement.reliability import kinnear_ssr_prime, scale_separation_reliability

EPS = 0.3
LAST_STEP = 1e-4
STEPS = 400
STEP_LIMIT_FACTOR = 0.98
"""No ability moves by more than this to the power of the step's number, in logits."""
MOMENTUM = 0.7
LAST_STEP_OF_A_PART = 1e-3
"""Where the steps of a half end: a tenth of the third digit of its correlation."""
COMPARISONS_AT_ONCE = 128_000
"""In all parts that are fitted side by side: some hundred halves of a usual batch, a few of a huge one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassicalFit:
    """Abilities in logits, centred, their errors and mean squares of residuals, each of shape (n,).

    ``converged`` is false where the steps ended by their limit.
    """

    theta: FloatArray
    standard_errors: FloatArray
    infit: FloatArray
    outfit: FloatArray
    converged: bool

    @property
    def ssr(self) -> float:
        """See ``reliability.scale_separation_reliability``."""
        return scale_separation_reliability(self.theta, self.standard_errors)

    @property
    def ssr_prime(self) -> float:
        """See ``reliability.kinnear_ssr_prime``."""
        return kinnear_ssr_prime(self.theta, self.standard_errors)


def fit_classical(
    comparisons: Comparisons, *, self_comparisons: npt.ArrayLike = (), allow_disconnected: bool = False
) -> ClassicalFit:
    """Fit abilities as published sessions were; position effects are unknown to it.

    ``self_comparisons`` are items that a session compared with themselves: each counts as a win and a loss, as it
    did in the published figures. Raises ``InvalidComparisons`` for items without comparisons,
    ``GraphNotConnected`` and ``NotConverged``.
    """
    if not allow_disconnected and comparisons.components().max() > 0:
        raise GraphNotConnected("some items were never compared with the others: judge pairs that link them")
    itself = np.asarray(self_comparisons, dtype=np.int64).reshape(-1)
    decisions = _Decisions(
        comparisons.n_items,
        np.concatenate([comparisons.winners, itself]),
        np.concatenate([comparisons.losers, itself]),
        np.concatenate([comparisons.weight, np.ones(len(itself))]),
    )
    if decisions.total.min() <= 0:
        raise InvalidComparisons("an item without comparisons has no classical score: leave it out")
    fitted = decisions.fit()
    if not fitted.converged:
        raise NotConverged(f"the classical fit still moves after {STEPS} steps")
    return fitted


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def abilities_of_parts(comparisons: Comparisons, parts: BoolArray) -> FloatArray:
    """Abilities (parts, n) of parts of a session, each a row of ``parts`` (parts, m); NaN where a part has no
    comparison of an item. Never raises: a part whose items run away is left where the steps end.

    For halves: steps with momentum come to about the same end sooner, and of many parts at once sooner again.
    """
    abilities = np.full((len(parts), comparisons.n_items), np.nan)
    at_once = max(1, COMPARISONS_AT_ONCE // max(1, len(comparisons)))
    for start in range(0, len(parts), at_once):
        _Parts(comparisons, parts[start : start + at_once]).fit(abilities[start : start + at_once])
    return abilities


class _Parts:
    """Parts of a session side by side: each has items of its own, numbered through."""

    def __init__(self, comparisons: Comparisons, parts: BoolArray) -> None:
        self.shape = len(parts), comparisons.n_items
        part, chosen = np.nonzero(parts)
        first = part * comparisons.n_items
        self.winner, self.loser = first + comparisons.winners[chosen], first + comparisons.losers[chosen]
        self.weight = comparisons.weight[chosen]
        whole = _Decisions(parts.shape[0] * comparisons.n_items, self.winner, self.loser, self.weight)
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
        told = np.bincount(self.winner, surprise, theta.size) + np.bincount(self.loser, surprise, theta.size)
        step = (self.adjustment.ravel() + beyond) / (told + 1 - self.seen.ravel())
        return np.asarray(step, dtype=np.float64).reshape(theta.shape)

    def _centred(self, theta: FloatArray) -> FloatArray:
        """Around each part's mean; items that a part has not seen are and stay at 0."""
        means = theta.sum(1) / np.maximum(self.seen.sum(1), 1)
        return np.asarray(theta - means[:, None] * self.seen, dtype=np.float64)

    def _write(self, abilities: FloatArray, theta: FloatArray, settled: BoolArray) -> None:
        abilities[self.row[settled]] = np.where(self.seen[settled] > 0, theta[settled], np.nan)

    def _keep(self, moving: BoolArray) -> None:
        """Go on with these parts alone, numbered anew."""
        n = self.shape[1]
        part = self.winner // n
        kept = moving[part]
        shift = ((np.cumsum(moving) - 1 - np.arange(len(moving))) * n)[part[kept]]
        self.winner, self.loser = self.winner[kept] + shift, self.loser[kept] + shift
        self.weight = self.weight[kept]
        self.seen, self.adjustment, self.row = self.seen[moving], self.adjustment[moving], self.row[moving]


class _Decisions:
    """Who beat whom, and the adjusted scores."""

    def __init__(self, n: int, winner: IntArray, loser: IntArray, weight: FloatArray) -> None:
        self.n, self.winner, self.loser, self.weight = n, winner, loser, weight
        wins = np.bincount(winner, weight, n)
        self.total = self._by_item(weight)
        self.score = EPS + (self.total - 2 * EPS) * wins / np.maximum(self.total, EPS)
        self.adjustment = self.score - wins

    @property
    def start(self) -> FloatArray:
        """Where the steps begin: the logit of a score's share, moved away from the ends once more."""
        return np.asarray(logit((self.score / self.total + 0.1) / 1.2), dtype=np.float64)

    def _by_item(self, values: FloatArray) -> FloatArray:
        """Sums by item of values that winner and loser share."""
        sums = np.bincount(self.winner, values, self.n) + np.bincount(self.loser, values, self.n)
        return np.asarray(sums, dtype=np.float64)

    # An item that runs away leaves no information behind: its numbers turn to NaN, and the fit does not converge.
    @np.errstate(divide="ignore", invalid="ignore")
    def fit(self) -> ClassicalFit:
        theta = self.start - self.start.mean()
        limit = 1.0
        for _ in range(STEPS):
            limit *= STEP_LIMIT_FACTOR
            chance = expit(theta[self.winner] - theta[self.loser])
            before, theta = theta, self._step(theta, chance, limit)
            if np.abs(theta - before).max() <= LAST_STEP:
                return self._result(theta, chance, converged=True)
        return self._result(theta, chance, converged=False)

    def _step(self, theta: FloatArray, chance: FloatArray, limit: float) -> FloatArray:
        surprise = self.weight * (1 - chance)
        beyond = np.bincount(self.winner, surprise, self.n) - np.bincount(self.loser, surprise, self.n)
        step = (self.adjustment + beyond) / self._by_item(surprise * chance)
        moved = theta + np.minimum(np.maximum(step, -limit), limit)
        return np.asarray(moved - moved.mean(), dtype=np.float64)

    def _result(self, theta: FloatArray, chance: FloatArray, *, converged: bool) -> ClassicalFit:
        """Errors and mean squares are those before the last step."""
        information = self._by_item(self.weight * chance * (1 - chance))
        return ClassicalFit(
            theta=theta,
            standard_errors=1 / np.sqrt(information),
            infit=self._by_item(self.weight * (1 - chance) ** 2) / information,
            outfit=self._by_item(self.weight * (1 - chance) / chance) / self.total,
            converged=converged,
        )
