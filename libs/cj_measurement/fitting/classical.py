"""The classical fit of the field, by which published sessions were scored: the oracle for our own statistics.

Each score is moved away from the ends, eps + (n − 2 eps)·score/n with eps = .3; abilities take Newton steps one by
one, all items in the same step, and are centred; errors come from each item's own information. The steps, their
limit, the start and the end are those of ``sirt::btm`` (Robitzsch): adjusted scores do not add up to the number of
comparisons, so what was published depends on where the steps end. Where the published steps are cut off by their
number, far from where they lead, Newton's method for all items together goes the rest of the way.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from cj_measurement.comparisons import Comparisons, FloatArray, IntArray
from cj_measurement.errors import GraphNotConnected, InvalidComparisons, NotConverged
from cj_measurement.fitting.information import DENSE_SOLVE_LIMIT, conjugate_gradients
from cj_measurement.reliability import kinnear_ssr_prime, scale_separation_reliability

EPS = 0.3
LAST_STEP = 1e-4
STEPS = 400
STEP_LIMIT_FACTOR = 0.98
"""No ability moves by more than this to the power of the step's number, in logits."""
PUBLISHED_TOLERANCE = 1e-3
"""Steps that are cut off this near to the solution, in logits, end where published figures were taken."""
NEWTON_STEPS = 40
LAST_NEWTON_STEP = 1e-8
MIN_DAMPING = 1e-6
CG_TOLERANCE = 1e-3
NO_SOLUTION = "no finite abilities have the adjusted scores: judge more pairs across the gaps in the ranking"


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassicalFit:
    """Abilities in logits, centred, their errors and mean squares of residuals, each of shape (n,)."""

    theta: FloatArray
    standard_errors: FloatArray
    infit: FloatArray
    outfit: FloatArray

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
    did in the published figures. Raises ``InvalidComparisons`` for items without comparisons (or next to none),
    ``GraphNotConnected``, and ``NotConverged`` where no finite abilities have the adjusted scores.
    """
    part = comparisons.components()
    if not allow_disconnected and part.max() > 0:
        raise GraphNotConnected("some items were never compared with the others: judge pairs that link them")
    itself = np.asarray(self_comparisons, dtype=np.int64).reshape(-1)
    decisions = Decisions(
        comparisons.n_items,
        np.concatenate([comparisons.winners, itself]),
        np.concatenate([comparisons.losers, itself]),
        np.concatenate([comparisons.weight, np.ones(len(itself))]),
    )
    if decisions.total.min() <= EPS:
        raise InvalidComparisons(
            f"an item without comparisons, or of weight {EPS} or less in all, has no classical score: leave it out"
        )
    theta, chance, ended = decisions.published_steps()
    if not ended:
        start = theta if np.isfinite(theta).all() else decisions.start - decisions.start.mean()
        solution = decisions.solution(start, part)
        if not np.abs(solution - theta).max() <= PUBLISHED_TOLERANCE:
            theta, chance = solution, decisions.chance(solution)
    fitted = decisions.result(theta, chance)
    if not np.isfinite([fitted.theta, fitted.standard_errors, fitted.infit, fitted.outfit]).all():
        raise NotConverged(NO_SOLUTION)
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
        """Starting values: the logit of a score's share, moved away from the ends once more."""
        return np.asarray(logit((self.score / self.total + 0.1) / 1.2), dtype=np.float64)

    def chance(self, theta: FloatArray) -> FloatArray:
        """How probable the outcome of each comparison was, shape (m,)."""
        return np.asarray(expit(theta[self.winner] - theta[self.loser]), dtype=np.float64)

    def _by_item(self, values: FloatArray) -> FloatArray:
        """Sums by item of values that winner and loser share."""
        sums = np.bincount(self.winner, values, self.n) + np.bincount(self.loser, values, self.n)
        return np.asarray(sums, dtype=np.float64)

    def _from_losers(self, values: FloatArray) -> FloatArray:
        """Sums by item of values that are added for the winner and subtracted for the loser."""
        sums = np.bincount(self.winner, values, self.n) - np.bincount(self.loser, values, self.n)
        return np.asarray(sums, dtype=np.float64)

    # An item whose ability diverges has no information left: its numbers turn to NaN, and the steps do not end.
    @np.errstate(divide="ignore", invalid="ignore")
    def published_steps(self) -> tuple[FloatArray, FloatArray, bool]:
        """Abilities where the steps end, chances before the last step, and whether they ended by themselves."""
        theta = self.start - self.start.mean()
        limit = 1.0
        for _ in range(STEPS):
            limit *= STEP_LIMIT_FACTOR
            chance = self.chance(theta)
            step = self._residuals(chance) / self._by_item(self.weight * (1 - chance) * chance)
            moved = theta + np.minimum(np.maximum(step, -limit), limit)
            before, theta = theta, np.asarray(moved - moved.mean(), dtype=np.float64)
            if np.abs(theta - before).max() <= LAST_STEP:
                return theta, chance, True
        return theta, chance, False

    def _residuals(self, chance: FloatArray) -> FloatArray:
        """Adjusted minus expected score of each item, shape (n,)."""
        return self.adjustment + self._from_losers(self.weight * (1 - chance))

    @np.errstate(divide="ignore", invalid="ignore")
    def solution(self, theta: FloatArray, part: IntArray) -> FloatArray:
        """Abilities (n,) that the published steps would not move but all alike, by Newton's method with damping.

        Each step moves all items together, each as if the others stood still. Where items of one group only meet items
        of another (a bipartite graph, or nearly so), the groups overshoot in turns and the steps swing about the
        solution until their limit ends them. Newton's method knows how items move each other. ``part`` (n,) numbers
        the parts of the graph, each of which keeps its mean. Raises ``NotConverged``.
        """
        residual, chance = self._residuals_within(theta, part)
        for _ in range(NEWTON_STEPS):
            if not np.isfinite(residual).all():
                raise NotConverged(NO_SOLUTION)
            try:
                step = self._newton_step(residual, chance, part)
            except (NotConverged, np.linalg.LinAlgError) as error:
                raise NotConverged(NO_SOLUTION) from error
            if np.abs(step).max() <= LAST_NEWTON_STEP:
                return theta
            damping = 1.0
            moved, moved_residual, chance = theta + step, *self._residuals_within(theta + step, part)
            while not np.abs(moved_residual).max() < np.abs(residual).max():
                damping /= 2
                if damping < MIN_DAMPING:
                    raise NotConverged(NO_SOLUTION)
                moved = theta + damping * step
                moved_residual, chance = self._residuals_within(moved, part)
            theta, residual = moved, moved_residual
        raise NotConverged(NO_SOLUTION)

    def _residuals_within(self, theta: FloatArray, part: IntArray) -> tuple[FloatArray, FloatArray]:
        """Score residual (n,) of each item, less what all items of its part share, and the chances there."""
        chance = self.chance(theta)
        residual, information = self._residuals(chance), self._by_item(self.weight * (1 - chance) * chance)
        alike = np.bincount(part, residual) / np.bincount(part, information)
        return residual - alike[part] * information, chance

    def _newton_step(self, residual: FloatArray, chance: FloatArray, part: IntArray) -> FloatArray:
        """L⁻¹ r of the residuals r, where L is the information about differences: a Laplacian, to which a weight is
        added on each part's mean, of which the differences say nothing and which the step leaves alone.
        """
        weight = self.weight * (1 - chance) * chance
        information, n = self._by_item(weight), self.n
        on_mean = np.bincount(part, information) / np.bincount(part) ** 2
        if n <= DENSE_SOLVE_LIMIT:
            links = np.bincount(self.winner * n + self.loser, weight, n * n).reshape(n, n)
            matrix = (
                np.diag(information) - links - links.T + np.where(part[:, None] == part, on_mean[part], 0)
            )
            return np.asarray(cho_solve(cho_factor(matrix), residual), dtype=np.float64)

        def times(step: FloatArray) -> FloatArray:
            differences = self._from_losers(weight * (step[self.winner] - step[self.loser]))
            return np.asarray(differences + (on_mean * np.bincount(part, step))[part], dtype=np.float64)

        return conjugate_gradients(times, residual, information, CG_TOLERANCE)

    @np.errstate(divide="ignore", invalid="ignore", over="ignore")
    def result(self, theta: FloatArray, chance: FloatArray) -> ClassicalFit:
        """Errors and mean squares at these chances."""
        information = self._by_item(self.weight * chance * (1 - chance))
        return ClassicalFit(
            theta=theta,
            standard_errors=1 / np.sqrt(information),
            infit=self._by_item(self.weight * (1 - chance) ** 2) / information,
            outfit=self._by_item(self.weight * (1 - chance) / chance) / self.total,
        )
