"""Expected information gain of a comparison, given the last fit and the answers that are still awaited.

The gain is the mutual information of an answer and the abilities in a Gaussian posterior, ``½ log(1 + I·R_ij)`` in
nats: R_ij = C_ii + C_jj − 2C_ij is the variance of the pair's difference, I the Fisher information of one answer:
p(1−p), more where levels count. Answers that are still awaited shrink C in advance: by how much does not depend on
who wins.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from cj_measurement.comparisons import FloatArray, IntArray
from cj_measurement.errors import Singular
from cj_measurement.fitting.expected_information import ExpectedInformation
from cj_measurement.fitting.information import DENSE_LIMIT
from cj_measurement.fitting.result import Fit
from cj_measurement.pairing.asked_pairs import AskedPairs


class ExpectedGain:
    """Gains of pairs under one fit; beyond ``DENSE_LIMIT`` items covariances are taken as 0."""

    def __init__(self, fit: Fit, asked: AskedPairs) -> None:
        self.theta = fit.theta
        self._information = ExpectedInformation(fit)
        answered = fit.comparisons
        a, b, times = asked.without(answered.slot_a, answered.slot_b)
        awaited = times * self.information(a, b)
        if fit.n_items <= DENSE_LIMIT:
            self._covariance: FloatArray | None = covariance_after(fit.covariance, a, b, awaited)
            self._variances = np.diag(self._covariance)
        else:
            self._covariance = None
            own = np.bincount(a, awaited, fit.n_items) + np.bincount(b, awaited, fit.n_items)
            self._variances = fit.variances / (1 + fit.variances * own)

    def information(self, one: IntArray, other: IntArray) -> FloatArray:
        """I, the mean of both orders under the judges' position effects; shape as given."""
        return self._information(self.theta[one] - self.theta[other])

    def __call__(self, one: IntArray, other: IntArray) -> FloatArray:
        """Expected gain of each pair in nats; shape as given."""
        spread = self._variances[one] + self._variances[other]
        if self._covariance is not None:
            spread = spread - 2 * self._covariance[one, other]
        return np.asarray(np.log1p(self.information(one, other) * spread) / 2, dtype=np.float64)


def covariance_after(covariance: FloatArray, a: IntArray, b: IntArray, information: FloatArray) -> FloatArray:
    """The covariance (n, n) when these pairs have been answered too: (C⁻¹ + U D Uᵀ)⁻¹ by Woodbury's identity.

    ``information`` (m,), D's diagonal, is the information of all answers about each pair. Raises ``Singular``.
    """
    n = len(covariance)
    for start in range(0, len(a), n):
        chunk = slice(start, start + n)
        covariance = _covariance_after(covariance, a[chunk], b[chunk], np.sqrt(information[chunk]))
    return covariance


def _covariance_after(covariance: FloatArray, a: IntArray, b: IntArray, root: FloatArray) -> FloatArray:
    across = (covariance[:, a] - covariance[:, b]) * root
    inner = root[:, None] * (across[a] - across[b])
    inner[np.diag_indices_from(inner)] += 1
    try:
        lower = cholesky(inner, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError as error:
        raise Singular("the information of the awaited answers is lost in rounding") from error
    explained = solve_triangular(lower, across.T, lower=True, check_finite=False)
    return np.asarray(covariance - explained.T @ explained, dtype=np.float64)
