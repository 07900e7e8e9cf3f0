"""Reliability: four numbers, each named for what it is."""

import numpy as np

from cj_measurement.comparisons import FloatArray


def scale_separation_reliability(theta: FloatArray, standard_errors: FloatArray) -> float:
    """SSR = (V − MSE)/V, the classical scale separation reliability (Wright & Masters; Bramley; Pollitt)."""
    variance = np.var(theta, ddof=1)
    return float((variance - np.mean(standard_errors**2)) / variance) if variance > 0 else 0.0


def kinnear_ssr_prime(theta: FloatArray, standard_errors: FloatArray) -> float:
    """SSR′ = V/(V + MSE) (Kinnear, Jones & Davies 2025); about .5 on pure noise."""
    variance = np.var(theta, ddof=1)
    mean_square_error = np.mean(standard_errors**2)
    total = variance + mean_square_error
    return float(variance / total) if total > 0 else 0.0


def eb_reliability(theta: FloatArray, covariance: FloatArray) -> float:
    """S²/(S² + PV): variance of the posterior means over itself plus the mean posterior variance.

    Not inflated by adaptive pairing: the number that decisions are taken on.
    """
    spread = np.var(theta, ddof=1)
    posterior_variance = np.diag(covariance).mean() - covariance.mean()
    total = spread + posterior_variance
    return float(spread / total) if total > 0 else 0.0
