"""How far two judges' scales of the same items agree, freed of the error of either."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from cj_measurement.comparisons import FloatArray
from cj_measurement.errors import InvalidArgument, Singular
from cj_measurement.fitting.result import Fit

GRID = np.tanh(np.linspace(-3.0, 3.0, 61))


@dataclass(frozen=True, kw_only=True)
class ScaleCorrelation:
    """Median and interval of the posterior of ρ, the correlation of true abilities, under a flat prior on (−1, 1)."""

    rho: float
    low: float
    high: float


def scale_correlation(first: Fit, second: Fit, *, level: float = 0.9) -> ScaleCorrelation:
    """Correlate the scales of two fits of the same items, numbered alike, by different judges.

    Each fit stands for a Gaussian likelihood of its abilities, of precision C⁻¹ − I/τ²; with the prior
    N(0, [[τ₁², ρτ₁τ₂], [ρτ₁τ₂, τ₂²]]) for the two abilities of an item the evidence for each ρ has a closed form. Where
    little is known of either scale the interval is wide; correlating scores and dividing by their reliabilities would
    hide that. Raises ``InvalidArgument`` for different items and for known abilities, ``TooLarge`` and ``Singular``.
    """
    if first.n_items != second.n_items:
        raise InvalidArgument("the two fits must be of the same items")
    if first.posterior.fixed is not None or second.posterior.fixed is not None:
        raise InvalidArgument("known abilities have no error to be freed of: fit both scales without any")
    try:
        evidence = _Evidence(first, second)
        logs = np.array([evidence.of(rho) for rho in GRID])
    except np.linalg.LinAlgError as error:
        raise Singular("the two scales are known too exactly, or too little, to be correlated") from error
    mass = np.exp(logs - logs.max()) * (1 - GRID**2)
    cumulative = (np.cumsum(mass) - mass / 2) / mass.sum()
    low, rho, high = np.interp([(1 - level) / 2, 0.5, (1 + level) / 2], cumulative, GRID)
    return ScaleCorrelation(rho=float(rho), low=float(low), high=float(high))


class _Evidence:
    """log m(ρ), up to a constant."""

    def __init__(self, first: Fit, second: Fit) -> None:
        n = first.n_items
        self.n, self.tau = n, np.array([first.tau, second.tau])
        self.precision = np.zeros((2 * n, 2 * n))
        self.pull = np.empty(2 * n)
        for place, fitted in enumerate((first, second)):
            own = slice(place * n, (place + 1) * n)
            inverse = np.linalg.inv(fitted.covariance)
            self.precision[own, own] = inverse - np.eye(n) / fitted.tau**2
            self.pull[own] = inverse @ fitted.theta

    def of(self, rho: float) -> float:
        spread = np.array([[1.0, rho], [rho, 1.0]]) * np.outer(self.tau, self.tau)
        prior: FloatArray = np.linalg.inv(spread)
        factor = cho_factor(self.precision + np.kron(prior, np.eye(self.n)), lower=True, overwrite_a=True)
        explained = float(self.pull @ cho_solve(factor, self.pull))
        log_determinant = 2 * float(np.log(np.diag(factor[0])).sum())
        return (explained - log_determinant + self.n * float(np.linalg.slogdet(prior)[1])) / 2
