"""Putting a batch on the scale of an earlier one, through anchors that both have.

``fixed_anchor``: anchors keep their earlier abilities, and the batch is fitted around them. ``mean_sigma``: the batch
is fitted alone, and a straight line carries the anchors' mean and spread to the earlier ones (Marco 1977; Kolen &
Brennan 2014, ch. 6). Either way what is uncertain about the anchors, and how far they drifted, reaches the errors:
C = C_batch + J (C_anchors + σ²I) Jᵀ, with J the derivative of the linked abilities by the anchors' earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.errors import InvalidArgument
from cj_measurement.fitting.bradley_terry import PositionEffects, fit
from cj_measurement.fitting.posterior import FixedAbilities
from cj_measurement.fitting.result import Fit

DISPLACED = 2.0
"""An anchor is displaced when it lies further off than this many standard errors."""


class LinkMethod(StrEnum):
    """How the anchors carry the scale over."""

    FIXED_ANCHOR = "fixed_anchor"
    MEAN_SIGMA = "mean_sigma"


MIN_ANCHORS = {LinkMethod.FIXED_ANCHOR: 2, LinkMethod.MEAN_SIGMA: 3}


@dataclass(frozen=True, eq=False)
class AnchorScale:
    """What is known of ``k`` anchors from an earlier batch.

    ``items`` (k,) are their places in the batch to be linked, ``theta`` (k,) their abilities on the earlier scale in
    logits, ``covariance`` (k, k) that of their errors there.
    """

    items: IntArray
    theta: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, items: npt.ArrayLike, theta: npt.ArrayLike, standard_errors: npt.ArrayLike) -> "AnchorScale":
        """From errors alone, taken as independent; raises ``InvalidArgument``."""
        errors = np.asarray(standard_errors, np.float64).reshape(-1)
        return _checked(cls(np.asarray(items, np.int64), np.asarray(theta, np.float64), np.diag(errors**2)))

    @classmethod
    def from_fit(cls, earlier: Fit, *, earlier_items: Sequence[int], items: npt.ArrayLike) -> "AnchorScale":
        """From the earlier fit, where the anchors were ``earlier_items``.

        The earlier scale has its zero at the mean of its own batch, so the error of that mean is taken out.
        """
        places = np.asarray(earlier_items, np.int64)
        sums = earlier.covariance.mean(axis=0)
        centred = earlier.covariance - sums - sums[:, None] + sums.mean()
        return _checked(
            cls(np.asarray(items, np.int64), earlier.theta[places], centred[np.ix_(places, places)])
        )

    def __len__(self) -> int:
        return len(self.items)


def _checked(anchors: AnchorScale) -> AnchorScale:
    k = len(anchors.items)
    if anchors.theta.shape != (k,) or anchors.covariance.shape != (k, k):
        raise InvalidArgument("each anchor needs one ability and one standard error")
    if not (np.isfinite(anchors.theta).all() and np.isfinite(anchors.covariance).all()):
        raise InvalidArgument("anchors' abilities and errors must be finite")
    if len(np.unique(anchors.items)) != k:
        raise InvalidArgument("duplicate anchor: give each anchor once")
    return anchors


@dataclass(frozen=True, eq=False, kw_only=True)
class Linked:
    """A batch on the earlier scale: ``theta`` and ``standard_errors`` (n,) with the linking error in them.

    ``linking_errors`` (n,) is the part that linking adds. ``slope`` is 1 and ``intercept`` the shift of the means for
    fixed anchors. By anchor (k,): ``displacement`` from where the link expects it, its error, and a flag. ``drift`` is
    the SD of displacements beyond their errors. All in logits.
    """

    method: LinkMethod
    theta: FloatArray
    standard_errors: FloatArray
    linking_errors: FloatArray
    slope: float
    intercept: float
    drift: float
    displacement: FloatArray
    displacement_errors: FloatArray
    fit: Fit

    @property
    def displaced(self) -> BoolArray:
        """Anchors that lie further from their earlier place than their errors explain, shape (k,)."""
        return np.asarray(np.abs(self.displacement) > DISPLACED * self.displacement_errors, dtype=np.bool_)


def link(
    comparisons: Comparisons,
    anchors: AnchorScale,
    *,
    method: LinkMethod = LinkMethod.FIXED_ANCHOR,
    position_effects: PositionEffects = "auto",
) -> Linked:
    """Fit the batch and put it on the anchors' scale.

    Raises ``InvalidArgument`` for too few anchors (two, for a slope three), anchors that are not in the batch or that
    do not differ; and what ``fit`` raises. Items are at most ``COVARIANCE_LIMIT``.
    """
    if len(anchors) < MIN_ANCHORS[method]:
        raise InvalidArgument(f"{method} needs at least {MIN_ANCHORS[method]} anchors, not {len(anchors)}")
    if anchors.items.min() < 0 or anchors.items.max() >= comparisons.n_items:
        raise InvalidArgument(f"anchors must be items of the batch: 0 to {comparisons.n_items - 1}")
    alone = fit(comparisons, position_effects=position_effects)
    if method is LinkMethod.MEAN_SIGMA:
        return _mean_sigma(alone, anchors)
    return _fixed_anchor(alone, anchors, position_effects)


@dataclass(frozen=True, eq=False)
class _Misfit:
    """How far anchors lie from the link, and how much of that their errors do not explain."""

    displacement: FloatArray
    errors: FloatArray
    drift: float

    @classmethod
    def of(cls, distance: FloatArray, covariance: FloatArray, trend: FloatArray) -> "_Misfit":
        """From distances (k,), the covariance of their errors and the trend (k, t) that the link takes out of them."""
        basis, _ = np.linalg.qr(trend)
        rest = np.eye(len(distance)) - basis @ basis.T
        left, expected = rest @ distance, rest @ covariance @ rest
        freedom = len(distance) - trend.shape[1]
        excess = max(0.0, float(left @ left - np.trace(expected))) / freedom if freedom else 0.0
        return cls(left, np.sqrt(np.maximum(np.diag(expected), 0.0)), float(np.sqrt(excess)))


def _fixed_anchor(alone: Fit, anchors: AnchorScale, position_effects: PositionEffects) -> Linked:
    n, items = alone.n_items, anchors.items
    known = np.isin(np.arange(n), items)
    theta = np.zeros(n)
    theta[items] = anchors.theta
    fixed = fit(
        alone.comparisons,
        start=alone.theta,
        position_effects=position_effects,
        known=FixedAbilities(known, theta),
    )
    misfit = _Misfit.of(
        anchors.theta - alone.theta[items],
        anchors.covariance + alone.covariance[np.ix_(items, items)],
        np.ones((len(anchors), 1)),
    )
    reach = _reach(fixed, items)
    linking = np.einsum("ik,kl,il->i", reach, _with_drift(anchors, misfit), reach)
    linking[items] = np.diag(anchors.covariance)
    return Linked(
        method=LinkMethod.FIXED_ANCHOR,
        theta=fixed.theta,
        standard_errors=np.sqrt(fixed.variances + linking),
        linking_errors=np.sqrt(linking),
        slope=1.0,
        intercept=float(np.mean(anchors.theta - alone.theta[items])),
        drift=misfit.drift,
        displacement=misfit.displacement,
        displacement_errors=misfit.errors,
        fit=fixed,
    )


def _with_drift(anchors: AnchorScale, misfit: _Misfit) -> FloatArray:
    return np.asarray(anchors.covariance + misfit.drift**2 * np.eye(len(anchors)), dtype=np.float64)


def _reach(fixed: Fit, items: IntArray) -> FloatArray:
    """J (n, k): how far each ability moves when an anchor's known one does, −H⁻¹ ∂²ℓ/∂x∂θ_anchor."""
    posterior, information = fixed.posterior, fixed.mode.information
    whole = posterior.information(fixed.mode.point, fixed.tau, with_known=True)
    units = np.zeros((information.size, len(items)))
    units[items, np.arange(len(items))] = 1.0
    pull = -whole.times(units)
    pull[items] = units[items]
    return information.solve(pull)[: fixed.n_items]


