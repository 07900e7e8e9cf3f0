"""Simulated judging from known abilities: what a pairing policy reaches, and what reaching a target takes.

Rounds are as the assessment service plans them: first a cycle through all essays, then matchings of all essays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from cj_measurement.correlations import ranks
from cj_measurement.errors import InvalidArgument, NotConverged
from cj_measurement.fitting.bradley_terry import fit
from cj_measurement.fitting.classical import fit_classical
from cj_measurement.fitting.result import Fit
from cj_measurement.pairing.plan import plan_pairs
from cj_measurement.pairing.state import RANDOM_REASONS, PairingSettings, PairingState, Policy
from cj_measurement.simulated_judges import Answers, SimulatedJudge, Verdicts

INTERVAL = 0.9
MAX_SIMULATED_ESSAYS = 100
"""The comparisons that an essay needs hardly depend on how many essays there are beyond this."""
MAX_COMPARISONS_PER_ESSAY = 60
"""A target that is not reached by then is out of reach."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What ``seeds`` runs read after as many comparisons: medians; the coverage is of all intervals together."""

    design: Design
    judge: SimulatedJudge
    seeds: int
    median: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """EB reliability of simulated batches: the median, the lowest and the highest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What reaching a reliability takes: the median of ``seeds`` runs, and where four in five of them lie.

    ``reached`` is the share of runs that reached it within ``MAX_COMPARISONS_PER_ESSAY``. The other figures are None
    when fewer than half did; ``high`` is None when fewer than nine in ten did. ``expected`` is what the runs read
    after ``comparisons_per_essay``, or after the budget where that is less: None where there is neither.
    """

    design: Design
    judge: SimulatedJudge
    target_reliability: float
    seeds: int
    reached: float
    comparisons_per_essay: float | None
    low: float | None
    high: float | None
    comparisons: int | None
    cost_usd: Decimal | None
    expected: Expected | None = None


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
        correlation = _correlation(fitted.theta, self.truth)
        return Reading(
            comparisons_per_essay=self.comparisons_per_essay,
            eb_reliability=fitted.eb_reliability,
            ssr=_classical_reliability(fitted.comparisons),
            true_r2=None if correlation is None else correlation**2,
            spearman=_correlation(ranks(fitted.theta), ranks(self.truth)),
            coverage=float(np.mean((below <= self.truth) & (self.truth <= above))),
        )


def _classical_reliability(comparisons: Comparisons) -> float | None:
    try:
        return fit_classical(comparisons).ssr
    except NotConverged:
        return None


def _correlation(scores: FloatArray, truth: FloatArray) -> float | None:
    """None where all true abilities are equal; 0 where all scores are."""
    if np.ptp(truth) == 0:
        return None
    return float(np.corrcoef(scores, truth)[0, 1]) if np.ptp(scores) > 0 else 0.0


