"""Simulated judges: how sharp they are, and what they say besides who won.

A judge sees x = θ_A − θ_B + b + ε, ε logistic, and names the winner by the sign of x. What else it says follows |x|
more or less honestly, or not at all.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.special import expit, logit, ndtr

from cj_measurement.comparisons import BoolArray, FloatArray, IntArray
from cj_measurement.errors import InvalidArgument

MARGIN_SHARES = (0.4, 0.4, 0.2)
"""Of slightly, clearly and far better, over random pairs."""
CONFIDENCE_SHARES = (0.02, 0.08, 0.25, 0.45, 0.20)
"""Of the confidences 1 to 5, over random pairs."""
LEVELS_1_TO_5: FloatArray = np.arange(1.0, 6.0)
LOOSENESS = 2.5
"""SD in logits of the noise in a confidence that is loosely tied to the judgement."""
OVERCONFIDENCE, FLOOR, LOG_ODDS_NOISE = 2.76, 14.5, 0.5
"""As gpt-4-turbo's answer tokens on AlpacaEval: logits too large by this factor, cut off there, and noisy."""
SIGN_LEVEL, SIGN_NOISE = 10.0, 2.0
CUT_DRAWS = 20_000
CUT_SEED = 8_191
MIN_CHANCE = 1e-15


class Says(StrEnum):
    """What a judge says besides who won."""

    NOTHING = "nothing"
    MARGIN = "margin"
    CONFIDENCE = "confidence"
    LOOSE_CONFIDENCE = "loose_confidence"
    RANDOM_CONFIDENCE = "random_confidence"
    HIGH_CONFIDENCE = "high_confidence"
    LOG_ODDS = "log_odds"
    LOG_ODDS_OF_SIGN = "log_odds_of_sign"


