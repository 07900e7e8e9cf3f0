"""Resampling: how far scores and ranks would move with other decisions of the same kind."""

from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.errors import InvalidArgument
from cj_measurement.fitting.result import Fit
from cj_measurement.reliability import SplitUnit

RESAMPLES = 200
MIN_JUDGES = 10
"""Judges are resampled from this number on: with fewer, their resamples say too little."""
RESAMPLE_TOLERANCE = 1e-2
"""Of the gradient: it leaves scores uncertain by some thousandths of a logit, a hundredth of what resampling shows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Bootstrap:
    """Abilities of each resample, shape (resamples, n), in logits, and what was drawn with replacement."""

    theta: FloatArray
    unit: SplitUnit

    @property
    def standard_deviations(self) -> FloatArray:
        """Of each ability over the resamples, (n,): smaller than its standard error, as shrunken scores move less."""
        return np.asarray(self.theta.std(axis=0, ddof=1), dtype=np.float64)

    def rank_intervals(self, level: float = 0.9) -> IntArray:
        """Between which ranks each item is in ``level`` of the resamples, (n, 2); 1 is the best."""
        ranks = (-self.theta).argsort(axis=1).argsort(axis=1) + 1
        tails = [(1 - level) / 2, (1 + level) / 2]
        return np.quantile(ranks, tails, axis=0, method="inverted_cdf").T.astype(np.int64)


def bootstrap(fit: Fit, *, seed: int, resamples: int = RESAMPLES, unit: SplitUnit | None = None) -> Bootstrap:
    """Draw judges (from ten on; their decisions hang together) or comparisons with replacement and fit each resample.

    A resample is the same comparisons with other weights, fitted at the same τ from the fit's own mode, which takes
    two or three Newton steps. Raises ``InvalidArgument`` for fewer than two resamples.
    """
    if resamples < 2:
        raise InvalidArgument("at least two resamples are needed to see how far scores move")
    data = fit.comparisons
    chosen: SplitUnit = unit or (
        "judges" if np.count_nonzero(data.judge_counts) >= MIN_JUDGES else "comparisons"
    )
    labels = np.unique(data.judge, return_inverse=True)[1] if chosen == "judges" else np.arange(len(data))
    generator, n = np.random.default_rng(seed), int(labels.max()) + 1
    theta = np.empty((resamples, fit.n_items))
    for row in range(resamples):
        times = np.bincount(generator.integers(0, n, n), minlength=n)
        resample = fit.posterior.reweighted(fit.posterior.weight * times[labels])
        mode = resample.mode(fit.tau, fit.mode.parameters, tolerance=RESAMPLE_TOLERANCE)
        theta[row] = mode.parameters[: fit.n_items]
    return Bootstrap(theta=theta, unit=chosen)
