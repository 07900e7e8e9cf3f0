"""How a judge uses levels: "slightly", "clearly", "far better" as intervals of how far the winner is ahead.

x is the logit of what happened: a(θ_winner − θ_loser), and the position effect. Three models (documentation/decisions/
0045):

- ``winner``: σ(x), the levels' shares free: levels tell nothing.
- ``cumulative``: σ(c_{m+1} − x) − σ(c_m − x), c_1 = 0: winner and level are cut from one latent judgement.
- ``two_part``: σ(x) · [σ(α_{m+1} − γx) − σ(α_m − γx)]: the level is a second, duller or sharper, look at the pair.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import expit, logit, ndtri

from cj_measurement.comparisons import FloatArray, IntArray

MIN_ANSWERS_PER_LEVEL = 5
"""Levels with fewer answers are merged with a neighbour."""
LOGISTIC_VARIANCE = np.pi**2 / 3
FIRST_GAMMA = 0.5
MIN_LOG_SHARE = 1e-300


class VerdictModel(StrEnum):
    """What a judge's levels are taken to tell."""

    WINNER = "winner"
    CUMULATIVE = "cumulative"
    TWO_PART = "two_part"


@dataclass(frozen=True, eq=False, kw_only=True)
class AnswerScale:
    """One judge's levels: ``answers`` (k,) are the indices of those that state one, ``level`` (k,) from 0.

    ``merged`` says for each level that was stated, from 1, which of ``level`` it became. ``cuts`` (levels − 1,) ascend;
    ``gamma`` is 1 in the cumulative model.
    """

    judge: int
    model: VerdictModel
    answers: IntArray
    level: IntArray
    merged: tuple[int, ...]
    cuts: FloatArray
    gamma: float = 1.0

    @property
    def levels(self) -> int:
        """How many there are after merging."""
        return self.merged[-1] + 1

    @property
    def has_winner_term(self) -> bool:
        """Whether who won is a term of its own."""
        return self.model is not VerdictModel.CUMULATIVE

    @cached_property
    def edges(self) -> FloatArray:
        """Where levels begin and end, shape (levels + 1,)."""
        lowest = -np.inf if self.has_winner_term else 0.0
        return np.concatenate([[lowest], self.cuts, [np.inf]])

    @cached_property
    def log_widths(self) -> FloatArray:
        """log(1 − e^(l − u)) of each level, shape (levels,)."""
        return np.asarray(np.log(-np.expm1(-np.diff(self.edges))), dtype=np.float64)

    @property
    def parameters(self) -> FloatArray:
        """What is estimated: cuts, and γ in the two-part model."""
        return np.append(self.cuts, self.gamma) if self.model is VerdictModel.TWO_PART else self.cuts

    def at(self, parameters: FloatArray) -> "AnswerScale":
        """The same answers on another scale."""
        if self.model is VerdictModel.TWO_PART:
            return replace(self, cuts=parameters[:-1], gamma=float(parameters[-1]))
        return replace(self, cuts=parameters)

    def log_shares(self, weight: FloatArray) -> float:
        """Σ log P(level) over the answers when levels tell nothing, each as probable as it is frequent."""
        counts = np.bincount(self.level, weight[self.answers], self.levels)
        return float(counts @ np.log(np.maximum(counts, MIN_LOG_SHARE) / counts.sum()))

    def first_guess(
        self, model: VerdictModel, mean: FloatArray, square: FloatArray, weight: FloatArray
    ) -> "AnswerScale":
        """A first guess of a model's parameters, from the expected x and x² (m,), as quantiles."""
        own = weight[self.answers]
        below = np.cumsum(np.bincount(self.level, own, self.levels))[:-1] / own.sum()
        x, spread = (float(np.average(each[self.answers], weights=own)) for each in (mean, square))
        if model is VerdictModel.CUMULATIVE:
            cuts = np.sqrt(LOGISTIC_VARIANCE + spread) * ndtri((1 + below) / 2)
            return replace(self, model=model, cuts=np.asarray(cuts, dtype=np.float64), gamma=1.0)
        stretch = np.sqrt(1 + FIRST_GAMMA**2 * max(spread - x**2, 0.0) / LOGISTIC_VARIANCE)
        cuts = stretch * logit(below) + FIRST_GAMMA * x
        return replace(self, model=model, cuts=np.asarray(cuts, dtype=np.float64), gamma=FIRST_GAMMA)

    def information(self, logit_of_a: FloatArray) -> FloatArray:
        """Fisher information of one answer about the logit of slot A: Σ P (d log P)² over winners and levels."""
        total = np.zeros_like(logit_of_a)
        for x in (logit_of_a, -logit_of_a):
            for low, high in pairwise(self.edges):
                slope = self.gamma * (expit(low - self.gamma * x) - expit(self.gamma * x - high))
                if self.has_winner_term:
                    slope = slope + expit(-x)
                total += self._chance(x, low, high) * slope**2
        return np.asarray(total, dtype=np.float64)

    def expected_shares(self, x: FloatArray) -> FloatArray:
        """P(level) of an answer, whichever essay wins; x is the logit of either side, shape (levels, ...)."""
        return np.array(
            [self._chance(x, low, high) + self._chance(-x, low, high) for low, high in pairwise(self.edges)]
        )

    def _chance(self, x: FloatArray, low: float, high: float) -> FloatArray:
        """P(this side wins, in the level from ``low`` to ``high``)."""
        chance = 1 - expit(low - self.gamma * x) - expit(self.gamma * x - high)
        return np.maximum(chance * expit(x) if self.has_winner_term else chance, 0.0)

    def score(
        self, ahead: FloatArray, shift: FloatArray, variance: FloatArray, weight: FloatArray
    ) -> FloatArray:
        """Expected derivatives of the log likelihood by ``parameters``, x having a posterior of its own.

        From x (m,) at the mode, how far its mean lies from there and its variance: with f a derivative, the sum of
        f + f′·shift + f″·variance/2. That is the exact gradient of Laplace's evidence.
        """
        k, at = self.gamma, self.answers
        x, moved, spread, own = ahead[at], shift[at], variance[at] / 2, weight[at]
        low, high, low_own, high_own = self._chances(x)
        low_bend, high_bend = low_own * (1 - 2 * low), high_own * (1 - 2 * high)
        by_low = -low + k * low_own * moved - k**2 * low_bend * spread
        by_high = high + k * high_own * moved + k**2 * high_bend * spread
        pull = self._by_cut(own * by_low, own * by_high)
        squeeze = np.bincount(self.level, own, self.levels) * self._squeeze
        pull += squeeze[:-1] - squeeze[1:]
        if self.model is VerdictModel.CUMULATIVE:
            return pull
        net, both = low - high, low_own + high_own
        by_gamma = x * net + (net - k * x * both) * moved
        by_gamma += (k**2 * x * (low_bend - high_bend) - 2 * k * both) * spread
        return np.append(pull, own @ by_gamma)

    def curvature(self, ahead: FloatArray, weight: FloatArray) -> FloatArray:
        """Minus the second derivatives of the log likelihood by ``parameters`` at x (m,)."""
        x, own = ahead[self.answers], weight[self.answers]
        _, _, low_own, high_own = self._chances(x)
        counts = np.bincount(self.level, own, self.levels)
        bend = counts * self._squeeze * (1 + self._squeeze)
        diagonal = self._by_cut(own * low_own, own * high_own) + bend[:-1] + bend[1:]
        matrix = np.diag(diagonal) - np.diag(bend[1:-1], 1) - np.diag(bend[1:-1], -1)
        if self.model is VerdictModel.CUMULATIVE:
            return np.asarray(matrix, dtype=np.float64)
        cuts = len(self.cuts)
        whole = np.zeros((cuts + 1, cuts + 1))
        whole[:cuts, :cuts] = matrix
        whole[:cuts, cuts] = whole[cuts, :cuts] = -self._by_cut(own * x * low_own, own * x * high_own)
        whole[cuts, cuts] = own @ (x**2 * (low_own + high_own))
        return whole

    @cached_property
    def _squeeze(self) -> FloatArray:
        """1/(e^width − 1) of each level: what a wider one would gain."""
        with np.errstate(over="ignore"):
            return np.asarray(1 / np.expm1(np.diff(self.edges)), dtype=np.float64)

    def _chances(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """P(below the level), P(above it) and how either varies, each (k,)."""
        low = expit(self.edges[self.level] - self.gamma * x)
        high = expit(self.gamma * x - self.edges[self.level + 1])
        return low, high, low * (1 - low), high * (1 - high)

    def _by_cut(self, by_low: FloatArray, by_high: FloatArray) -> FloatArray:
        """Sums by cut (levels − 1,): of the level above it, whose lower edge it is, and of the level below."""
        lower = np.bincount(self.level, by_low, self.levels)[1:]
        return np.asarray(lower + np.bincount(self.level, by_high, self.levels)[:-1], dtype=np.float64)


def scale_of(judge: int, answers: IntArray, stated: IntArray, weight: FloatArray) -> AnswerScale | None:
    """A judge's answers (k,) with the levels stated, from 1, and their weights; None where fewer than two are left.

    The smallest level with under ``MIN_ANSWERS_PER_LEVEL`` answers joins its smaller neighbour, again and again.
    """
    if not len(answers):
        return None
    groups = [[level] for level in range(1, int(stated.max()) + 1)]
    counts = [float(weight[stated == level].sum()) for level in range(1, int(stated.max()) + 1)]
    while len(groups) > 1 and min(counts) < MIN_ANSWERS_PER_LEVEL:
        place = int(np.argmin(counts))
        neighbours = [near for near in (place - 1, place + 1) if 0 <= near < len(groups)]
        other = min(neighbours, key=counts.__getitem__)
        first, second = sorted((place, other))
        groups[first] += groups.pop(second)
        counts[first] += counts.pop(second)
    if len(groups) < 2:
        return None
    merged = tuple(place for place, group in enumerate(groups) for _ in group)
    return AnswerScale(
        judge=judge,
        model=VerdictModel.WINNER,
        answers=answers,
        level=np.array(merged, np.int64)[stated - 1],
        merged=merged,
        cuts=np.zeros(len(groups) - 1),
    )
