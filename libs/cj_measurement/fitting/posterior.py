"""The posterior of abilities and judges' parameters: value, gradient, information, and random draws.

P(A wins) = σ(a_j (θ_A − θ_B) + b_j), θ ~ N(0, τ²), b_j ~ N(0, 2²), log a_j ~ N(0, ½²) with Σ log a_j = 0.
Parameters stand in one vector: n abilities, the position effects, the free coordinates of the discriminations.
"""

import math
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.linalg import helmert

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.fitting.information import DENSE_LIMIT, Information
from cj_measurement.fitting.likelihood import Likelihood, Winner
from cj_measurement.fitting.newton import climb

TOLERANCE = 1e-8
COLUMNS_PER_CHUNK = 100
TAU_RANGE = (0.02, 20.0)
"""Bounds of τ in logits: below, everything is noise; above, the data are separated."""
POSITION_PRIOR_SD = 2.0
"""A weak prior on b_j keeps it finite for a judge who always prefers one slot."""
DISCRIMINATION_PRIOR_SD = 0.5
"""A weak prior on log a_j keeps it finite for a judge who never contradicts, or always contradicts, the scale."""


@dataclass(frozen=True, eq=False)
class FixedAbilities:
    """Abilities that are known and not estimated: ``theta`` (n,) where ``known`` (n,) is true."""

    known: BoolArray
    theta: FloatArray


@dataclass(frozen=True, eq=False)
class Point:
    """A place in the parameter space, and what the comparisons say there.

    ``behind`` (m,) is minus the logit of what happened, ``chances`` what the likelihood makes of it, ``surprise`` (m,)
    the derivative of the log likelihood: without levels, how probable the other outcome of each comparison was.
    """

    parameters: FloatArray
    behind: FloatArray
    chances: FloatArray
    surprise: FloatArray


@dataclass(frozen=True, eq=False)
class Mode:
    """The posterior's mode given τ."""

    posterior: "Posterior"
    point: Point
    tau: float
    iterations: int

    @property
    def parameters(self) -> FloatArray:
        """Where it is, shape (size,)."""
        return self.point.parameters

    @cached_property
    def information(self) -> Information:
        """H there."""
        return self.posterior.information(self.point, self.tau)


