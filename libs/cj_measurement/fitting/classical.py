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

from cj_measurement.comparisons import Comparisons, FloatArray, IntArray
from cj_measurement.errors import GraphNotConnected, InvalidComparisons, NotConverged
from cj_measurement.reliability import kinnear_ssr_prime, scale_separation_reliability

EPS = 0.3
LAST_STEP = 1e-4
STEPS = 400
STEP_LIMIT_FACTOR = 0.98
"""No ability moves by more than this to the power of the step's number, in logits."""


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
    decisions = Decisions(
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


class Decisions:
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
