"""What simulated runs read after given numbers of comparisons per essay."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cj_measurement.comparisons import BoolArray, FloatArray
from cj_measurement.errors import InvalidArgument
from cj_measurement.simulated_judges import SimulatedJudge
from cj_measurement.simulation.run import Design, Reading, Run, correlation_with_truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What ``seeds`` runs read after as many comparisons: medians; the coverage is of all intervals together."""

    design: Design
    judge: SimulatedJudge
    seeds: int
    median: Reading


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
    correlation = correlation_with_truth(fitted.theta, run.truth)
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
