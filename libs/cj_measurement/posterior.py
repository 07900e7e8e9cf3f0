"""The posterior of abilities and judges' parameters: value, gradient, information, and random draws.

P(A wins) = σ(a_j (θ_A − θ_B) + b_j), θ ~ N(0, τ²), b_j ~ N(0, 2²), log a_j ~ N(0, ½²) with Σ log a_j = 0.
Parameters stand in one vector: n abilities, the position effects, the free coordinates of the discriminations.
"""

import math
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import helmert
from scipy.special import expit, log_expit

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.errors import NotConverged
from cj_measurement.information import DENSE_LIMIT, Information

TOLERANCE = 1e-8
MAX_ITERATIONS = 100
SMALLEST_STEP = 1e-10
ROUNDING = 1e-12
COLUMNS_AT_ONCE = 100
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

    By comparison (m,): ``signed_logit`` of what happened, its probability ``chance``, the ``difference`` of the
    abilities and the judge's ``slope``.
    """

    parameters: FloatArray
    signed_logit: FloatArray
    chance: FloatArray
    difference: FloatArray
    slope: FloatArray | float


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
        self.sign = np.where(comparisons.a_won, 1.0, -1.0)
        self.fixed = fixed
        self.free = None if fixed is None else ~fixed.known
        self.judges = position_judges
        self.effect = np.full(comparisons.n_judges, len(position_judges))
        self.effect[position_judges] = np.arange(len(position_judges))
        self.basis = helmert(comparisons.n_judges) if discrimination else None

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

    def start(self, theta: FloatArray | None) -> FloatArray:
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
        wins = np.bincount(self.data.winners, self.weight, self.n)
        losses = np.bincount(self.data.losers, self.weight, self.n)
        return np.asarray(np.log((wins + 1) / (losses + 1)), dtype=np.float64)

    def split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Abilities (n,), position effects (effects,), discriminations (judges,) or (0,) when they are all 1."""
        n, k = self.n, self.n_effects
        effects, coordinates = parameters[n : n + k], parameters[n + k :]
        log_slopes = np.empty(0) if self.basis is None else self.basis.T @ coordinates
        return parameters[:n], effects, np.exp(log_slopes)

    def at(self, parameters: FloatArray) -> Point:
        """Look at the comparisons from ``parameters``."""
        theta, effects, slopes = self.split(parameters)
        difference = theta.take(self.data.slot_a) - theta.take(self.data.slot_b)
        slope = slopes.take(self.data.judge) if self.basis is not None else 1.0
        logit = slope * difference
        if self.n_effects:
            logit += np.append(effects, 0.0).take(self._judge_effect)
        logit *= self.sign
        return Point(parameters, logit, expit(logit), difference, slope)

    @cached_property
    def _judge_effect(self) -> IntArray:
        """The position effect of each comparison, (m,); one beyond the last stands for none."""
        return np.asarray(self.effect[self.data.judge], dtype=np.int64)

    def log_posterior(self, point: Point, tau: float) -> float:
        """Log likelihood and log priors, up to a constant that depends on τ alone."""
        penalty = self._prior_pull(point.parameters, tau)
        likelihood = np.einsum("i,i->", self.weight, log_expit(point.signed_logit))
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

    def gradient(self, point: Point, tau: float) -> FloatArray:
        """Gradient of the log posterior, shape (size,)."""
        residual = self.sign * (1 - point.chance) * self.weight
        return self._pull(residual, point) - self._prior_pull(point.parameters, tau)

    def _pull(self, residual: FloatArray, point: Point) -> FloatArray:
        """Jᵀ r: what residuals by comparison (m,) come to by parameter (size,)."""
        n, k = self.n, self.n_effects
        a, b = self.data.slot_a, self.data.slot_b
        pull = np.empty(self.size)
        along = residual * point.slope
        pull[:n] = np.bincount(a, along, n) - np.bincount(b, along, n)
        if self.free is not None:
            pull[:n] *= self.free
        if k:
            pull[n : n + k] = np.bincount(self._judge_effect, residual, k + 1)[:k]
        if self.basis is not None:
            stretch = np.bincount(self.data.judge, along * point.difference, self.data.n_judges)
            pull[n + k :] = self.basis @ stretch
        return pull

    def _push(self, x: FloatArray, point: Point) -> FloatArray:
        """J x: how the logits of the comparisons (m, r) move with the parameters (size, r)."""
        n, k = self.n, self.n_effects
        slope = np.broadcast_to(point.slope, point.difference.shape)[:, None]
        moved = slope * (x[self.data.slot_a] - x[self.data.slot_b])
        if k:
            moved += np.vstack([x[n : n + k], np.zeros(x.shape[1])])[self._judge_effect]
        if self.basis is not None:
            moved += slope * point.difference[:, None] * (self.basis.T @ x[n + k :])[self.data.judge]
        return np.asarray(moved, dtype=np.float64)

    def information(
        self, point: Point, tau: float, *, expected: bool = False, with_known: bool = False
    ) -> Information:
        """Minus the second derivatives of the log posterior; with ``with_known`` known abilities keep their rows.

        ``expected`` leaves out what has mean zero over decisions, which only discriminations bring in: never
        indefinite, but not as exact.
        """
        weight = self.weight * point.chance * (1 - point.chance)
        surprise = np.zeros(1) if expected else self.sign * (1 - point.chance) * self.weight
        steep = weight * point.slope**2
        a, b = self.data.slot_a, self.data.slot_b
        degree = np.asarray(np.bincount(a, steep, self.n) + np.bincount(b, steep, self.n), np.float64)
        border = self._border(weight, surprise, point)
        free = None if with_known else self.free
        if free is not None:
            steep = steep * free[a] * free[b]
            degree = np.where(free, degree, 1.0)
            border = border * free[:, None]
        return Information(
            links=self.data.links.matrix(steep),
            degree=degree,
            precision=tau**-2,
            border=border,
            corner=self._corner(weight, surprise, point),
            free=free,
            prior_mean_free=self.fixed is not None and not with_known,
        )

    def _border(self, weight: FloatArray, surprise: FloatArray, point: Point) -> FloatArray:
        blocks = []
        if self.n_effects:
            effects = self._by_item(self._judge_effect, self.n_effects + 1, weight * point.slope)
            blocks.append(effects[:, :-1])
        if self.basis is not None:
            along = point.slope * (weight * point.slope * point.difference - surprise)
            blocks.append(self._by_item(self.data.judge, self.data.n_judges, along) @ self.basis.T)
        return np.hstack(blocks) if blocks else np.empty((self.n, 0))

    def _by_item(self, column: IntArray, columns: int, values: FloatArray) -> FloatArray:
        """Sums of values by item and column, those of slot B taken away from those of slot A."""
        cells = self.n * columns
        in_a = np.bincount(self.data.slot_a * columns + column, values, cells)
        in_b = np.bincount(self.data.slot_b * columns + column, values, cells)
        return np.asarray((in_a - in_b).reshape(self.n, columns), dtype=np.float64)

    def _corner(self, weight: FloatArray, surprise: FloatArray, point: Point) -> FloatArray:
        k = self.n_effects
        corner = np.zeros((self.size - self.n, self.size - self.n))
        effects = np.bincount(self._judge_effect, weight, k + 1)[:k] if k else np.empty(0)
        corner[np.arange(k), np.arange(k)] = effects + POSITION_PRIOR_SD**-2
        if self.basis is not None:
            judge, judges = self.data.judge, self.data.n_judges
            logit = point.slope * point.difference
            across = np.bincount(self._judge_effect * judges + judge, weight * logit, (k + 1) * judges)
            within = np.bincount(judge, logit * (weight * logit - surprise), judges)
            corner[:k, k:] = across.reshape(k + 1, judges)[:k] @ self.basis.T
            corner[k:, :k] = corner[:k, k:].T
            prior = np.eye(judges - 1) / DISCRIMINATION_PRIOR_SD**2
            corner[k:, k:] = (self.basis * within) @ self.basis.T + prior
        return corner

    def mode(self, tau: float, start: FloatArray, *, tolerance: float = TOLERANCE) -> Mode:
        """The mode by Newton's method from ``start``.

        Raises ``NotConverged`` unless every component of the gradient comes below ``tolerance``.
        """
        point = self.at(start)
        gradient = self.gradient(point, tau)
        for iteration in range(MAX_ITERATIONS):
            steepest = float(np.abs(gradient).max())
            if steepest < tolerance:
                return Mode(self, point, tau, iteration)
            point, gradient = self._step(point, gradient, tau)
        raise NotConverged(f"no mode after {MAX_ITERATIONS} Newton steps at tau={tau:.3g}")

    def _step(self, point: Point, gradient: FloatArray, tau: float) -> tuple[Point, FloatArray]:
        """One Newton step, solved for loosely at first and so that convergence stays fast; else one of Fisher's."""
        forcing = min(0.05, float(np.abs(gradient).max()))
        try:
            step = self.information(point, tau).solve(gradient, tolerance=forcing)
            return self._move(point, gradient, step, tau)
        except NotConverged:
            if self.basis is None:
                raise
        step = self.information(point, tau, expected=True).solve(gradient, tolerance=forcing)
        return self._move(point, gradient, step, tau)

    def _move(
        self, point: Point, gradient: FloatArray, step: FloatArray, tau: float
    ) -> tuple[Point, FloatArray]:
        """The whole step where the gradient shrinks; else as much of it as improves the posterior."""
        value, scale = None, 1.0
        while scale > SMALLEST_STEP:
            moved = self.at(point.parameters + scale * step)
            turned = self.gradient(moved, tau)
            if self.basis is None and np.abs(turned).max() < np.abs(gradient).max():
                return moved, turned
            value = self.log_posterior(point, tau) if value is None else value
            if self.log_posterior(moved, tau) > value - ROUNDING * abs(value):
                return moved, turned
            scale /= 2
        raise NotConverged("no Newton step improves the posterior")

    def log_evidence(self, mode: Mode) -> float:
        """log m(τ²) by Laplace's approximation, up to a constant that does not depend on τ."""
        height = self.log_posterior(mode.point, mode.tau)
        return height - self.n_free * math.log(mode.tau) - mode.information.log_determinant() / 2

    def draws(self, mode: Mode, count: int, generator: np.random.Generator) -> FloatArray:
        """Draws from N(0, H⁻¹), shape (size, count); 0 for abilities known beforehand."""
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
        variance = sum(
            np.einsum("mr,mr->m", moved, moved)
            for start in range(0, roots.shape[1], COLUMNS_AT_ONCE)
            for moved in [self._push(roots[:, start : start + COLUMNS_AT_ONCE], point)]
        )
        third = self.sign * self.weight * point.chance * (1 - point.chance) * (2 * point.chance - 1)
        return mode.information.solve(self._pull(third * variance, point)) / 2

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
        spread = np.sqrt(self.weight * point.chance * (1 - point.chance))
        right = np.empty((self.size, count))
        for column in range(count):
            noise = generator.standard_normal(len(spread))
            right[:, column] = self._pull(spread * noise, point) + self._prior_noise(mode.tau, generator)
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
