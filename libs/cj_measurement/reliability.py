"""Reliability: four numbers, each named for what it is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cj_measurement.comparisons import FloatArray

INFLATION_LIMIT = 0.1
"""SSR above EB by more than this: the classical number is inflated by how pairs were chosen."""

SplitUnit = Literal["judges", "comparisons"]


def scale_separation_reliability(theta: FloatArray, standard_errors: FloatArray) -> float:
    """SSR = (V − MSE)/V, the classical scale separation reliability (Wright & Masters 1982; Pollitt 2012).

    From abilities and their errors (n,) in logits. At most 1, below 0 where errors exceed the spread; 0 without one.
    """
    variance = np.var(theta, ddof=1)
    return float((variance - np.mean(standard_errors**2)) / variance) if variance > 0 else 0.0


def kinnear_ssr_prime(theta: FloatArray, standard_errors: FloatArray) -> float:
    """SSR′ = V/(V + MSE) (Kinnear, Jones & Davies 2025), in 0 to 1; about .5 on pure noise.

    From abilities and their errors (n,) in logits.
    """
    variance = np.var(theta, ddof=1)
    mean_square_error = np.mean(standard_errors**2)
    total = variance + mean_square_error
    return float(variance / total) if total > 0 else 0.0


def eb_reliability(theta: FloatArray, covariance: FloatArray) -> float:
    """S²/(S² + PV), in 0 to 1: variance of the posterior means over itself plus the mean posterior variance.

    From abilities (n,) in logits and the covariance (n, n) of what is not known of them. Not inflated by adaptive
    pairing: the number that decisions are taken on.
    """
    return eb_reliability_of(theta, float(np.diag(covariance).mean() - covariance.mean()))


def eb_reliability_of(theta: FloatArray, posterior_variance: float) -> float:
    """The same from PV = mean diag C − mean C, in squared logits, where C is not at hand."""
    spread = float(np.var(theta, ddof=1))
    total = spread + posterior_variance
    return spread / total if total > 0 else 0.0


def stepped_up(correlation: float) -> float:
    """2r/(1 + r): the reliability of the whole from the correlation of its halves (Spearman; Brown)."""
    return 2 * correlation / (1 + correlation) if correlation > -1 else -1.0


@dataclass(frozen=True, kw_only=True)
class SplitHalf:
    """The median correlation of the scales of ``halves`` random halves, made of judges or of comparisons."""

    median: float
    unit: SplitUnit
    halves: int

    @property
    def stepped_up(self) -> float:
        """The reliability of the whole."""
        return stepped_up(self.median)


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """The four numbers; ``ssr`` and ``ssr_prime`` are those of the classical fit.

    ``split_half`` is None where no half has three items in common with the other.
    """

    eb: float
    ssr: float
    ssr_prime: float
    split_half: SplitHalf | None

    @property
    def is_inflated(self) -> bool:
        """The red flag: the classical number says far more than the one that is proof against adaptive pairing."""
        return self.ssr - self.eb > INFLATION_LIMIT
