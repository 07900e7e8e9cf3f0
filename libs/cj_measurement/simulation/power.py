"""How many comparisons, and US dollars, it takes to reach a reliability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from cj_measurement.errors import InvalidArgument
from cj_measurement.simulated_judges import SimulatedJudge
from cj_measurement.simulation.run import Design, Run

MAX_SIMULATED_ESSAYS = 100
"""The comparisons that an essay needs hardly depend on how many essays there are beyond this."""
MAX_COMPARISONS_PER_ESSAY = 60
"""A target that is not reached by then is out of reach."""


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
