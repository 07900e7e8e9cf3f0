"""The Bradley–Terry model with a position effect and an estimated prior (empirical Bayes).

P(A wins) = σ(θ_A − θ_B + b_j), θ ~ N(0, τ²), and τ² is the value under which the data are most probable
(marginal likelihood by Laplace's approximation). b_j is judge j's preference for the first slot, in logits.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from cj_measurement.comparisons import Comparisons, FloatArray, IntArray
from cj_measurement.errors import GraphNotConnected, NotConverged

TOLERANCE = 1e-8
MAX_ITERATIONS = 100
TAU_RANGE = (0.02, 20.0)
"""Bounds of τ in logits: below, everything is noise; above, the data are separated."""
POSITION_PRIOR_SD = 2.0
"""A weak prior on b_j keeps it finite for a judge who always prefers one slot."""
MIN_SLOT_USES = 10
"""b_j is estimated for judges with at least this many comparisons won by either slot or lost, together."""

PositionEffects = Literal["auto", "none"]


@dataclass(frozen=True)
class PositionBias:
    """A judge's preference for the first slot: ``b`` and its standard error in logits, from ``n`` comparisons."""

    judge: int
    b: float
    standard_error: float
    n: int

    @property
    def p_first_if_equal(self) -> float:
        """P(the first of two equal essays wins)."""
        return float(expit(self.b))


