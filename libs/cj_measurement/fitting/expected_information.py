"""What one more answer would tell about a pair: the information of the models in use, each as often as it is used."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cj_measurement.comparisons import FloatArray
from cj_measurement.fitting.answer_scales import AnswerScale
from cj_measurement.fitting.result import Fit

NODES = 7


@dataclass(frozen=True, eq=False)
class _Judge:
    share: float
    slope: float
    effect: float
    scale: AnswerScale


class ExpectedInformation:
    """Fisher information of an answer about the difference of two abilities, by judges as they judged so far."""

    def __init__(self, fit: Fit) -> None:
        judge, scales = fit.comparisons.judge, {scale.judge: scale for scale in fit.scales}
        graded = np.isin(judge, list(scales))
        self.graded = [
            _Judge(
                float(np.mean(judge == number)), float(fit.slopes[number]), float(fit.effects[number]), scale
            )
            for number, scale in scales.items()
        ]
        self.winner_share = 1 - sum(one.share for one in self.graded)
        plain = judge[~graded]
        self._effect = float(np.sqrt(np.average(fit.effects[plain] ** 2))) if len(plain) else 0.0

    def __call__(self, difference: FloatArray) -> FloatArray:
        """At differences known exactly; the mean of both orders under the judges' position effects, shape as given."""
        if not self.graded:
            return self._of_winner(difference)
        total = self.winner_share * self._of_winner(difference)
        for one in self.graded:
            for effect in (one.effect, -one.effect):
                own = one.scale.information(one.slope * difference + effect)
                total += one.share * one.slope**2 * own / 2
        return np.asarray(total, dtype=np.float64)

    def _of_winner(self, difference: FloatArray) -> FloatArray:
        """p(1−p) under the root mean square of the position effects."""
        ahead, behind = expit(difference + self._effect), expit(difference - self._effect)
        return np.asarray((ahead * (1 - ahead) + behind * (1 - behind)) / 2, dtype=np.float64)

    def over(self, difference: FloatArray, variance: FloatArray) -> FloatArray:
        """Expected at differences that are known with this variance, by Gauss and Hermite's rule; shape as given."""
        if not self.graded:
            return _moderated(difference, variance)
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        places = difference + np.sqrt(variance) * nodes.reshape(-1, *[1] * difference.ndim)
        total = self.winner_share * _moderated(difference, variance)
        for one in self.graded:
            own = one.scale.information(one.slope * places)
            total += one.share * one.slope**2 * np.tensordot(weights / weights.sum(), own, axes=1)
        return np.asarray(total, dtype=np.float64)


def _moderated(difference: FloatArray, variance: FloatArray) -> FloatArray:
    """E p(1−p) of a difference that is known with this variance (MacKay 1992, the moderated output's slope)."""
    flattened = 1 / np.sqrt(1 + np.pi * variance / 8)
    p = expit(flattened * difference)
    return np.asarray(flattened * p * (1 - p), dtype=np.float64)
