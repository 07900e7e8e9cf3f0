"""What a fit found: abilities with their errors, and each judge's parameters."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from cj_measurement.comparisons import Comparisons, FloatArray
from cj_measurement.errors import TooLarge
from cj_measurement.fitting.answer_scales import AnswerScale, VerdictModel
from cj_measurement.fitting.evidence_search import ScaleSearch
from cj_measurement.fitting.information import DENSE_LIMIT
from cj_measurement.fitting.posterior import Mode, Posterior
from cj_measurement.levels import LevelSource
from cj_measurement.reliability import eb_reliability_of

COVARIANCE_LIMIT = 5_000
"""Number of items up to which the covariance is given in full (200 MB)."""
VARIANCE_DRAWS = 50
"""Draws behind the standard errors beyond ``DENSE_LIMIT`` items: these are then known to about 1 %."""
DRAW_SEED = 411
BEND_STEP = 0.1
"""Step in log τ over which the curvature of the evidence is measured."""
MAX_LOG_TAU_ERROR = 0.5
"""In log τ; beyond, a parabola through the evidence says nothing."""


_NOUNS = {
    LevelSource.MARGIN: ("margins", "tell", "are"),
    LevelSource.CONFIDENCE: ("stated confidence", "tells", "is"),
    LevelSource.LOG_ODDS: ("log-odds", "tell", "are"),
}


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
    """A judge's discrimination between items: ``a``, and the standard error of log a."""

    judge: int
    a: float
    log_standard_error: float
    n: int


@dataclass(frozen=True, kw_only=True)
class LevelEvidence:
    """What one judge's levels tell, and how sure that is.

    ``lead`` in nats is by how much the best graded model leads the winners alone, None where that was not tested: too
    few comparisons, or fewer than two ``levels`` with enough ``answers``. ``model`` is the one in use, with its
    ``cuts`` and ``gamma``; ``tells`` how much more an answer then tells than its winner. ``shared_noise`` is the
    correlation of the noise in the two answers about a pair judged in both orders, None with too few such pairs. Not
    ``is_testable`` is a judge for whom no model was found that fits best.
    """

    judge: int
    source: LevelSource
    levels: int
    answers: int = 0
    lead: float | None = None
    model: VerdictModel = VerdictModel.WINNER
    cuts: tuple[float, ...] = ()
    gamma: float = 1.0
    tells: float | None = None
    shared_noise: float | None = None
    is_testable: bool = True

    @property
    def is_used(self) -> bool:
        """Whether the levels count."""
        return self.model is not VerdictModel.WINNER

    @property
    def awaits_test(self) -> bool:
        """Whether its levels may come to count with more comparisons."""
        return self.lead is None and not self.is_used and self.levels > 1 and self.is_testable

    @property
    def words(self) -> str:
        """The outcome in one sentence without its full stop."""
        noun, tell, are = _NOUNS[self.source]
        if self.tells is not None:
            return f"its {noun} {tell} {self.tells:.1f} times what its winners tell"
        if self.levels < 2:
            return f"its {noun} {are} nearly always the same: not used"
        if not self.is_testable:
            return f"its {noun} cannot be tested on these answers: not used"
        if self.lead is None:
            return f"its {noun} {are} not tested yet: too few comparisons"
        return f"its {noun} {tell} nothing: not used"


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """Abilities ``theta`` (n,) in logits and the posterior around them, given ``tau``.

    Abilities sum to zero, unless some were known in advance: then they are on the scale of those. ``effects``
    and ``slopes`` (judges,) are every judge's b and a, 0 and 1 where they were not estimated. ``tau_estimated``
    is false where τ was given. ``levels`` reports on each judge that says more than who won, ``scales`` are those of
    the judges whose levels count.
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
    levels: tuple[LevelEvidence, ...] = ()
    scales: tuple[AnswerScale, ...] = field(default=(), repr=False)

    @property
    def is_graded(self) -> bool:
        """Whether any judge's levels count."""
        return bool(self.scales)

    @classmethod
    def of(cls, posterior: Posterior, mode: Mode, *, tau_estimated: bool) -> "Fit":
        """Read a fit off the posterior's mode."""
        theta, effects, slopes = posterior.split(mode.parameters)
        judges = posterior.data.n_judges
        every_effect = np.zeros(judges)
        every_effect[posterior.judges] = effects
        covariance = (
            mode.information.border_covariance() if posterior.size > posterior.n else np.empty((0, 0))
        )
        return cls(
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
        """sqrt(diag C), shape (n,); 0 for abilities known in advance."""
        return np.sqrt(self.variances)

    @cached_property
    def _scale_variances(self) -> FloatArray:
        """What the estimated τ and scales add to ``variances``, shape (n,): wider cuts stretch all abilities."""
        search = ScaleSearch(
            self.posterior,
            self.scales,
            tau=self.tau,
            tau_fixed=not self.tau_estimated,
            start=self.mode.parameters,
        )
        return np.asarray(np.sum(search.ability_errors() ** 2, axis=1), dtype=np.float64)

    @cached_property
    def posterior_mean(self) -> FloatArray:
        """Abilities' posterior means (n,) given τ, to first order: a little further out than the mode ``theta``."""
        generator = np.random.default_rng(DRAW_SEED)
        shift = self.posterior.mean_shift(self.mode, VARIANCE_DRAWS, generator)[: self.n_items]
        return np.asarray(self.theta + shift, dtype=np.float64)

    def intervals(self, level: float = 0.9) -> FloatArray:
        """Lower and upper ends (n, 2) of what each ability is with probability ``level``, around the posterior mean.

        Abilities sum to zero, so an error that all of them share is not in them (but for known abilities). What is not
        known of τ and of the judges' scales is (Kass & Steffey 1989), up to ``DENSE_LIMIT`` items: it is little beyond.
        """
        mean, variances = self._over_hyperparameters
        half = float(ndtri((1 + level) / 2)) * np.sqrt(variances)
        return np.column_stack([mean - half, mean + half])

    @cached_property
    def _over_hyperparameters(self) -> tuple[FloatArray, FloatArray]:
        """Posterior means and variances (n,) over τ, by Gauss and Hermite's three points in log τ, and over scales."""
        if self.n_items > DENSE_LIMIT or not (self.tau_estimated or self.scales):
            return self.posterior_mean, self.centred_variances
        if self.scales:
            return self.posterior_mean, self.centred_variances + self._scale_variances
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
        return 1 / math.sqrt(max(bend, MAX_LOG_TAU_ERROR**-2))

    def _at(self, log_tau: float) -> "Fit":
        """The fit to the same comparisons, log τ shifted by this amount."""
        tau = self.tau * math.exp(log_tau)
        return Fit.of(self.posterior, self.posterior.mode(tau, self.mode.parameters), tau_estimated=False)

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
