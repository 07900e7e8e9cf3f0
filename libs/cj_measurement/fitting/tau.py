"""The search for τ: the value under which the comparisons are most probable."""

import math
from collections.abc import Callable, Sequence

import numpy.typing as npt

from cj_measurement.errors import NotConverged
from cj_measurement.fitting.posterior import TAU_RANGE, Mode, Posterior
from cj_measurement.fitting.result import Fit

TAU_TOLERANCE = 1e-3
"""The search ends when log τ would move by less; τ itself is known to a tenth or worse."""
MAX_EVALUATIONS = 40


class Profile:
    """The log evidence as a function of log τ; every mode starts from the one before."""

    def __init__(self, posterior: Posterior, start: "npt.ArrayLike | Fit | None") -> None:
        self.posterior = posterior
        self._values: dict[float, float] = {}
        self._warm = posterior.start(start.theta if isinstance(start, Fit) else start)
        if isinstance(start, Fit) and start.posterior.size == posterior.size:
            self._warm[posterior.n :] = start.mode.parameters[posterior.n :]

    def mode(self, log_tau: float) -> Mode:
        mode = self.posterior.mode(math.exp(log_tau), self._warm)
        self._warm = mode.parameters
        return mode

    def __call__(self, log_tau: float) -> float:
        if log_tau not in self._values:
            self._values[log_tau] = self.posterior.log_evidence(self.mode(log_tau))
        return self._values[log_tau]


def best_log_tau(profile: Profile, tau: float | Sequence[float] | None, near: float | None) -> float:
    if tau is None:
        guess, step = (0.0, 0.5) if near is None else (math.log(near), 0.05)
        return _maximise(profile, guess, step=step, bounds=(math.log(TAU_RANGE[0]), math.log(TAU_RANGE[1])))
    if isinstance(tau, int | float):
        return math.log(tau)
    return max((math.log(value) for value in tau), key=profile)


def _maximise(
    value: Callable[[float], float], guess: float, *, step: float, bounds: tuple[float, float]
) -> float:
    """The place of the maximum, by parabolas through the best three places; an end of ``bounds`` if it lies there."""
    start = min(max(guess, bounds[0] + step), bounds[1] - step)
    values = {place: value(place) for place in (start, start - step, start + step)}
    for _ in range(MAX_EVALUATIONS):
        best = max(values, key=values.__getitem__)
        place = _next_place(values, best, bounds)
        if abs(place - best) < TAU_TOLERANCE:
            return place
        values[place] = value(place)
    raise NotConverged(f"no best tau after {MAX_EVALUATIONS} evaluations of the evidence")


def _next_place(values: dict[float, float], best: float, bounds: tuple[float, float]) -> float:
    """Outwards while the best place is the outermost, else between its neighbours, where a parabola has its top."""
    below = max((place for place in values if place < best), default=None)
    above = min((place for place in values if place > best), default=None)
    if below is None or above is None:
        inner = above if below is None else below
        outwards = best if inner is None else best + 2 * (best - inner)
        return min(max(outwards, bounds[0]), bounds[1])
    vertex = _vertex(*sorted(values, key=values.__getitem__)[-3:], values=values)
    if below < vertex < above:
        return vertex
    return (best + (above if above - best > best - below else below)) / 2


def _vertex(left: float, middle: float, right: float, *, values: dict[float, float]) -> float:
    """Where the parabola through three places has its turning point; the middle one where they lie on a line."""
    rise = (middle - left) * (values[middle] - values[right])
    fall = (middle - right) * (values[middle] - values[left])
    if rise == fall:
        return middle
    return middle - ((middle - left) * rise - (middle - right) * fall) / (2 * (rise - fall))