@dataclass(frozen=True, eq=False)
class Fit:
    """Abilities in logits, sum-to-zero; ``covariance`` is the posterior's, shape (n, n), given τ."""

    theta: FloatArray
    covariance: FloatArray
    tau: float
    position_bias: tuple[PositionBias, ...]
    log_evidence: float
    iterations: int

    @property
    def standard_errors(self) -> FloatArray:
        """sqrt(diag C), shape (n,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def eb_reliability(self) -> float:
        """See ``reliability.eb_reliability``."""
        from cj_measurement.reliability import eb_reliability

        return eb_reliability(self.theta, self.covariance)


@dataclass(frozen=True, eq=False)
class _Mode:
    parameters: FloatArray
    factor: tuple[FloatArray, bool]
    log_posterior: float
    iterations: int


def fit(
    comparisons: Comparisons,
    *,
    start: FloatArray | None = None,
    position_effects: PositionEffects = "auto",
    allow_disconnected: bool = False,
) -> Fit:
    """Fit abilities, position effects and τ.

    Raises ``GraphNotConnected`` unless every item is linked to every other or ``allow_disconnected`` is set,
    and ``NotConverged``. ``start`` (n,) is an earlier θ.
    """
    if not allow_disconnected and len(np.unique(comparisons.components())) > 1:
        raise GraphNotConnected("some items were never compared with the others: judge pairs that link them")
    judges = _biased_judges(comparisons) if position_effects == "auto" else np.empty(0, np.int64)
    model = _Model(comparisons, judges)
    warm = model.initial(start)

    def cost(log_tau: float) -> float:
        nonlocal warm
        mode = model.mode(np.exp(log_tau), warm)
        warm = mode.parameters
        return -model.log_evidence(mode, np.exp(log_tau))

    best = minimize_scalar(
        cost,
        bounds=(math.log(TAU_RANGE[0]), math.log(TAU_RANGE[1])),
        method="bounded",
        options={"xatol": 1e-3},
    )
    tau = float(np.exp(best.x))
    mode = model.mode(tau, warm)
    return model.result(mode, tau)


def _biased_judges(comparisons: Comparisons) -> IntArray:
    uses = np.bincount(comparisons.judge, minlength=comparisons.n_judges)
    return np.flatnonzero(uses >= MIN_SLOT_USES)


class _Model:
    """Log posterior of (θ, b) given τ, its gradient and Hessian."""

    def __init__(self, comparisons: Comparisons, judges: IntArray) -> None:
        self.data = comparisons
        self.judges = judges
        self.n = comparisons.n_items
        place = np.full(comparisons.n_judges, -1)
        place[judges] = np.arange(len(judges))
        self.effect = place[comparisons.judge]
        self.has_effect = self.effect >= 0
        self.sign = np.where(comparisons.a_won, 1.0, -1.0)

    def initial(self, start: FloatArray | None) -> FloatArray:
        parameters = np.zeros(self.n + len(self.judges))
        if start is not None:
            parameters[: self.n] = start
        return parameters

    def mode(self, tau: float, start: FloatArray) -> _Mode:
        """The mode by Newton's method with step halving."""
        parameters, value = start, self.log_posterior(start, tau)
        for iteration in range(1, MAX_ITERATIONS + 1):
            gradient, hessian = self.derivatives(parameters, tau)
            factor = cho_factor(hessian, lower=True)
            if np.abs(gradient).max(initial=0.0) < TOLERANCE:
                return _Mode(parameters, factor, value, iteration)
            parameters, value = self._step(parameters, value, cho_solve(factor, gradient), tau)
        raise NotConverged(f"no mode after {MAX_ITERATIONS} Newton steps at tau={tau:.3g}")

    def _step(
        self, parameters: FloatArray, value: float, step: FloatArray, tau: float
    ) -> tuple[FloatArray, float]:
        scale = 1.0
        while scale > 1e-10:
            moved = parameters + scale * step
            reached = self.log_posterior(moved, tau)
            if reached >= value - 1e-12 * abs(value):
                return moved, reached
            scale /= 2
        raise NotConverged("no Newton step improves the posterior")

    def _eta(self, parameters: FloatArray) -> FloatArray:
        theta, effects = parameters[: self.n], parameters[self.n :]
        eta = theta[self.data.slot_a] - theta[self.data.slot_b]
        if len(effects):
            eta = eta + np.where(self.has_effect, effects[self.effect], 0.0)
        return eta

    def log_posterior(self, parameters: FloatArray, tau: float) -> float:
        theta, effects = parameters[: self.n], parameters[self.n :]
        likelihood = log_expit(self.sign * self._eta(parameters)).sum()
        return float(
            likelihood - theta @ theta / (2 * tau**2) - effects @ effects / (2 * POSITION_PRIOR_SD**2)
        )

    def derivatives(self, parameters: FloatArray, tau: float) -> tuple[FloatArray, FloatArray]:
        p = expit(self._eta(parameters))
        residual, weight = self.data.a_won - p, p * (1 - p)
        return self._gradient(parameters, residual, tau), self._hessian(weight, tau)

    def _gradient(self, parameters: FloatArray, residual: FloatArray, tau: float) -> FloatArray:
        gradient = np.empty_like(parameters)
        gradient[: self.n] = (
            np.bincount(self.data.slot_a, residual, self.n)
            - np.bincount(self.data.slot_b, residual, self.n)
            - parameters[: self.n] / tau**2
        )
        gradient[self.n :] = (
            np.bincount(self.effect[self.has_effect], residual[self.has_effect], len(self.judges))
            - parameters[self.n :] / POSITION_PRIOR_SD**2
        )
        return gradient

    def _hessian(self, weight: FloatArray, tau: float) -> FloatArray:
        n, size = self.n, self.n + len(self.judges)
        a, b = self.data.slot_a, self.data.slot_b
        flat = np.bincount(a * size + b, weight, size * size).reshape(size, size)
        hessian = -(flat + flat.T)
        degree = np.bincount(a, weight, n) + np.bincount(b, weight, n)
        hessian[np.arange(n), np.arange(n)] = degree + 1 / tau**2
        used, effect = self.has_effect, self.effect
        cross = np.zeros((n, len(self.judges)))
        np.add.at(cross, (a[used], effect[used]), weight[used])
        np.subtract.at(cross, (b[used], effect[used]), weight[used])
        hessian[:n, n:], hessian[n:, :n] = cross, cross.T
        places = np.arange(n, size)
        hessian[places, places] = (
            np.bincount(effect[used], weight[used], len(self.judges)) + 1 / POSITION_PRIOR_SD**2
        )
        return hessian

    def log_evidence(self, mode: _Mode, tau: float) -> float:
        log_determinant = 2 * np.log(np.diag(mode.factor[0])).sum()
        return float(mode.log_posterior - self.n * np.log(tau) - log_determinant / 2)

    def result(self, mode: _Mode, tau: float) -> Fit:
        covariance = cho_solve(mode.factor, np.eye(len(mode.parameters)))
        effects = mode.parameters[self.n :]
        errors = np.sqrt(np.diag(covariance)[self.n :])
        uses = np.bincount(self.data.judge, minlength=self.data.n_judges)
        return Fit(
            theta=mode.parameters[: self.n] - mode.parameters[: self.n].mean(),
            covariance=covariance[: self.n, : self.n],
            tau=tau,
            position_bias=tuple(
                PositionBias(int(judge), float(b), float(error), int(uses[judge]))
                for judge, b, error in zip(self.judges, effects, errors, strict=True)
            ),
            log_evidence=self.log_evidence(mode, tau),
            iterations=mode.iterations,
        )
