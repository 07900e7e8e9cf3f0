"""What an answer says of how far its winner is ahead: the winner alone, or the winner and by how much.

Both are log-concave in x, the logit of what happened. The winner alone says log σ(x). A graded answer adds up terms
log σ(κx − d): "ahead by more than a cut" and "by less than the next" are each as good as a winner of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit, log_expit

from cj_measurement.comparisons import FloatArray
from cj_measurement.fitting.answer_scales import AnswerScale


class Likelihood(Protocol):
    """By comparison (m,): the log likelihood of x, and its derivatives from the ``chances`` of its terms.

    ``behind`` (m,) is −x.
    """

    def chances(self, behind: FloatArray) -> FloatArray:
        """How probable the opposite of each term was, from which everything else follows."""

    def log(self, behind: FloatArray) -> FloatArray:
        """The log likelihood, (m,)."""

    def surprise(self, chances: FloatArray) -> FloatArray:
        """Its first derivative, (m,)."""

    def steepness(self, chances: FloatArray, weight: FloatArray) -> FloatArray:
        """Minus its second derivative, times the weights; (m,)."""

    def third(self, chances: FloatArray, weight: FloatArray) -> FloatArray:
        """Its third derivative, times the weights; (m,)."""


class Winner:
    """Only who won counts: log σ(x), the likelihood of Bradley and Terry."""

    def chances(self, behind: FloatArray) -> FloatArray:
        return np.asarray(expit(behind), dtype=np.float64)

    def log(self, behind: FloatArray) -> FloatArray:
        return np.asarray(log_expit(-behind), dtype=np.float64)

    def surprise(self, chances: FloatArray) -> FloatArray:
        return chances

    def steepness(self, chances: FloatArray, weight: FloatArray) -> FloatArray:
        return weight * chances * (1 - chances)

    def third(self, chances: FloatArray, weight: FloatArray) -> FloatArray:
        return weight * chances * (1 - chances) * (1 - 2 * chances)


@dataclass(frozen=True, eq=False)
class Graded:
    """Each answer a sum of terms log σ(κx − d) and a constant: ``slope`` κ and ``offset`` d (terms, m)."""

    slope: FloatArray
    offset: FloatArray
    constant: FloatArray

    @classmethod
    def of(cls, count: int, scales: Sequence[AnswerScale]) -> "Graded":
        """The likelihood of ``count`` answers, of which those on no scale say only who won."""
        rows = 3 if any(scale.has_winner_term for scale in scales) else 2
        slope, offset = np.zeros((rows, count)), np.full((rows, count), -np.inf)
        slope[0], offset[0] = 1.0, 0.0
        constant = np.zeros(count)
        for scale in scales:
            at, edges, level = scale.answers, scale.edges, scale.level
            below = 2 if scale.has_winner_term else 0
            slope[below, at], offset[below, at] = scale.gamma, edges[level]
            slope[1, at], offset[1, at] = -scale.gamma, -edges[level + 1]
            constant[at] = scale.log_widths[level]
        return cls(slope, offset, constant)

    def chances(self, behind: FloatArray) -> FloatArray:
        return np.asarray(expit(self.slope * behind + self.offset), dtype=np.float64)

    def log(self, behind: FloatArray) -> FloatArray:
        terms = log_expit(-(self.slope * behind + self.offset))
        return np.asarray(terms.sum(axis=0) + self.constant, dtype=np.float64)

    def surprise(self, chances: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("tm,tm->m", self.slope, chances), dtype=np.float64)

    def steepness(self, chances: FloatArray, weight: FloatArray) -> FloatArray:
        own = chances * (1 - chances)
        return np.asarray(weight * np.einsum("tm,tm,tm->m", self.slope, self.slope, own), dtype=np.float64)

    def third(self, chances: FloatArray, weight: FloatArray) -> FloatArray:
        own = chances * (1 - chances) * (1 - 2 * chances)
        return np.asarray(weight * np.einsum("tm,tm->m", self.slope**3, own), dtype=np.float64)
