"""What the page computes from a run's comparisons: groups too close to call, surprises, boundaries, convergence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import cj_measurement as measurement
import numpy as np
from event_contracts import GRADE_SCALES, GradeScale

from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.judged import ComparisonStatus, RecordedComparison
from batch_runner.artefact.outcome import Score
from batch_runner.artefact.scoring import arrays_of
from batch_runner.intervals import RESAMPLING_SEED, Z_90

POINTS: Final = 12
FEWER_POINTS: Final = 4
"""Of the convergence curve where the run recorded none: each is a fit."""
FEW_ESSAYS: Final = 300
MAX_READINGS: Final = 40
"""Maximum number of recorded readings that the curve shows."""


@dataclass(frozen=True, slots=True)
class Point:
    """How the run stood after a number of comparisons, and when; cost in US dollars so far."""

    comparisons: int
    eb: float | None
    cost_usd: float
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Preference:
    """A judge's preference for the first slot, in logits."""

    judge: str
    b: float
    standard_error: float
    p_first: float
    comparisons: int


@dataclass(frozen=True, slots=True)
class AnchorPlace:
    """An anchor; ``displacement`` in logits is None where the other anchors give its grade no place."""

    score: Score
    grade: str
    wins: int
    displacement: float | None


@dataclass(frozen=True, kw_only=True)
class Measures:
    """``chance`` maps a comparison's sequence number to the probability of its outcome, ``intervals`` an essay's id to
    its 90 % interval.

    ``began`` is when the first request was made.
    """

    judged: tuple[RecordedComparison, ...]
    intervals: dict[str, tuple[float, float]]
    wins: dict[str, int]
    close: tuple[tuple[str, ...], ...]
    chance: dict[int, float]
    misfits: frozenset[str]
    boundaries: tuple[float, ...]
    grades: tuple[str, ...]
    preferences: tuple[Preference, ...]
    anchors: tuple[AnchorPlace, ...]
    tau: float | None
    inversions: tuple[tuple[Score, Score], ...]
    course: tuple[Point, ...]
    began: datetime | None
    spread: float | None


def measure(run: AssessmentRun) -> Measures:
    """Compute all of it; parts that the comparisons do not allow are empty."""
    return _Measuring(run).measures()