def _mean_sigma(alone: Fit, anchors: AnchorScale) -> Linked:
    items = anchors.items
    line = _Line.through(alone, anchors)
    own, theirs = line.by_batch(alone, anchors), line.by_anchors(alone, anchors)
    misfit = _Misfit.of(
        anchors.theta - line.at(alone.theta[items]),
        anchors.covariance + line.slope**2 * alone.covariance[np.ix_(items, items)],
        np.column_stack([np.ones(len(anchors)), alone.theta[items]]),
    )
    variances = np.einsum("ij,jk,ik->i", own, alone.covariance, own)
    variances += np.einsum("ik,kl,il->i", theirs, _with_drift(anchors, misfit), theirs)
    without = line.slope**2 * (alone.variances - alone.mean_covariance)
    return Linked(
        method=LinkMethod.MEAN_SIGMA,
        theta=line.at(alone.theta),
        standard_errors=np.sqrt(variances),
        linking_errors=np.sqrt(np.maximum(variances - without, 0.0)),
        slope=line.slope,
        intercept=line.intercept,
        drift=misfit.drift,
        displacement=misfit.displacement,
        displacement_errors=misfit.errors,
        fit=alone,
    )


@dataclass(frozen=True)
class _Line:
    """slope·θ + intercept; the spreads behind the slope are those of true abilities: var θ̂ plus the error variance."""

    slope: float
    intercept: float
    spread: float
    earlier_spread: float

    @classmethod
    def through(cls, alone: Fit, anchors: AnchorScale) -> "_Line":
        items = anchors.items
        theta = alone.theta[items]
        spread = _true_variance(theta, alone.covariance[np.ix_(items, items)])
        earlier = _true_variance(anchors.theta, anchors.covariance)
        if min(np.ptp(theta), np.ptp(anchors.theta)) == 0:
            raise InvalidArgument("anchors that do not differ say nothing about the scale's unit")
        slope = float(np.sqrt(earlier / spread))
        return cls(slope, float(anchors.theta.mean() - slope * theta.mean()), spread, earlier)

    def at(self, theta: FloatArray) -> FloatArray:
        return self.slope * theta + self.intercept

    def by_batch(self, alone: Fit, anchors: AnchorScale) -> FloatArray:
        """Derivative of the linked abilities (n,) by those of the batch (n,)."""
        k, theta = len(anchors), alone.theta[anchors.items]
        derivative = self.slope * np.eye(alone.n_items)
        stretch = self.slope * (theta - theta.mean()) / ((k - 1) * self.spread)
        derivative[:, anchors.items] -= self.slope / k + np.outer(alone.theta - theta.mean(), stretch)
        return derivative

    def by_anchors(self, alone: Fit, anchors: AnchorScale) -> FloatArray:
        """Derivative of the linked abilities (n,) by the anchors' earlier ones (k,)."""
        k, theta = len(anchors), alone.theta[anchors.items]
        stretch = self.slope * (anchors.theta - anchors.theta.mean()) / ((k - 1) * self.earlier_spread)
        return np.asarray(1 / k + np.outer(alone.theta - theta.mean(), stretch), dtype=np.float64)


def _true_variance(theta: FloatArray, covariance: FloatArray) -> float:
    return float(np.var(theta, ddof=1) + np.diag(covariance).mean() - covariance.mean())
