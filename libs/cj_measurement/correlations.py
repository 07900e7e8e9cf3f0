"""Correlations of ranks, without ``scipy.stats``: importing that would double the time a service takes to start."""

import numpy as np

from cj_measurement.comparisons import FloatArray


def ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1 up, shape as given (n,); equal values share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=np.float64)


def spearman(x: FloatArray, y: FloatArray) -> float:
    """Spearman's correlation of two series (n,), in −1 to 1; NaN where one never varies."""
    return pearson(ranks(x), ranks(y))


def pearson(x: FloatArray, y: FloatArray) -> float:
    """Pearson's correlation of two series (n,), in −1 to 1; NaN where one never varies."""
    a, b = x - x.mean(), y - y.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def kendall(x: FloatArray, y: FloatArray) -> float:
    """Kendall's τ_b of two series (n,), in −1 to 1; NaN where one never varies.

    Every pair is looked at: for as many as there are anchors in a batch, not for thousands.
    """
    one, other = np.triu_indices(len(x), 1)
    by_x, by_y = np.sign(x[one] - x[other]), np.sign(y[one] - y[other])
    size = np.sqrt(float(np.count_nonzero(by_x)) * float(np.count_nonzero(by_y)))
    return float(by_x @ by_y / size) if size > 0 else float("nan")
