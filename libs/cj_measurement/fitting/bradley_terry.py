"""The Bradley–Terry model with judges' parameters and an estimated prior (empirical Bayes).

P(A wins) = σ(a_j (θ_A − θ_B) + b_j), θ ~ N(0, τ²), and τ² is the value under which the data are most probable
(marginal likelihood by Laplace's approximation). b_j is judge j's preference for the first slot, in logits; a_j is
how sharply the judge tells items apart, 1 for all unless it is asked for, then with a geometric mean of 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from cj_measurement.comparisons import Comparisons, FloatArray, IntArray
from cj_measurement.errors import (
    GraphNotConnected,
    InvalidArgument,
    InvalidComparisons,
    NotConverged,
    TooLarge,
)
from cj_measurement.fitting.information import DENSE_LIMIT
from cj_measurement.fitting.posterior import FixedAbilities, Mode, Posterior
from cj_measurement.reliability import eb_reliability_of

TAU_RANGE = (0.02, 20.0)
"""Bounds of τ in logits: below, everything is noise; above, the data are separated."""
TAU_TOLERANCE = 1e-3
"""The search ends when log τ would move by less; τ itself is known to a tenth or worse."""
MAX_EVALUATIONS = 40
MIN_SLOT_USES = 10
"""b_j is estimated when the judge's items stood this often in a slot after as often in the other."""
COVARIANCE_LIMIT = 5_000
"""Items up to which the covariance is given in full (200 MB)."""
VARIANCE_DRAWS = 50
"""Draws behind the standard errors beyond ``DENSE_LIMIT`` items: these are then known to about 1 %."""
DRAW_SEED = 411
BEND_STEP = 0.1
"""How far in log τ the evidence is looked at for how sharply it points out τ."""
MOST_TAU_ERROR = 0.5
"""In log τ; beyond, a parabola through the evidence says nothing."""

PositionEffects = Literal["auto", "none"]
Discriminations = Literal["equal", "per_judge"]


@dataclass(frozen=True)
class PositionBias:
    """A judge's preference for the first slot: ``b`` and its standard error in logits, from ``n`` comparisons.

    ``one_sided`` flags a judge for whom one slot always won: b is then what the prior allows, no measurement.
    """

    judge: int
    b: float
    standard_error: float
    n: int
    one_sided: bool = False

    @property
    def p_first_if_equal(self) -> float:
        """P(the first of two equal essays wins)."""
        return float(expit(self.b))


