"""Newton's method for the mode of a posterior that is log-concave, or nearly so."""

from typing import Protocol, TypeVar

import numpy as np

from cj_measurement.comparisons import FloatArray
from cj_measurement.errors import NotConverged
from cj_measurement.fitting.information import Information

MAX_ITERATIONS = 100
MIN_STEP = 1e-10
ROUNDING = 1e-12


class Point(Protocol):
    """A place in the parameter space."""

    @property
    def parameters(self) -> FloatArray:
        """Its coordinates."""


PointT = TypeVar("PointT", bound=Point)


class LogDensity(Protocol[PointT]):
    """What is climbed: a posterior as this method needs it."""

    @property
    def basis(self) -> FloatArray | None:
        """That of the discriminations; None where there are none, and the density is log-concave."""

    def at(self, parameters: FloatArray) -> PointT:
        """The place with these coordinates."""

    def log_posterior(self, point: PointT, tau: float) -> float:
        """The height there."""

    def gradient(self, point: PointT, tau: float) -> FloatArray:
        """The slope there."""

    def information(self, point: PointT, tau: float, *, expected: bool = False) -> Information:
        """Minus the matrix of second derivatives there, or what is expected of it."""


@np.errstate(over="ignore", invalid="ignore")  # A step that overflows is shortened or refused.
def climb(
    posterior: LogDensity[PointT], tau: float, start: FloatArray, tolerance: float
) -> tuple[PointT, int]:
    """The mode given τ, from ``start``, and the number of steps to it.

    Raises ``NotConverged`` unless every component of the gradient comes below ``tolerance``.
    """
    point = posterior.at(start)
    gradient = posterior.gradient(point, tau)
    for iteration in range(MAX_ITERATIONS):
        steepest = float(np.abs(gradient).max())
        if steepest < tolerance:
            return point, iteration
        # Loosely at first, then so that convergence stays fast, and never closer than is asked for.
        forcing = max(min(0.03, steepest / 3), tolerance / (3 * steepest))
        point, gradient = _step(posterior, point, gradient, tau, forcing)
    raise NotConverged(f"no mode after {MAX_ITERATIONS} Newton steps at tau={tau:.3g}")


def _step(
    posterior: LogDensity[PointT], point: PointT, gradient: FloatArray, tau: float, forcing: float
) -> tuple[PointT, FloatArray]:
    """One Newton step, solved for to a relative residual of ``forcing``; else one of Fisher's."""
    try:
        step = posterior.information(point, tau).solve(gradient, tolerance=forcing)
        return _move(posterior, point, gradient, step, tau)
    except NotConverged:
        if posterior.basis is None:
            raise
    step = posterior.information(point, tau, expected=True).solve(gradient, tolerance=forcing)
    return _move(posterior, point, gradient, step, tau)


def _move(
    posterior: LogDensity[PointT], point: PointT, gradient: FloatArray, step: FloatArray, tau: float
) -> tuple[PointT, FloatArray]:
    """The whole step where the gradient shrinks short of the mode; else as much as improves the posterior."""
    value, scale, slope = None, 1.0, np.einsum("i,i->", gradient, step)
    while scale > MIN_STEP:
        moved = posterior.at(point.parameters + scale * step)
        turned = posterior.gradient(moved, tau)
        is_beyond = np.einsum("i,i->", turned, step) < -slope / 2
        if posterior.basis is None and not is_beyond and np.abs(turned).max() < np.abs(gradient).max():
            return moved, turned
        value = posterior.log_posterior(point, tau) if value is None else value
        if posterior.log_posterior(moved, tau) > value - ROUNDING * abs(value):
            return moved, turned
        scale /= 2
    raise NotConverged("no Newton step improves the posterior")