class _Measuring:
    def __init__(self, run: AssessmentRun) -> None:
        self.run = run
        self.scores = sorted(run.bt_summary, key=lambda score: (score.rank, score.essay_id))
        self.place = {score.essay_id: number for number, score in enumerate(self.scores)}
        self.judged = tuple(
            each
            for each in run.llm_comparisons
            if each.status is ComparisonStatus.SUCCEEDED
            and each.essay_a_id in self.place
            and each.essay_b_id in self.place
        )
        self.judges = sorted({each.judge for each in self.judged})
        self.fit = self._fit(self.judged)
        scale = GRADE_SCALES.get(run.metadata.grade_scale or "")
        self.scale = scale
        self.projection = None if self.fit is None or scale is None else self._project(self.fit, scale)

    def measures(self) -> Measures:
        wins = dict.fromkeys(self.place, 0)
        for each in self.judged:
            wins[str(each.winner_id)] += 1
        return Measures(
            judged=self.judged,
            intervals=self._intervals(),
            wins=wins,
            close=self._close(),
            chance=self._chances(),
            misfits=self._misfits(),
            boundaries=() if self.projection is None else tuple(map(float, self.projection.boundaries)),
            grades=_names(self.scale),
            preferences=self._preferences(),
            anchors=self._anchors(wins),
            tau=None if self.projection is None else self.projection.kendall_tau,
            inversions=self._inversions(),
            course=tuple(self._course()),
            began=min((each.started_at for each in self.judged if each.started_at is not None), default=None),
            spread=None if self.fit is None else float(self.fit.tau),
        )

    def _comparisons(self, judged: Sequence[RecordedComparison]) -> measurement.Comparisons:
        number = {judge: place for place, judge in enumerate(self.judges)}
        return arrays_of(self.place, judged, judges=[number[each.judge] for each in judged])

    def _fit(
        self, judged: Sequence[RecordedComparison], start: measurement.Fit | None = None
    ) -> measurement.Fit | None:
        if len(self.scores) < 2 or not judged:
            return None
        try:
            return measurement.fit(self._comparisons(judged), start=start, allow_disconnected=True)
        except measurement.NUMERICAL_ERRORS:
            return None

    def _project(self, fit: measurement.Fit, scale: GradeScale) -> measurement.GradeProjection | None:
        anchors = [
            measurement.Anchor(self.place[score.essay_id], scale.grades.index(score.anchor_grade))
            for score in self.scores
            if score.anchor_grade in scale.grades
        ]
        try:
            found = measurement.project_grades(
                theta=fit.posterior_mean,
                covariance=fit.variances,
                anchors=anchors,
                scale=measurement.ScaleShape(len(scale.grades), scale.below_lowest is not None, scale.priors),
                seed=RESAMPLING_SEED,
                tau=fit.tau,
                wins=fit.comparisons.scores,
                draws=1,
            )
        except measurement.NUMERICAL_ERRORS:
            return None
        return found if isinstance(found, measurement.GradeProjection) else None

    def _intervals(self) -> dict[str, tuple[float, float]]:
        """From the run's own scores and errors, so that the picture is what the table says."""
        return {
            each.essay_id: (each.theta - Z_90 * each.standard_error, each.theta + Z_90 * each.standard_error)
            for each in self.scores
        }

    def _close(self) -> tuple[tuple[str, ...], ...]:
        if self.fit is None:
            return ()
        groups = measurement.close_calls(self.fit)
        return tuple(tuple(self.scores[place].essay_id for place in sorted(group)) for group in groups)

    def _chances(self) -> dict[int, float]:
        if self.fit is None:
            return {}
        data = self.fit.comparisons
        first = self.fit.probability(data.slot_a, data.slot_b, data.judge)
        happened = np.where(data.a_won, first, 1 - first)
        return {each.sequence: float(chance) for each, chance in zip(self.judged, happened, strict=True)}

    def _misfits(self) -> frozenset[str]:
        if self.fit is None:
            return frozenset()
        flagged = measurement.item_fit(self.fit).misfits
        return frozenset(score.essay_id for score, misfit in zip(self.scores, flagged, strict=True) if misfit)

    def _preferences(self) -> tuple[Preference, ...]:
        found = () if self.fit is None else self.fit.position_bias
        return tuple(
            Preference(self.judges[each.judge], each.b, each.standard_error, each.p_first_if_equal, each.n)
            for each in found
        )

    def _anchors(self, wins: dict[str, int]) -> tuple[AnchorPlace, ...]:
        displaced = {} if self.projection is None else self.projection.displacement
        return tuple(
            AnchorPlace(score, score.anchor_grade, wins[score.essay_id], displaced.get(place))
            for place, score in enumerate(self.scores)
            if score.is_anchor and score.anchor_grade is not None
        )

    def _inversions(self) -> tuple[tuple[Score, Score], ...]:
        """Pairs (lower grade, higher grade) that the ranking inverts."""
        if self.scale is None:
            return ()
        order = {grade: number for number, grade in enumerate(_names(self.scale))}
        known = [score for score in self.scores if score.anchor_grade in order]
        return tuple(
            (low, high)
            for number, low in enumerate(known)
            for high in known[number + 1 :]
            if low.theta > high.theta and order[low.anchor_grade or ""] < order[high.anchor_grade or ""]
        )

    def _course(self) -> list[Point]:
        """As the run recorded it; else fitted again from the comparisons up to each point."""
        recorded = [each for each in self.run.convergence if each.comparisons_judged]
        if len(recorded) < 2:
            return self._fitted_course()
        chosen = np.unique(np.linspace(0, len(recorded) - 1, MAX_READINGS).round().astype(int)).tolist()
        return [
            Point(each.comparisons_judged, each.eb, float(each.cost_usd), each.at)
            for each in map(recorded.__getitem__, chosen)
        ]

    def _fitted_course(self) -> list[Point]:
        in_order = sorted(self.judged, key=lambda each: each.sequence)
        points = POINTS if len(self.scores) <= FEW_ESSAYS else FEWER_POINTS
        spent = np.cumsum([float(each.cost_usd) for each in in_order])
        ends = np.unique(np.linspace(0, len(in_order), points + 1).astype(int))
        course, start = [], None
        for _, end in pairwise(ends.tolist()):
            start = self._fit(in_order[:end], start) or start
            eb = None if start is None else max(0.0, float(start.eb_reliability))
            course.append(Point(end, eb, float(spent[end - 1]), in_order[end - 1].completed_at))
        return course


def _names(scale: GradeScale | None) -> tuple[str, ...]:
    if scale is None:
        return ()
    return scale.grades if scale.below_lowest is None else (scale.below_lowest, *scale.grades)