@dataclass(frozen=True)
class Discrimination:
    """How sharply a judge tells items apart: ``a``, and the standard error of log a."""

    judge: int
    a: float
    log_standard_error: float
    n: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Abilities ``theta`` (n,) in logits and the posterior around them, given ``tau``.

    Abilities sum to zero, unless some were known beforehand: then they are on the scale of those. ``effects``
    and ``slopes`` (judges,) are every judge's b and a, 0 and 1 where they were not estimated. ``tau_estimated``
    is false where τ was given.
    """

    theta: FloatArray
    tau: float
    tau_estimated: bool
    position_bias: tuple[PositionBias, ...]
    discrimination: tuple[Discrimination, ...]
    effects: FloatArray
    slopes: FloatArray
    iterations: int
    posterior: Posterior = field(repr=False)
    mode: Mode = field(repr=False)

    @property
    def comparisons(self) -> Comparisons:
        """What was fitted."""
        return self.posterior.data

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.theta)

    @cached_property
    def covariance(self) -> FloatArray:
        """C, the abilities' block of H⁻¹, shape (n, n); raises ``TooLarge`` beyond ``COVARIANCE_LIMIT`` items."""
        if self.n_items > COVARIANCE_LIMIT:
            raise TooLarge(
                f"the covariance of {self.n_items} items: use standard_errors or draws() beyond {COVARIANCE_LIMIT}"
            )
        inverse = self.mode.information.inverse()[: self.n_items, : self.n_items]
        free = self.posterior.free
        return inverse if free is None else np.where(np.outer(free, free), inverse, 0.0)

    @cached_property
    def variances(self) -> FloatArray:
        """diag C, shape (n,); beyond ``DENSE_LIMIT`` items from draws, to about 2 %."""
        if self.n_items <= DENSE_LIMIT:
            return np.diag(self.covariance).copy()
        generator = np.random.default_rng(DRAW_SEED)
        variances = self.posterior.variances(self.mode, VARIANCE_DRAWS, generator)[: self.n_items]
        return variances if self.posterior.free is None else np.where(self.posterior.free, variances, 0.0)

    @property
    def centred_variances(self) -> FloatArray:
        """Of each ability around the mean of all, shape (n,): diag C less the variance that all share, τ²/n."""
        return self.variances if self.posterior.fixed is not None else self.variances - self.mean_covariance

    @property
    def standard_errors(self) -> FloatArray:
        """sqrt(diag C), shape (n,); 0 for abilities known beforehand."""
        return np.sqrt(self.variances)

    @cached_property
    def posterior_mean(self) -> FloatArray:
        """Abilities' posterior means (n,) given τ, to first order: a little further out than the mode ``theta``."""
        generator = np.random.default_rng(DRAW_SEED)
        shift = self.posterior.mean_shift(self.mode, VARIANCE_DRAWS, generator)[: self.n_items]
        return np.asarray(self.theta + shift, dtype=np.float64)

    def intervals(self, level: float = 0.9) -> FloatArray:
        """Lower and upper ends (n, 2) of what each ability is with probability ``level``, around the posterior mean.

        Abilities sum to zero, so an error that all of them share is not in them (but for known abilities). What is
        not known of an estimated τ is (Kass & Steffey 1989), up to ``DENSE_LIMIT`` items: beyond, τ is known well.
        """
        mean, variances = self._over_tau
        half = float(ndtri((1 + level) / 2)) * np.sqrt(variances)
        return np.column_stack([mean - half, mean + half])

    @cached_property
    def _over_tau(self) -> tuple[FloatArray, FloatArray]:
        """Posterior means and variances (n,) over τ, by Gauss and Hermite's three points in log τ."""
        if not self.tau_estimated or self.n_items > DENSE_LIMIT:
            return self.posterior_mean, self.centred_variances
        away = math.sqrt(3) * self.log_tau_error
        fits = (self, self._at(-away), self._at(away))
        means, variances = (
            np.array([getattr(each, name) for each in fits])
            for name in ("posterior_mean", "centred_variances")
        )
        weights = np.array([4, 1, 1]) / 6
        mean = weights @ means
        return mean, weights @ (variances + (means - mean) ** 2)

    @cached_property
    def log_tau_error(self) -> float:
        """Standard error of log τ, from how the evidence bends at its top; 0 where τ was given."""
        if not self.tau_estimated:
            return 0.0
        around = self._at(-BEND_STEP).log_evidence + self._at(BEND_STEP).log_evidence
        bend = (2 * self.log_evidence - around) / BEND_STEP**2
        return 1 / math.sqrt(max(bend, MOST_TAU_ERROR**-2))

    def _at(self, log_tau: float) -> "Fit":
        """The fit to the same comparisons, log τ so far away."""
        tau = self.tau * math.exp(log_tau)
        return _result(self.posterior, self.posterior.mode(tau, self.mode.parameters), tau_estimated=False)

    @cached_property
    def mean_covariance(self) -> float:
        """The mean of all elements of C: the variance of the mean ability."""
        sums = np.zeros(self.posterior.size)
        sums[: self.n_items] = 1.0 if self.posterior.free is None else self.posterior.free
        return float(sums @ self.mode.information.solve(sums)) / self.n_items**2

    @cached_property
    def log_evidence(self) -> float:
        """log m(τ²), up to a constant that is the same for all τ."""
        return self.posterior.log_evidence(self.mode)

    @property
    def eb_reliability(self) -> float:
        """See ``reliability.eb_reliability``."""
        return eb_reliability_of(self.theta, float(self.variances.mean()) - self.mean_covariance)

    def draws(self, count: int, *, seed: int) -> FloatArray:
        """``count`` draws of all abilities from their joint posterior, shape (count, n), for any number of items."""
        deviations = self.posterior.draws(self.mode, count, np.random.default_rng(seed))
        return self.theta + deviations[: self.n_items].T

    def probability(
        self, slot_a: npt.ArrayLike, slot_b: npt.ArrayLike, judge: npt.ArrayLike | None = None
    ) -> FloatArray:
        """P(A wins) for each pair, as the judges given would decide; without ``judge``, for a typical unbiased one."""
        difference = self.theta[np.asarray(slot_a)] - self.theta[np.asarray(slot_b)]
        if judge is None:
            return np.asarray(expit(difference), dtype=np.float64)
        j = np.asarray(judge)
        return np.asarray(expit(self.slopes[j] * difference + self.effects[j]), dtype=np.float64)


def fit(
    comparisons: Comparisons,
    *,
    start: "npt.ArrayLike | Fit | None" = None,
    position_effects: PositionEffects = "auto",
    discrimination: Discriminations = "equal",
    tau: float | Sequence[float] | None = None,
    tau_near: float | None = None,
    known: FixedAbilities | None = None,
    allow_disconnected: bool = False,
) -> Fit:
    """Fit abilities, judges' parameters and τ.

    ``start`` is an earlier θ (n,) or fit of the same items. ``tau`` fixes τ, or names the values of which the best
    is taken; without it τ is searched for, from ``tau_near`` on or from what it was in ``start``. Abilities in
    ``known`` are kept, and put the others on their scale.

    Raises ``GraphNotConnected`` unless every item is linked to every other (or to a known one) or
    ``allow_disconnected`` is set; ``InvalidComparisons`` where there are none; ``InvalidArgument``; ``NotConverged``.
    """
    _check_arguments(comparisons, start, tau, tau_near, known)
    if not allow_disconnected:
        _check_connected(comparisons, known)
    posterior = Posterior(
        comparisons,
        position_judges=_biased_judges(comparisons) if position_effects == "auto" else np.empty(0, np.int64),
        discrimination=discrimination == "per_judge" and comparisons.n_judges > 1,
        fixed=known,
    )
    profile = _Profile(posterior, start)
    near = start.tau if tau_near is None and isinstance(start, Fit) else tau_near
    mode = profile.mode(_log_tau(profile, tau, near))
    return _result(posterior, mode, tau_estimated=not isinstance(tau, int | float))


