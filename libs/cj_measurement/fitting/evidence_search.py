"""The joint search for τ and the judges' answer scales: where the answers are most probable.

The gradient of Laplace's evidence is exact, or nearly so where judges have discriminations: by log τ it is
E θᵀθ/τ² − n, by a cut the expected derivative of the log likelihood, both over the posterior to first order. Therefore
only few modes are computed: a quasi-Newton search (BFGS), whose first matrix is the one that the evidence would have if
abilities were known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cj_measurement.comparisons import BoolArray, FloatArray
from cj_measurement.errors import NotConverged
from cj_measurement.fitting.answer_scales import AnswerScale
from cj_measurement.fitting.information import DENSE_SOLVE_LIMIT
from cj_measurement.fitting.likelihood import Graded
from cj_measurement.fitting.moments import Moments
from cj_measurement.fitting.posterior import TAU_RANGE, Mode, Posterior

MODE_TOLERANCE = 2e-3
"""Of the gradient of modes on the way: the evidence is then known to 1e-5 nats. The last one is as exact as any."""
NEGLIGIBLE_GAIN = 1e-3
"""In nats: the search ends when the expected improvement is below this."""
MAX_STEPS = 60
MAX_HALVINGS = 6
BEYOND = 0.9
MAX_LOG_TAU_STEP = 1.0
MAX_STEP = 3.0
SETTLING_STEPS = 6
MAX_SETTLING_STEP = 1.0
CHORD_STEPS = 6
RIDGE = 1e-3
"""Added to the curvature by each parameter: where nothing is known of it, steps stay finite."""
MIN_GAP = 1e-3
"""Between two cuts in logits."""
MIN_FIRST_TAU = 0.3
"""Below, the evidence is flat in log τ: a search that begins there does not move."""
DIFFERENCE = 0.05
"""Step in log τ, a cut or γ over which the evidence's curvature and the abilities' movement are measured."""
MAX_ERROR = 2.0
"""Standard error of any combination of log τ, cuts and γ beyond which a parabola through the evidence says nothing."""
MAX_PARAMETER = 30.0
"""Cuts and γ beyond are those of levels that never err: going further gains nothing."""


def settled(scale: AnswerScale, moments: Moments, weight: FloatArray) -> AnswerScale:
    """The scale that suits abilities which another scale found: a start that costs no mode."""
    place = scale.parameters
    for _ in range(SETTLING_STEPS):
        score = scale.score(moments.ahead, moments.shift, moments.variance, weight)
        step = _solved(scale.curvature(moments.ahead, weight) + RIDGE * np.eye(len(place)), score)
        step *= min(1.0, MAX_SETTLING_STEP / max(float(np.abs(step).max()), 1e-12))
        while not _ascends(scale.at(place + step)):
            step /= 2
        place = place + step
        scale = scale.at(place)
    return scale


def _solved(matrix: FloatArray, right: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise NotConverged("the answers leave open how the levels are used") from error


def _ascends(scale: AnswerScale) -> bool:
    return bool((np.diff(scale.edges) > MIN_GAP).all())


class ScaleSearch:
    """The search for τ and the scales of one posterior, and its current state: ``mode`` and ``moments``.

    It begins from the scales and the τ given, and from parameters ``start`` (size,); ``moving`` are the places of the
    scales that are estimated, all of them without it. Raises ``NotConverged``.
    """

    def __init__(
        self,
        posterior: Posterior,
        scales: Sequence[AnswerScale],
        *,
        tau: float,
        tau_fixed: bool,
        start: FloatArray,
        moving: Sequence[int] | None = None,
    ) -> None:
        self.posterior, self.scales, self.tau_fixed = posterior, tuple(scales), tau_fixed
        self._moving = tuple(range(len(scales))) if moving is None else tuple(moving)
        self._bounds = (math.log(TAU_RANGE[0]), math.log(TAU_RANGE[1]))
        self._last: Mode | None = None
        self._warm = start
        parts = [self.scales[place].parameters for place in self._moving]
        first = math.log(tau if tau_fixed else max(tau, MIN_FIRST_TAU))
        self._place = np.concatenate([[first], *parts])
        self._gradient = self._look(self._place)
        self._matrix = self._first_matrix()

    def climb(self, negligible: float = NEGLIGIBLE_GAIN) -> None:
        """Continue until a step improves by less than ``negligible`` nats; raises ``NotConverged``."""
        for _ in range(MAX_STEPS):
            step = self._step()
            if self._gradient @ step / 2 < negligible:
                return
            self._move(step * self._length(step))
        raise NotConverged(f"no best answer scales after {MAX_STEPS} steps")

    def reached(self) -> "Scaled":
        """Current state of the search, its mode known to ``MODE_TOLERANCE``."""
        _, scales = self._at(self._place)
        evidence = self.mode.posterior.log_evidence(self.mode)
        return Scaled(mode=self.mode, scales=scales, log_evidence=evidence, moments=self.moments)

    def result(self) -> "Scaled":
        """The exact mode there."""
        reached = self.reached()
        mode = reached.mode.posterior.mode(reached.mode.tau, reached.mode.parameters)
        return replace(reached, mode=mode, log_evidence=mode.posterior.log_evidence(mode))

    def ability_errors(self) -> FloatArray:
        """Covariance R Rᵀ that abilities have because τ and the scales are estimated: R (n, r), at the best place.

        R = J V^½ (Kass & Steffey 1989): J is how the mode moves with log τ, cuts and γ, V the inverse of the evidence's
        curvature in them, both by central differences.
        """
        n, best = self.posterior.n, self._place
        moving = np.flatnonzero(self._movable())
        curvature, movement = np.empty((len(moving), len(moving))), np.empty((n, len(moving)))
        for column, place in enumerate(moving):
            step = np.zeros_like(best)
            step[place] = DIFFERENCE / 2
            gradients, abilities = [], []
            for side in (best - step, best + step):
                gradients.append(self._look(side)[moving])
                abilities.append(self.mode.parameters[:n].copy())
            curvature[:, column] = (gradients[0] - gradients[1]) / DIFFERENCE
            movement[:, column] = (abilities[1] - abilities[0]) / DIFFERENCE
        bends, directions = np.linalg.eigh((curvature + curvature.T) / 2)
        spread = movement @ (directions / np.sqrt(np.maximum(bends, MAX_ERROR**-2)))
        return np.asarray(spread if self.posterior.fixed is not None else spread - spread.mean(axis=0))

    def _at(self, place: FloatArray) -> tuple[float, tuple[AnswerScale, ...]]:
        scales, at = list(self.scales), 1
        for index in self._moving:
            size = len(scales[index].parameters)
            scales[index] = scales[index].at(place[at : at + size])
            at += size
        return math.exp(float(place[0])), tuple(scales)

    def _read(self, scales: Sequence[AnswerScale]) -> Posterior:
        return self.posterior.reading(Graded.of(len(self.posterior.data), scales))

    def _look(self, place: FloatArray) -> FloatArray:
        """The gradient of the evidence, shape as ``place``."""
        tau, scales = self._at(place)
        posterior = self._read(scales)
        self.mode = posterior.mode(tau, self._predicted(posterior, tau), tolerance=MODE_TOLERANCE)
        self._last, self._warm = self.mode, self.mode.parameters
        self.moments = moments = Moments.of(self.mode)
        parts = [
            scales[index].score(moments.ahead, moments.shift, moments.variance, self.posterior.weight)
            for index in self._moving
        ]
        by_tau = moments.ability_square / tau**2 - self.posterior.n_free
        return np.concatenate([[by_tau], *parts])

    def _predicted(self, posterior: Posterior, tau: float) -> FloatArray:
        """Where the next mode will be about, by steps with the matrix of the last one, which is factorised."""
        if self._last is None or posterior.size > DENSE_SOLVE_LIMIT or posterior.basis is not None:
            return self._warm
        point = posterior.at(self._warm)
        gradient = posterior.gradient(point, tau)
        for _ in range(CHORD_STEPS):
            moved = posterior.at(point.parameters + self._last.information.solve(gradient))
            turned = posterior.gradient(moved, tau)
            if np.abs(turned).max() > np.abs(gradient).max() / 2:
                break
            point, gradient = moved, turned
            if np.abs(gradient).max() < MODE_TOLERANCE:
                break
        return point.parameters

    def _first_matrix(self) -> FloatArray:
        place = self._place
        tau, scales = self._at(place)
        ahead, weight = self.moments.ahead, self.posterior.weight
        blocks = [scales[index].curvature(ahead, weight) for index in self._moving]
        matrix = RIDGE * np.eye(len(place))
        spread = float(np.mean(self._warm[: self.posterior.n] ** 2)) / tau**2
        matrix[0, 0] = 2 * self.posterior.n_free * min(max(spread, 0.1), 1.0)
        at = 1
        for block in blocks:
            matrix[at : at + len(block), at : at + len(block)] += block
            at += len(block)
        return matrix

    def _step(self) -> FloatArray:
        """A quasi-Newton step of what may move: not of a cut or γ that has no end, nor of τ beyond its range."""
        free = self._movable()
        step = self._solved(free)
        if self.tau_fixed or self._bounds[0] <= self._place[0] + step[0] <= self._bounds[1]:
            return step
        # τ goes to the end of its range, and the others as if it had been there.
        moved = (self._bounds[0] if step[0] < 0 else self._bounds[1]) - self._place[0]
        free[0] = False
        step = self._solved(free, self._gradient - self._matrix[:, 0] * moved)
        step[0] = moved
        return step

    def _movable(self) -> BoolArray:
        free: BoolArray = np.abs(self._place) < MAX_PARAMETER
        free[0] = not self.tau_fixed
        return free

    def _solved(self, free: BoolArray, right: FloatArray | None = None) -> FloatArray:
        step = np.zeros_like(self._place)
        if free.any():
            gradient = self._gradient if right is None else right
            step[free] = _solved(self._matrix[np.ix_(free, free)], gradient[free])
        return step

    def _length(self, step: FloatArray) -> float:
        """How much of a step may be taken: none too long, and cuts kept in order."""
        place = self._place
        length = min(1.0, MAX_LOG_TAU_STEP / max(abs(step[0]), 1e-12))
        length = min(length, MAX_STEP / max(float(np.abs(step).max()), 1e-12))
        while not self._in_order(place + length * step):
            length /= 2
        return float(length)

    def _in_order(self, place: FloatArray) -> bool:
        _, scales = self._at(place)
        return all(_ascends(scales[index]) for index in self._moving)

    def _move(self, step: FloatArray) -> None:
        """Take the step, shortened while it ends far beyond the top."""
        slope = float(self._gradient @ step)
        turned = self._look(self._place + step)
        for _ in range(MAX_HALVINGS):
            if turned @ step > -BEYOND * slope:
                break
            step, slope = step / 2, slope / 2
            turned = self._look(self._place + step)
        self._matrix = _updated(self._matrix, step, self._gradient - turned)
        self._place, self._gradient = self._place + step, turned


@dataclass(frozen=True, eq=False, kw_only=True)
class Scaled:
    """The mode under the best τ and scales, its evidence, and moments of the posterior about there."""

    mode: Mode
    scales: tuple[AnswerScale, ...]
    log_evidence: float
    moments: Moments


def _updated(matrix: FloatArray, moved: FloatArray, turned: FloatArray) -> FloatArray:
    """Broyden, Fletcher, Goldfarb and Shanno's update, left out where the evidence bends upwards."""
    bend = float(moved @ turned)
    image = matrix @ moved
    before = float(moved @ image)
    if bend <= 1e-3 * before:
        return matrix
    return np.asarray(
        matrix - np.outer(image, image) / before + np.outer(turned, turned) / bend, dtype=np.float64
    )
