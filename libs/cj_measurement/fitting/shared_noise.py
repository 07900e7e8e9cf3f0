"""Whether a judge's two answers about a pair, one in each order, share their noise: then the second tells less.

ρ is the correlation of the two residuals, freed of what the fit took out of them. A judge with
independent noise has 0; one that repeats itself has 1, and its second answer adds no information.
"""

from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import Comparisons, FloatArray, IntArray
from cj_measurement.fitting.answer_scales import AnswerScale
from cj_measurement.fitting.moments import Moments

SHARED = 0.3
"""Above this correlation the two answers count as one."""
MIN_PAIRS = 10
"""With fewer pairs in both orders the correlation is not looked at."""


@dataclass(frozen=True, eq=False)
class SharedNoise:
    """ρ of one judge, and the places of its answers that share their noise: first and second of each pair (pairs,)."""

    rho: float
    first: IntArray
    second: IntArray

    def halved(self, weight: FloatArray) -> FloatArray:
        """Weights (m,) in which the two answers of a pair count as one."""
        lighter = weight.copy()
        lighter[np.concatenate([self.first, self.second])] /= 2
        return lighter


def shared_noise(
    data: Comparisons, scale: AnswerScale, moments: Moments, surprise: FloatArray
) -> SharedNoise | None:
    """Of a graded judge, from moments and ``surprise`` (m,) at the mode; None with too few pairs in both orders."""
    first, second = _both_orders(data, scale.judge)
    if len(first) < MIN_PAIRS:
        return None
    towards = np.where(data.winners < data.losers, 1.0, -1.0)
    own = scale.information(moments.ahead)
    size = np.sqrt(np.maximum(own, np.finfo(np.float64).tiny))
    residual = towards * surprise / size
    # The fit follows its own answers: in a pair that takes I·R away from the product of the residuals.
    taken = size[first] * size[second] * (moments.variance[first] + moments.variance[second]) / 2
    kept = (1 - own[first] * moments.variance[first]) * (1 - own[second] * moments.variance[second])
    rho = np.sum(residual[first] * residual[second] + taken) / np.sum(kept + taken**2)
    return SharedNoise(float(np.clip(rho, -1.0, 1.0)), first, second)


def _both_orders(data: Comparisons, judge: int) -> tuple[IntArray, IntArray]:
    """Places of the first answer in either order, of the pairs that the judge judged in both."""
    own = np.flatnonzero(data.judge == judge)
    a, b, n = data.slot_a[own], data.slot_b[own], data.n_items
    keys, first = np.unique(a * n + b, return_index=True)
    low = keys[keys // n < keys % n]
    other = (low % n) * n + low // n
    found = np.isin(other, keys)
    low, other = low[found], other[found]
    return own[first[np.searchsorted(keys, low)]], own[first[np.searchsorted(keys, other)]]
