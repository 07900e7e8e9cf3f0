"""One simulated batch that is judged round by round, with its truth known.

Rounds are as the assessment service plans them: first a cycle through all essays, then matchings of all essays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cj_measurement.comparisons import Comparisons, FloatArray, IntArray
from cj_measurement.correlations import ranks
from cj_measurement.errors import InvalidArgument, NotConverged
from cj_measurement.fitting.bradley_terry import fit
from cj_measurement.fitting.classical import fit_classical
from cj_measurement.fitting.result import Fit
from cj_measurement.pairing.plan import plan_pairs
from cj_measurement.pairing.state import RANDOM_REASONS, PairingSettings, PairingState, Policy
from cj_measurement.simulated_judges import Answers, SimulatedJudge, Verdicts

INTERVAL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How a batch is judged: ``rounds_ahead`` rounds are still being judged when the next one is planned."""

    essays: int
    policy: Policy = Policy.INFORMATION
    settings: PairingSettings = field(default_factory=PairingSettings)
    rounds_ahead: int = 1

    def __post_init__(self) -> None:
        if self.essays < 2:
            raise InvalidArgument("one essay cannot be compared: there must be two")
        if self.rounds_ahead < 0:
            raise InvalidArgument("rounds_ahead is a number of rounds: give 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a run stands after a number of comparisons per essay.

    ``eb_reliability`` is the one that decisions are taken on, ``ssr`` that of the classical fit, None where the steps
    of that fit found no end.
    ``true_r2`` is the squared correlation of the scores with the true abilities, ``spearman`` that of the ranks; both
    are None where all essays are equal. ``coverage`` is the share of 90 % intervals that hold the truth.
    """

    comparisons_per_essay: float
    eb_reliability: float
    ssr: float | None
    true_r2: float | None
    spearman: float | None
    coverage: float


class Run:
    """One batch being judged, with its truth known; the same seed gives the same run.

    ``other_judges`` see the same abilities: each comparison is assigned to one judge of all at random.
    """

    def __init__(
        self, design: Design, judge: SimulatedJudge, *, seed: int, other_judges: Sequence[SimulatedJudge] = ()
    ) -> None:
        self.design = design
        self._rng = np.random.default_rng(seed)
        self.truth = judge.abilities(design.essays, self._rng)
        self._judges = [Verdicts(each, self.truth, seed=seed) for each in (judge, *other_judges)]
        self.asked: IntArray = np.empty((0, 2), np.int64)
        self.answers = Answers.none()
        self._ends = [0]
        self._random_links = 0
        self._fit: Fit | None = None
        self._fitted = 0
        self.reliabilities: list[tuple[float, float]] = []
        """Comparisons per essay and EB reliability after each round whose answers were fitted."""

    @property
    def answered(self) -> int:
        """Comparisons whose answers are known; those of the last ``rounds_ahead`` rounds are not."""
        return self._ends[max(0, len(self._ends) - 1 - self.design.rounds_ahead)]

    @property
    def comparisons_per_essay(self) -> float:
        """Answered comparisons that an essay took part in, on average."""
        return 2 * self.answered / self.design.essays

    def judge_round(self) -> None:
        """Plan a round from the answers known and have it judged."""
        n = self.design.essays
        count = n if len(self.asked) == 0 else max(1, n // 2)
        pairs = plan_pairs(
            self.state(), count=count, seed=int(self._rng.integers(2**63)), policy=self.design.policy
        )
        slots = np.array([(pair.slot_a, pair.slot_b) for pair in pairs])
        self.asked = np.concatenate([self.asked, slots])
        self.answers = self.answers.followed_by(self._answers(slots))
        self._random_links += sum(pair.reason in RANDOM_REASONS for pair in pairs)
        self._ends.append(len(self.asked))

    def _answers(self, slots: IntArray) -> Answers:
        """Each pair goes to one of the judges at random."""
        if len(self._judges) == 1:
            return self._judges[0].about(slots, self._rng)
        chosen = self._rng.integers(0, len(self._judges), len(slots))
        every = [judge.about(slots, self._rng) for judge in self._judges]
        return Answers.chosen(every, chosen)

    def state(self) -> PairingState:
        """What the next round is planned from; random pairs need no fit."""
        return PairingState.of(
            self.design.essays,
            self.asked,
            random_links=self._random_links,
            fit=None if self.design.policy is Policy.RANDOM else self.fit(),
            settings=self.design.settings,
        )

    def fit(self) -> Fit | None:
        """The fit of all answers known; None before there are any."""
        if self.answered > self._fitted:
            self._fit, self._fitted = fit(self.comparisons(), start=self._fit), self.answered
            self.reliabilities.append((self.comparisons_per_essay, self._fit.eb_reliability))
        return self._fit

    def fitted(self) -> Fit:
        """The fit of all answers known; raises ``InvalidArgument`` before there are any."""
        fitted = self.fit()
        if fitted is None:
            raise InvalidArgument("nothing was answered yet: judge a round first")
        return fitted

    def comparisons(self) -> Comparisons:
        """The answers known."""
        known, answers = self.asked[: self.answered], self.answers.first(self.answered)
        return Comparisons.of(
            self.design.essays,
            known[:, 0],
            known[:, 1],
            answers.a_won,
            answers.judge,
            margin=answers.margin,
            confidence=answers.confidence,
            log_odds=answers.log_odds,
        )

    def reading(self) -> Reading:
        """How the run stands; raises ``InvalidArgument`` before there are answers."""
        fitted = self.fitted()
        below, above = fitted.intervals(INTERVAL).T
        correlation = correlation_with_truth(fitted.theta, self.truth)
        return Reading(
            comparisons_per_essay=self.comparisons_per_essay,
            eb_reliability=fitted.eb_reliability,
            ssr=_classical_reliability(fitted.comparisons),
            true_r2=None if correlation is None else correlation**2,
            spearman=correlation_with_truth(ranks(fitted.theta), ranks(self.truth)),
            coverage=float(np.mean((below <= self.truth) & (self.truth <= above))),
        )


def _classical_reliability(comparisons: Comparisons) -> float | None:
    try:
        return fit_classical(comparisons).ssr
    except NotConverged:
        return None


def correlation_with_truth(scores: FloatArray, truth: FloatArray) -> float | None:
    """None where all true abilities are equal; 0 where all scores are."""
    if np.ptp(truth) == 0:
        return None
    return float(np.corrcoef(scores, truth)[0, 1]) if np.ptp(scores) > 0 else 0.0
