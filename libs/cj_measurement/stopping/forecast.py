"""What further judging would bring: the reliability after the next comparisons, and how many the target takes.

With V the variance of the true abilities (S² + PV of the fit) reliability is 1 − PV/V, and the precision 1/PV grows
in proportion to the comparisons. The rate is that of the pairs that would be asked next, each counted with its
expected information over where its two abilities may lie. How well V is known, from n essays, makes the range.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.errors import InvalidArgument
from cj_measurement.fitting.expected_information import ExpectedInformation
from cj_measurement.fitting.information import DENSE_LIMIT
from cj_measurement.fitting.result import Fit
from cj_measurement.pairing.expected_gain import covariance_after
from cj_measurement.pairing.plan import plan_pairs
from cj_measurement.pairing.state import Pair, PairingState

NEXT = 100
NOISE = 0.1
"""Half of all batches of coin flips read less: below it, no target is in sight."""
MIN_RELATIVE_RATE = 1e-9
"""Share of the precision that a comparison must add; with less, no number of comparisons reaches a target."""
RANGE_Z = 1.28
FIRST_PASSAGE = 1.3
"""Runs reach a target by chance sooner or later than their mean: widens the range to what simulated runs need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UntilTarget:
    """Comparisons beyond those answered until the target: expected, and a range that four in five runs keep to."""

    expected: int
    low: int
    high: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the next ``comparisons`` add to the EB reliability and cost, and how far the target is.

    ``until_target`` is None while the essays are indistinguishable from equal ones, or the next pairs add no
    information: more judging of this kind may not help.
    """

    comparisons: int
    eb_reliability: float
    eb_gain: float
    cost_usd: Decimal
    target_reliability: float
    until_target: UntilTarget | None


def forecast(
    state: PairingState,
    *,
    target_reliability: float,
    cost_per_comparison: Decimal,
    seed: int,
    comparisons: int = NEXT,
    planned: Sequence[Pair] | None = None,
) -> Forecast:
    """Forecast from the last fit, whatever is still awaited.

    ``planned`` is the next round, where it is known already; ``seed`` is for planning one otherwise. Raises
    ``InvalidArgument``, without a fit too, and ``Singular``.
    """
    if state.fit is None:
        raise InvalidArgument("there is nothing to forecast from before the first fit")
    if not 0 < target_reliability < 1 or comparisons < 1:
        raise InvalidArgument("give a target between 0 and 1, and at least one comparison")
    if not planned:
        planned = plan_pairs(state, count=max(1, state.n_items // 2), seed=seed)
    growth = _Growth.of(state, state.fit, planned)
    return Forecast(
        comparisons=comparisons,
        eb_reliability=growth.reliability(comparisons),
        eb_gain=growth.reliability(comparisons) - growth.reliability(0),
        cost_usd=comparisons * cost_per_comparison,
        target_reliability=target_reliability,
        until_target=_until(growth, target_reliability, cost_per_comparison),
    )


def _until(growth: "_Growth", target: float, cost_per_comparison: Decimal) -> UntilTarget | None:
    if growth.reliability(0) < NOISE or growth.rate <= growth.precision * MIN_RELATIVE_RATE:
        return None
    margin = RANGE_Z * growth.relative_error
    expected = growth.needed(target)
    return UntilTarget(
        expected=expected,
        low=growth.needed(target, math.exp(margin)),
        high=growth.needed(target, math.exp(-margin)),
        cost_usd=expected * cost_per_comparison,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growth:
    """Variance of true abilities, precision now, and what one comparison adds to it."""

    variance: float
    precision: float
    rate: float
    n_items: int

    @classmethod
    def of(cls, state: PairingState, fit: Fit, planned: Sequence[Pair]) -> "_Growth":
        posterior_variance = float(fit.variances.mean()) - fit.mean_covariance
        a, b, times = state.asked.without(fit.comparisons.slot_a, fit.comparisons.slot_b)
        a = np.append(a, np.array([pair.slot_a for pair in planned], np.int64))
        b = np.append(b, np.array([pair.slot_b for pair in planned], np.int64))
        times = np.append(times, np.ones(len(planned)))
        after = _variance_after(fit, a, b, times)
        return cls(
            variance=float(np.var(fit.theta, ddof=1)) + posterior_variance,
            precision=1 / posterior_variance,
            rate=(1 / after - 1 / posterior_variance) / float(times.sum()),
            n_items=state.n_items,
        )

    @property
    def relative_error(self) -> float:
        """Standard error of the logarithm of ``variance``: of n essays, seen through their errors."""
        return FIRST_PASSAGE * math.sqrt(2 / (self.n_items - 1)) / self.reliability(0)

    def reliability(self, comparisons: int) -> float:
        return 1 - 1 / (self.variance * (self.precision + comparisons * self.rate))

    def needed(self, target: float, factor: float = 1.0) -> int:
        """Comparisons until the target if the true variance is ``factor`` times what it seems."""
        precision = 1 / ((1 - target) * self.variance * factor)
        return max(0, math.ceil((precision - self.precision) / self.rate))


def _variance_after(fit: Fit, a: IntArray, b: IntArray, times: FloatArray) -> float:
    """Mean posterior variance around the mean ability when these pairs have been answered too."""
    expected, difference = ExpectedInformation(fit), fit.theta[a] - fit.theta[b]
    if fit.n_items > DENSE_LIMIT:
        own = times * expected.over(difference, fit.variances[a] + fit.variances[b])
        information = np.bincount(a, own, fit.n_items) + np.bincount(b, own, fit.n_items)
        return float(np.mean(fit.variances / (1 + fit.variances * information)))
    c = fit.covariance
    spread = c[a, a] + c[b, b] - 2 * c[a, b]
    after = covariance_after(c, a, b, times * expected.over(difference, spread))
    return float(np.diag(after).mean() - after.mean())
