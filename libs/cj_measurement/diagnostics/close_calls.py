"""Neighbours in the ranking that are too close to call."""

import numpy as np
from scipy.special import ndtr

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.fitting.result import COVARIANCE_LIMIT, Fit

TOO_CLOSE = 0.8
"""P(θ_i > θ_j) from 1 − this to this: too close to call."""
MIN_VARIANCE = 1e-20
"""Of a difference, in squared logits: both abilities were known in advance."""


def close_calls(fit: Fit) -> tuple[tuple[int, ...], ...]:
    """Groups of two and more items, best first, within which every pair is too close to call.

    Neighbours in the ranking are grouped from the top, as long as no item of a group is above another with a
    probability of more than ``TOO_CLOSE``. Beyond ``COVARIANCE_LIMIT`` items the errors of different items count as
    independent, which calls a few more pairs close.
    """
    groups: list[list[int]] = []
    for item in np.argsort(-fit.theta, kind="stable"):
        if groups and np.all(_above(fit, np.array(groups[-1]), int(item)) <= TOO_CLOSE):
            groups[-1].append(int(item))
        else:
            groups.append([int(item)])
    return tuple(tuple(group) for group in groups if len(group) > 1)


def _above(fit: Fit, items: IntArray, other: int) -> FloatArray:
    """P(θ_i > θ_other) for each of the items."""
    spread = fit.variances[items] + fit.variances[other]
    if fit.n_items <= COVARIANCE_LIMIT:
        spread = spread - 2 * fit.covariance[items, other]
    error = np.sqrt(np.maximum(spread, MIN_VARIANCE))
    return np.asarray(ndtr((fit.theta[items] - fit.theta[other]) / error), dtype=np.float64)