def simulate(
    design: Design, judge: SimulatedJudge, *, comparisons_per_essay: Sequence[int], seeds: int = 20
) -> tuple[Simulated, ...]:
    """Runs with the seeds 0, 1, …, read after each of these numbers of comparisons per essay, ascending.

    Raises ``InvalidArgument``.
    """
    wanted = list(comparisons_per_essay)
    if seeds < 1 or not wanted or wanted[0] < 1 or wanted != sorted(wanted):
        raise InvalidArgument(
            "give at least one seed, and comparisons per essay from 1 up in ascending order"
        )
    by_run = [_readings(Run(design, judge, seed=seed), wanted) for seed in range(seeds)]
    return tuple(
        Simulated(design=design, judge=judge, seeds=seeds, median=_median(readings))
        for readings in zip(*by_run, strict=True)
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Courses:
    """What runs reached after each of ``comparisons_per_essay`` (k,): arrays (runs, k).

    ``true_r2`` is NaN where all essays are equal, ``lead`` NaN where no levels were tested.
    """

    comparisons_per_essay: tuple[float, ...]
    true_r2: FloatArray
    eb_reliability: FloatArray
    is_graded: BoolArray
    lead: FloatArray

    def needed(self, values: FloatArray, target: float) -> float:
        """Comparisons per essay at which the median over runs first reaches the target, interpolated linearly."""
        at, medians = self.comparisons_per_essay, np.median(values, axis=0)
        if medians[0] >= target:
            return at[0]
        for k, value, next_k, next_value in zip(at, medians, at[1:], medians[1:], strict=False):
            if next_value >= target:
                return float(k + (target - value) / (next_value - value) * (next_k - k))
        return math.inf


def courses(
    design: Design,
    judge: SimulatedJudge,
    *,
    comparisons_per_essay: Sequence[float],
    seeds: Sequence[int],
    other_judges: Sequence[SimulatedJudge] = (),
    report_progress: Callable[[int], None] | None = None,
) -> Courses:
    """One run per seed, looked at after each of these numbers of comparisons.

    ``report_progress`` is called with the number of finished runs. Raises ``InvalidArgument``.
    """
    if not seeds or not comparisons_per_essay or comparisons_per_essay[0] < 1:
        raise InvalidArgument(
            "give at least one seed, and comparisons per essay from 1 up in ascending order"
        )
    looks: list[list[tuple[float, float, float, float]]] = []
    for done, seed in enumerate(seeds, start=1):
        run = Run(design, judge, seed=seed, other_judges=other_judges)
        looks.append([_look(run, wanted) for wanted in comparisons_per_essay])
        if report_progress is not None:
            report_progress(done)
    found = np.array(looks)
    return Courses(
        comparisons_per_essay=tuple(comparisons_per_essay),
        true_r2=found[:, :, 0],
        eb_reliability=found[:, :, 1],
        is_graded=found[:, :, 2] > 0,
        lead=found[:, :, 3],
    )


def _look(run: Run, wanted: float) -> tuple[float, float, float, float]:
    while run.comparisons_per_essay < wanted:
        run.judge_round()
    fitted = run.fitted()
    correlation = _correlation(fitted.theta, run.truth)
    leads = [evidence.lead for evidence in fitted.levels if evidence.lead is not None]
    return (
        math.nan if correlation is None else correlation**2,
        fitted.eb_reliability,
        float(fitted.is_graded),
        max(leads, default=math.nan),
    )


def _readings(run: Run, wanted: Sequence[int]) -> list[Reading]:
    readings = []
    for comparisons_per_essay in wanted:
        while run.comparisons_per_essay < comparisons_per_essay:
            run.judge_round()
        readings.append(run.reading())
    return readings


def _median(readings: Sequence[Reading]) -> Reading:
    def middle(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.median(known)) if known else None

    return Reading(
        comparisons_per_essay=float(np.median([reading.comparisons_per_essay for reading in readings])),
        eb_reliability=float(np.median([reading.eb_reliability for reading in readings])),
        ssr=middle([reading.ssr for reading in readings]),
        true_r2=middle([reading.true_r2 for reading in readings]),
        spearman=middle([reading.spearman for reading in readings]),
        coverage=float(np.mean([reading.coverage for reading in readings])),
    )


def power(
    design: Design,
    judge: SimulatedJudge,
    *,
    target_reliability: float,
    cost_per_comparison: Decimal,
    seeds: int = 10,
    budget: int | None = None,
) -> Power:
    """Comparisons and US dollars until the EB reliability reaches the target; ``budget`` is a number of comparisons.

    Batches of more than ``MAX_SIMULATED_ESSAYS`` essays are simulated with that many. Raises ``InvalidArgument``.
    """
    if not 0 < target_reliability < 1 or seeds < 1 or cost_per_comparison < 0:
        raise InvalidArgument("give a target between 0 and 1, at least one seed, and a cost of 0 or more")
    simulated = replace(design, essays=min(design.essays, MAX_SIMULATED_ESSAYS))
    runs = [Run(simulated, judge, seed=seed) for seed in range(seeds)]
    needed = [_needed(run, target_reliability) for run in runs]
    low, middle, high = (_finite(np.percentile(needed, q, method="higher")) for q in (10, 50, 90))
    comparisons = None if middle is None else math.ceil(middle * design.essays / 2)
    return Power(
        design=design,
        judge=judge,
        target_reliability=target_reliability,
        seeds=seeds,
        reached=float(np.mean(np.isfinite(needed))),
        comparisons_per_essay=middle,
        low=None if middle is None else low,
        high=None if middle is None else high,
        comparisons=comparisons,
        cost_usd=None if comparisons is None else comparisons * cost_per_comparison,
        expected=_expected(
            runs, [each for each in (middle, None if budget is None else 2 * budget / design.essays) if each]
        ),
    )


def _expected(runs: Sequence[Run], per_essay: Sequence[float]) -> Expected | None:
    """What the runs, continued where they are not that far, read after the least of these comparisons per essay."""
    wanted = min((*per_essay, MAX_COMPARISONS_PER_ESSAY)) if per_essay else 0.0
    if wanted < 1:
        return None
    found = [max(0.0, _reliability_after(run, wanted)) for run in runs]
    return Expected(median=float(np.median(found)), low=min(found), high=max(found))


def _reliability_after(run: Run, per_essay: float) -> float:
    while run.comparisons_per_essay < per_essay:
        run.judge_round()
    run.fit()
    return next(reliability for after, reliability in run.reliabilities if after >= per_essay)


def _needed(run: Run, target: float) -> float:
    """Comparisons per essay until the target; infinite where that takes too many."""
    while run.comparisons_per_essay < MAX_COMPARISONS_PER_ESSAY:
        run.judge_round()
        fitted = run.fit()
        if fitted is not None and fitted.eb_reliability >= target:
            return run.comparisons_per_essay
    return math.inf


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
