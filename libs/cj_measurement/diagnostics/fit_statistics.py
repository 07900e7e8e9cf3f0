"""How well decisions fit the model: residuals, and their mean squares by item and by judge."""

from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import BoolArray, FloatArray, IntArray
from cj_measurement.fitting.result import Fit

MISFIT_SDS = 2.0
MIN_PROBABILITY = float(np.finfo(np.float64).epsneg)
"""A probability of 1 to rounding is taken to be this far from it, so that residuals stay finite."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanSquares:
    """Mean squares of residuals of each item or judge, near 1 where the model holds; NaN without comparisons.

    ``outfit`` is the mean of z², ``infit`` Σ(x−p)²/Σp(1−p), less moved by single surprises (Wright & Masters 1982).
    """

    infit: FloatArray
    outfit: FloatArray
    n: IntArray

    @property
    def misfits(self) -> BoolArray:
        """Beyond the mean by more than two standard deviations, in either; so never among fewer than six."""
        return _beyond(self.infit) | _beyond(self.outfit)


def residuals(fit: Fit) -> FloatArray:
    """z = (x − p)/√(p(1−p)) of each comparison (m,), x = 1 where slot A won."""
    won, chance = _outcomes(fit)
    return (won - chance) / np.sqrt(chance * (1 - chance))


def item_fit(fit: Fit) -> MeanSquares:
    """Mean squares by item (n,)."""
    data = fit.comparisons
    places = np.concatenate([data.slot_a, data.slot_b])
    return _mean_squares(fit, places, data.n_items, times=2)


def judge_fit(fit: Fit) -> MeanSquares:
    """Mean squares by judge (judges,)."""
    data = fit.comparisons
    return _mean_squares(fit, data.judge, data.n_judges, times=1)


def _outcomes(fit: Fit) -> tuple[FloatArray, FloatArray]:
    data = fit.comparisons
    chance = fit.probability(data.slot_a, data.slot_b, data.judge)
    return data.a_won.astype(np.float64), np.clip(chance, MIN_PROBABILITY, 1 - MIN_PROBABILITY)


def _mean_squares(fit: Fit, places: IntArray, count: int, *, times: int) -> MeanSquares:
    won, chance = _outcomes(fit)
    weight, spread = fit.comparisons.weight, chance * (1 - chance)
    squares = weight * (won - chance) ** 2

    def total(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(places, np.tile(values, times), count), dtype=np.float64)

    with np.errstate(invalid="ignore"):
        infit = total(squares) / total(weight * spread)
        outfit = total(squares / spread) / total(weight)
    return MeanSquares(infit=infit, outfit=outfit, n=np.bincount(places, minlength=count))


def _beyond(values: FloatArray) -> BoolArray:
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return np.zeros(len(values), np.bool_)
    return np.asarray(values > known.mean() + MISFIT_SDS * known.std(ddof=1), dtype=np.bool_)