class Posterior:
    """The log posterior of one set of comparisons; everything but τ is settled."""

    def __init__(
        self,
        comparisons: Comparisons,
        *,
        position_judges: IntArray,
        discrimination: bool = False,
        fixed: FixedAbilities | None = None,
    ) -> None:
        self.data = comparisons
        self.n = comparisons.n_items
        self.weight = comparisons.weight
        self.winner, self.loser = comparisons.winners, comparisons.losers
        self.fixed = fixed
        self.free = None if fixed is None else ~fixed.known
        self.judges = position_judges
        self.effect = np.full(comparisons.n_judges, len(position_judges))
        self.effect[position_judges] = np.arange(len(position_judges))
        self.basis = helmert(comparisons.n_judges) if discrimination else None
        self.likelihood: Likelihood = Winner()

    @property
    def n_effects(self) -> int:
        """Number of position effects."""
        return len(self.judges)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.n + self.n_effects + (0 if self.basis is None else len(self.basis))

    @property
    def n_free(self) -> int:
        """Number of abilities that the prior of variance τ² is about; a free prior mean takes one away."""
        return self.n if self.free is None else int(self.free.sum()) - 1

    def reweighted(self, weight: FloatArray) -> "Posterior":
        """The posterior in which the comparisons have these weights (m,), 0 among them."""
        other = copy(self)
        other.weight = weight
        return other

    def reading(self, likelihood: Likelihood) -> "Posterior":
        """The posterior in which the answers say something else."""
        other = copy(self)
        other.likelihood = likelihood
        return other

    def start(self, theta: npt.ArrayLike | None) -> FloatArray:
        """Parameters to start from, with abilities ``theta`` (n,), moved to where the known ones are.

        Without them the logit of each item's share of wins saves a Newton step or two.
        """
        abilities = self._logits_of_wins() if theta is None else np.asarray(theta, np.float64)
        if self.fixed is not None:
            known = self.fixed.known
            shift = np.mean(self.fixed.theta[known] - abilities[known])
            abilities = np.where(known, self.fixed.theta, abilities + shift)
        return np.concatenate([abilities, np.zeros(self.size - self.n)])

    def _logits_of_wins(self) -> FloatArray:
        wins = np.bincount(self.winner, self.weight, self.n)
        losses = np.bincount(self.loser, self.weight, self.n)
        return np.asarray(np.log((wins + 1) / (losses + 1)), dtype=np.float64)

    def split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Abilities (n,), position effects (effects,), discriminations (judges,) or (0,) when they are all 1."""
        n, k = self.n, self.n_effects
        effects, coordinates = parameters[n : n + k], parameters[n + k :]
        log_slopes = np.empty(0) if self.basis is None else self.basis.T @ coordinates
        return parameters[:n], effects, np.exp(log_slopes)

    def at(self, parameters: FloatArray) -> Point:
        """Look at the comparisons from ``parameters``."""
        theta, effects, _ = self.split(parameters)
        behind = theta.take(self.loser)
        behind -= theta.take(self.winner)
        if self.basis is not None:
            behind *= self._slope(parameters)
        if self.n_effects:
            behind -= self._sign * np.append(effects, 0.0).take(self._judge_effect)
        chances = self.likelihood.chances(behind)
        return Point(parameters, behind, chances, self.likelihood.surprise(chances))

    @cached_property
    def _sign(self) -> FloatArray:
        """1 where slot A won, −1 where slot B did, (m,): which way a position effect works on what happened."""
        return np.where(self.data.a_won, 1.0, -1.0)

    @cached_property
    def _judge_effect(self) -> IntArray:
        """The position effect of each comparison, (m,); one beyond the last stands for none."""
        return np.asarray(self.effect[self.data.judge], dtype=np.int64)

    def _slope(self, parameters: FloatArray) -> FloatArray:
        """The discrimination of each comparison's judge, (m,)."""
        return self.split(parameters)[2].take(self.data.judge)

    def _lead(self, parameters: FloatArray) -> FloatArray:
        """By how much the winner of each comparison is the better one, (m,)."""
        return np.asarray(parameters.take(self.winner) - parameters.take(self.loser), dtype=np.float64)

    def log_posterior(self, point: Point, tau: float) -> float:
        """Log likelihood and log priors, up to a constant that depends on τ alone."""
        penalty = self._prior_pull(point.parameters, tau)
        likelihood = np.einsum("i,i->", self.weight, self.likelihood.log(point.behind))
        return float(likelihood - np.einsum("i,i->", penalty, point.parameters) / 2)

    def _prior_pull(self, parameters: FloatArray, tau: float) -> FloatArray:
        """Minus the gradient of the log prior, shape (size,)."""
        n, k = self.n, self.n_effects
        pull = parameters / tau**2
        if self.free is not None:
            pull[:n] = np.where(self.free, pull[:n] - pull[:n][self.free].mean(), 0.0)
        pull[n : n + k] = parameters[n : n + k] / POSITION_PRIOR_SD**2
        pull[n + k :] = parameters[n + k :] / DISCRIMINATION_PRIOR_SD**2
        return pull

    def steepness(self, point: Point) -> FloatArray:
        """Weighted information of each comparison about its logit, shape (m,)."""
        return self.likelihood.steepness(point.chances, self.weight)

    def gradient(self, point: Point, tau: float) -> FloatArray:
        """Gradient of the log posterior, shape (size,)."""
        return self.pull(point.surprise * self.weight, point) - self._prior_pull(point.parameters, tau)

    def pull(self, residual: FloatArray, point: Point) -> FloatArray:
        """Jᵀ r: what residuals by comparison (m,) in favour of what happened come to by parameter (size,)."""
        n, k = self.n, self.n_effects
        pull = np.empty(self.size)
        along = residual if self.basis is None else residual * self._slope(point.parameters)
        np.subtract(np.bincount(self.winner, along, n), np.bincount(self.loser, along, n), out=pull[:n])
        if self.free is not None:
            pull[:n] *= self.free
        if k:
            pull[n : n + k] = np.bincount(self._judge_effect, self._sign * residual, k + 1)[:k]
        if self.basis is not None:
            stretch = np.bincount(self.data.judge, along * self._lead(point.parameters), self.data.n_judges)
            pull[n + k :] = self.basis @ stretch
        return pull

    def push(self, x: FloatArray, point: Point) -> FloatArray:
        """J x: how the logits of what happened (m, r) move with the parameters (size, r)."""
        n, k = self.n, self.n_effects
        moved = x[self.winner] - x[self.loser]
        if self.basis is not None:
            stretch = self._lead(point.parameters)[:, None] * (self.basis.T @ x[n + k :])[self.data.judge]
            moved = self._slope(point.parameters)[:, None] * (moved + stretch)
        if k:
            moved += self._sign[:, None] * np.vstack([x[n : n + k], np.zeros(x.shape[1])])[self._judge_effect]
        return np.asarray(moved, dtype=np.float64)

    def information(
        self, point: Point, tau: float, *, expected: bool = False, with_known: bool = False
    ) -> Information:
        """Minus the second derivatives of the log posterior; with ``with_known`` known abilities keep their rows.

        ``expected`` leaves out what has mean zero over decisions, which only discriminations bring in: never
        indefinite, but not as exact.
        """
        weight = self.steepness(point)
        residual = np.zeros(1) if expected else self.weight * point.surprise
        steep = weight if self.basis is None else weight * self._slope(point.parameters) ** 2
        links, free = self.data.links.matrix(steep), None if with_known else self.free
        degree = np.asarray(links @ np.ones(self.n), dtype=np.float64)
        border = self._border(weight, residual, point)
        if free is not None:
            links = self.data.links.matrix(steep * free[self.winner] * free[self.loser])
            degree = np.where(free, degree, 1.0)
            border = border * free[:, None]
        return Information(
            links=links,
            degree=degree,
            precision=tau**-2,
            border=border,
            corner=self._corner(weight, residual, point),
            free=free,
            prior_mean_free=self.fixed is not None and not with_known,
        )

    def _border(self, weight: FloatArray, residual: FloatArray, point: Point) -> FloatArray:
        slope = 1.0 if self.basis is None else self._slope(point.parameters)
        blocks = []
        if self.n_effects:
            effects = self._by_item(self._judge_effect, self.n_effects + 1, self._sign * weight * slope)
            blocks.append(effects[:, :-1])
        if self.basis is not None:
            along = slope * (weight * slope * self._lead(point.parameters) - residual)
            blocks.append(self._by_item(self.data.judge, self.data.n_judges, along) @ self.basis.T)
        return np.hstack(blocks) if blocks else np.empty((self.n, 0))

    def _by_item(self, column: IntArray, columns: int, values: FloatArray) -> FloatArray:
        """Sums of values by item and column, those of losers taken away from those of winners."""
        cells = self.n * columns
        won = np.bincount(self.winner * columns + column, values, cells)
        lost = np.bincount(self.loser * columns + column, values, cells)
        return np.asarray((won - lost).reshape(self.n, columns), dtype=np.float64)

    def _corner(self, weight: FloatArray, residual: FloatArray, point: Point) -> FloatArray:
        k = self.n_effects
        corner = np.zeros((self.size - self.n, self.size - self.n))
        effects = np.bincount(self._judge_effect, weight, k + 1)[:k] if k else np.empty(0)
        corner[np.arange(k), np.arange(k)] = effects + POSITION_PRIOR_SD**-2
        if self.basis is not None:
            judge, judges = self.data.judge, self.data.n_judges
            stretched = self._slope(point.parameters) * self._lead(point.parameters)
            steep = self._sign * weight * stretched
            across = np.bincount(self._judge_effect * judges + judge, steep, (k + 1) * judges)
            within = np.bincount(judge, stretched * (weight * stretched - residual), judges)
            corner[:k, k:] = across.reshape(k + 1, judges)[:k] @ self.basis.T
            corner[k:, :k] = corner[:k, k:].T
            prior = np.eye(judges - 1) / DISCRIMINATION_PRIOR_SD**2
            corner[k:, k:] = (self.basis * within) @ self.basis.T + prior
        return corner

    def mode(self, tau: float, start: FloatArray, *, tolerance: float = TOLERANCE) -> Mode:
        """The mode by Newton's method from ``start``.

        Raises ``NotConverged`` unless every component of the gradient comes below ``tolerance``.
        """
        point, iterations = climb(self, tau, start, tolerance)
        return Mode(self, point, tau, iterations)

    def log_evidence(self, mode: Mode) -> float:
        """log m(τ²) by Laplace's approximation, up to a constant that does not depend on τ."""
        height = self.log_posterior(mode.point, mode.tau)
        return height - self.n_free * math.log(mode.tau) - mode.information.log_determinant() / 2

    def draws(self, mode: Mode, count: int, generator: np.random.Generator) -> FloatArray:
        """Draws from N(0, H⁻¹), shape (size, count); 0 for abilities known in advance."""
        if self.n > DENSE_LIMIT:
            return self._draws(self._square(mode), mode, count, generator)
        normal = generator.standard_normal((self.size, count))
        if self.free is not None:
            normal[: self.n] *= self.free[:, None]
        return mode.information.draws(normal)

    def variances(self, mode: Mode, count: int, generator: np.random.Generator) -> FloatArray:
        """Diagonal of H⁻¹ (size,), estimated from draws.

        Each draw gives the conditional mean of every parameter given all the others: the variance is 1/H_ii plus that
        of the conditional mean (Sidén, Lindgren, Bolin & Villani 2018).
        """
        information = self._square(mode)
        draws, own = self._draws(information, mode, count, generator), information.own_precision
        means = draws - information.times(draws) / own[:, None]
        return np.asarray(1 / own + np.mean(means**2, axis=1), dtype=np.float64)

    def mean_shift(self, mode: Mode, count: int, generator: np.random.Generator) -> FloatArray:
        """Posterior mean minus mode (size,), to first order: ½ H⁻¹ Jᵀ (ℓ‴ ∘ R), R the variances of the logits.

        The posterior leans outwards, the more so the fewer surprises an item met (Tierney & Kadane 1986). Beyond
        ``DENSE_LIMIT`` items R comes from ``count`` draws.
        """
        point = mode.point
        if self.n <= DENSE_LIMIT:
            roots = mode.information.draws(np.eye(self.size))
        else:
            roots = self._draws(self._square(mode), mode, count, generator) / np.sqrt(count)
        if self.free is not None:
            roots[: self.n] *= self.free[:, None]
        variance = self.logit_variances(roots, point)
        third = self.likelihood.third(point.chances, self.weight)
        return mode.information.solve(self.pull(third * variance, point)) / 2

    def logit_variances(self, roots: FloatArray, point: Point) -> FloatArray:
        """Variances of the logits of what happened (m,); ``roots`` R (size, r): R Rᵀ is the parameters' covariance."""
        total = np.zeros(len(self.data))
        for start in range(0, roots.shape[1], COLUMNS_PER_CHUNK):
            moved = self.push(roots[:, start : start + COLUMNS_PER_CHUNK], point)
            total += np.einsum("mr,mr->m", moved, moved)
        return total

    def _square(self, mode: Mode) -> Information:
        """H as a sum of squares, which can be drawn from: with discriminations, the expected information."""
        if self.basis is None:
            return mode.information
        return self.information(mode.point, mode.tau, expected=True)

    def _draws(
        self, information: Information, mode: Mode, count: int, generator: np.random.Generator
    ) -> FloatArray:
        """Each solves H x = r for an r with covariance H (Papandreou & Yuille 2010)."""
        point = mode.point
        spread = np.sqrt(self.steepness(point))
        right = np.empty((self.size, count))
        for column in range(count):
            noise = generator.standard_normal(len(spread))
            right[:, column] = self.pull(spread * noise, point) + self._prior_noise(mode.tau, generator)
        return information.solve(right, tolerance=1e-6)

    def _prior_noise(self, tau: float, generator: np.random.Generator) -> FloatArray:
        n, k = self.n, self.n_effects
        noise = generator.standard_normal(self.size)
        if self.free is not None:
            noise[:n] = np.where(self.free, noise[:n] - noise[:n][self.free].mean(), 0.0)
        noise[:n] /= tau
        noise[n : n + k] /= POSITION_PRIOR_SD
        noise[n + k :] /= DISCRIMINATION_PRIOR_SD
        return noise