WORTHLESS = frozenset({Says.RANDOM_CONFIDENCE, Says.HIGH_CONFIDENCE, Says.LOG_ODDS_OF_SIGN})
"""Statements that have nothing to do with how far ahead the winner is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedJudge:
    """A judge of known sharpness.

    ``sd`` is the standard deviation of the essays' abilities in logits as this judge sees them (τ of a fit): a
    sharper judge spreads the same essays further, 0 is a coin. ``position_bias`` is b in logits, ``noise`` the share
    of answers that have nothing to do with the essays. ``noise_growth``: ε is larger by this share for every logit
    between the essays. ``shared_noise`` is the correlation of ε in the two answers about a pair, one in each order.
    """

    sd: float
    position_bias: float = 0.0
    noise: float = 0.0
    says: Says = Says.NOTHING
    noise_growth: float = 0.0
    shared_noise: float = 0.0

    def __post_init__(self) -> None:
        if not (self.sd >= 0 and math.isfinite(self.sd)):
            raise InvalidArgument("sd is a standard deviation in logits: give 0 or more")
        if not math.isfinite(self.position_bias):
            raise InvalidArgument("position_bias is a finite number of logits")
        if not 0 <= self.noise <= 1:
            raise InvalidArgument("noise is a share: give a number from 0 to 1")
        if not (0 <= self.noise_growth < math.inf and 0 <= self.shared_noise <= 1):
            raise InvalidArgument("noise_growth is 0 or more, shared_noise a correlation from 0 to 1")

    @property
    def is_plain(self) -> bool:
        """Whether it only names winners, with noise of its own every time."""
        return self.says is Says.NOTHING and self.noise_growth == 0 and self.shared_noise == 0

    def abilities(self, essays: int, rng: np.random.Generator) -> FloatArray:
        """Normal abilities (essays,), their mean 0 and their standard deviation exactly ``sd``."""
        drawn = rng.normal(size=essays)
        return np.asarray(self.sd * (drawn - drawn.mean()) / drawn.std(ddof=1), dtype=np.float64)

    def a_wins(self, difference: FloatArray, rng: np.random.Generator) -> BoolArray:
        """Whether slot A wins, by difference of the abilities in slots A and B, shape as given."""
        chance = (1 - self.noise) * expit(difference + self.position_bias) + self.noise / 2
        return np.asarray(rng.random(difference.shape) < chance, dtype=np.bool_)


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """By comparison (m,): who won, by which judge, and what else it said, NaN where it did not."""

    a_won: BoolArray
    judge: IntArray
    margin: FloatArray
    confidence: FloatArray
    log_odds: FloatArray

    @classmethod
    def none(cls) -> "Answers":
        """Before anything was judged."""
        return cls.winners(np.empty(0, np.bool_))

    @classmethod
    def winners(cls, a_won: BoolArray) -> "Answers":
        """Who won, and nothing else."""
        silent = np.full(len(a_won), np.nan)
        return cls(
            a_won=a_won,
            judge=np.zeros(len(a_won), np.int64),
            margin=silent,
            confidence=silent,
            log_odds=silent,
        )

    @classmethod
    def chosen(cls, every: "list[Answers]", judge: IntArray) -> "Answers":
        """Of the answers that every judge would give, those of the judges chosen (m,)."""
        at = np.arange(len(judge))
        return cls(
            a_won=np.array([each.a_won for each in every])[judge, at],
            judge=judge,
            margin=np.array([each.margin for each in every])[judge, at],
            confidence=np.array([each.confidence for each in every])[judge, at],
            log_odds=np.array([each.log_odds for each in every])[judge, at],
        )

    def followed_by(self, later: "Answers") -> "Answers":
        """Both, in this order."""
        return Answers(
            a_won=np.concatenate([self.a_won, later.a_won]),
            judge=np.concatenate([self.judge, later.judge]),
            margin=np.concatenate([self.margin, later.margin]),
            confidence=np.concatenate([self.confidence, later.confidence]),
            log_odds=np.concatenate([self.log_odds, later.log_odds]),
        )

    def first(self, count: int) -> "Answers":
        """The first ``count``."""
        return Answers(
            a_won=self.a_won[:count],
            judge=self.judge[:count],
            margin=self.margin[:count],
            confidence=self.confidence[:count],
            log_odds=self.log_odds[:count],
        )


class Verdicts:
    """One judge before essays of known abilities (n,), with its own margin thresholds."""

    def __init__(self, judge: SimulatedJudge, truth: FloatArray, *, seed: int) -> None:
        self.judge, self.truth = judge, truth
        own = np.random.default_rng([CUT_SEED, seed])
        n = len(truth)
        shape = (n, n) if judge.shared_noise else (0, 0)
        shared = own.standard_normal(shape)
        # In the other order of a pair the shared noise favours the same essay.
        self._shared: FloatArray = np.triu(shared, 1) - np.triu(shared, 1).T
        if judge.is_plain:
            return
        one = own.integers(n, size=CUT_DRAWS)
        other = (one + own.integers(1, n, size=CUT_DRAWS)) % n
        self._random = self._seen(one, other, own)

    def about(self, slots: IntArray, rng: np.random.Generator) -> Answers:
        """Answers about pairs (m, 2)."""
        one, other = slots[:, 0], slots[:, 1]
        if self.judge.is_plain:
            return Answers.winners(self.judge.a_wins(self.truth[one] - self.truth[other], rng))
        seen = self._seen(one, other, rng)
        winners = Answers.winners(np.asarray(seen > 0, dtype=np.bool_))
        return self._saying(winners, seen, rng)

    def _seen(self, one: IntArray, other: IntArray, rng: np.random.Generator) -> FloatArray:
        difference = self.truth[one] - self.truth[other]
        rho = self.judge.shared_noise
        if rho:
            normal = np.sqrt(rho) * self._shared[one, other] + np.sqrt(1 - rho) * rng.standard_normal(
                len(one)
            )
            noise = logit(np.clip(ndtr(normal), MIN_CHANCE, 1 - MIN_CHANCE))
        else:
            noise = rng.logistic(size=len(one))
        noise = noise * (1 + self.judge.noise_growth * np.abs(difference))
        inattentive = rng.random(len(one)) < self.judge.noise
        seen = difference + self.judge.position_bias + noise
        return np.asarray(np.where(inattentive, rng.logistic(size=len(one)), seen), dtype=np.float64)

    def _saying(self, winners: Answers, seen: FloatArray, rng: np.random.Generator) -> Answers:
        says, count = self.judge.says, len(seen)
        if says is Says.MARGIN:
            return replace(winners, margin=_cut(np.abs(seen), np.abs(self._random), MARGIN_SHARES))
        if says is Says.CONFIDENCE:
            return replace(winners, confidence=_cut(np.abs(seen), np.abs(self._random), CONFIDENCE_SHARES))
        if says is Says.LOOSE_CONFIDENCE:
            own, others = (
                np.abs(np.abs(x) + LOOSENESS * rng.standard_normal(len(x))) for x in (seen, self._random)
            )
            return replace(winners, confidence=_cut(own, others, CONFIDENCE_SHARES))
        if says is Says.RANDOM_CONFIDENCE:
            return replace(winners, confidence=rng.choice(LEVELS_1_TO_5, size=count, p=CONFIDENCE_SHARES))
        if says is Says.HIGH_CONFIDENCE:
            return replace(winners, confidence=rng.integers(4, 6, size=count).astype(np.float64))
        if says is Says.LOG_ODDS:
            sharp = np.clip(OVERCONFIDENCE * seen, -FLOOR, FLOOR) + LOG_ODDS_NOISE * rng.standard_normal(
                count
            )
            return replace(winners, log_odds=sharp)
        if says is Says.LOG_ODDS_OF_SIGN:
            size = np.abs(SIGN_LEVEL + SIGN_NOISE * rng.standard_normal(count))
            return replace(winners, log_odds=np.sign(seen) * size)
        return winners


def _cut(own: FloatArray, others: FloatArray, shares: tuple[float, ...]) -> FloatArray:
    """Ranks from 1 of ``own``, cut where ``others`` fall into these shares."""
    cuts = np.quantile(others, np.cumsum(shares)[:-1])
    return np.asarray(1.0 + np.searchsorted(cuts, own), dtype=np.float64)