def _check_arguments(
    comparisons: Comparisons,
    start: "npt.ArrayLike | Fit | None",
    tau: float | Sequence[float] | None,
    tau_near: float | None,
    known: FixedAbilities | None,
) -> None:
    if len(comparisons) == 0:
        raise InvalidComparisons("nothing was compared: there is no scale to find")
    theta = start.theta if isinstance(start, Fit) else start
    if theta is not None and (np.shape(theta) != (comparisons.n_items,) or not np.isfinite(theta).all()):
        raise InvalidArgument(f"start must hold {comparisons.n_items} finite abilities")
    if tau is not None and not (np.size(tau) and np.isfinite(tau).all() and np.min(tau) > 0):
        raise InvalidArgument("tau must be finite and positive")
    if tau_near is not None and not 0 < tau_near < math.inf:
        raise InvalidArgument("tau_near must be finite and positive")
    if known is not None:
        _check_known(comparisons, known)


def _check_known(comparisons: Comparisons, known: FixedAbilities) -> None:
    shape = (comparisons.n_items,)
    if known.known.shape != shape or known.theta.shape != shape:
        raise InvalidArgument(
            f"known abilities are given for {comparisons.n_items} items: a mark and a value each"
        )
    if not known.known.any() or not np.isfinite(known.theta[known.known]).all():
        raise InvalidArgument("known abilities must be finite, and at least one")
    if np.count_nonzero(~known.known) < 2:
        raise InvalidArgument("at least two abilities must be left to estimate")


def _check_connected(comparisons: Comparisons, known: FixedAbilities | None) -> None:
    if comparisons.links.is_connected():
        return
    part = comparisons.components()
    if known is not None and np.isin(part, part[known.known]).all():
        return
    raise GraphNotConnected("some items were never compared with the others: judge pairs that link them")


def _biased_judges(comparisons: Comparisons) -> IntArray:
    """Judges who saw enough items in either slot, so that their preference for one is not the items' doing."""
    cells, shape = comparisons.n_judges * comparisons.n_items, (comparisons.n_judges, comparisons.n_items)
    row = comparisons.judge * comparisons.n_items
    in_a = np.bincount(row + comparisons.slot_a, minlength=cells).reshape(shape)
    in_b = np.bincount(row + comparisons.slot_b, minlength=cells).reshape(shape)
    return np.flatnonzero(np.minimum(in_a, in_b).sum(1) >= MIN_SLOT_USES)


class _Profile:
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


def _log_tau(profile: _Profile, tau: float | Sequence[float] | None, near: float | None) -> float:
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


def _result(posterior: Posterior, mode: Mode, *, tau_estimated: bool) -> Fit:
    theta, effects, slopes = posterior.split(mode.parameters)
    judges = posterior.data.n_judges
    every_effect = np.zeros(judges)
    every_effect[posterior.judges] = effects
    covariance = mode.information.border_covariance() if posterior.size > posterior.n else np.empty((0, 0))
    return Fit(
        theta=theta if posterior.fixed is not None else theta - theta.mean(),
        tau=mode.tau,
        tau_estimated=tau_estimated,
        position_bias=_position_bias(posterior, effects, covariance),
        discrimination=_discrimination(posterior, slopes, covariance),
        effects=every_effect,
        slopes=slopes if len(slopes) else np.ones(judges),
        iterations=mode.iterations,
        posterior=posterior,
        mode=mode,
    )


def _position_bias(
    posterior: Posterior, effects: FloatArray, covariance: FloatArray
) -> tuple[PositionBias, ...]:
    if not len(effects):
        return ()
    data, errors = posterior.data, np.sqrt(np.diag(covariance))
    uses, first = data.judge_counts, np.bincount(data.judge, data.a_won, data.n_judges)
    return tuple(
        PositionBias(
            int(judge), float(b), float(error), int(uses[judge]), bool(first[judge] in (0, uses[judge]))
        )
        for judge, b, error in zip(posterior.judges, effects, errors, strict=False)
    )


def _discrimination(
    posterior: Posterior, slopes: FloatArray, covariance: FloatArray
) -> tuple[Discrimination, ...]:
    if posterior.basis is None:
        return ()
    coordinates = covariance[posterior.n_effects :, posterior.n_effects :]
    errors = np.sqrt(np.einsum("ij,ik,kj->j", posterior.basis, coordinates, posterior.basis))
    return tuple(
        Discrimination(judge, float(slopes[judge]), float(errors[judge]), int(n))
        for judge, n in enumerate(posterior.data.judge_counts)
    )
