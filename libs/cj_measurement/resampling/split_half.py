"""Split-half reliability, and all four numbers in one value."""

from collections.abc import Iterable, Iterator
from itertools import combinations
from math import comb

import numpy as np

from cj_measurement.comparisons import BoolArray, Comparisons, FloatArray
from cj_measurement.fitting.classical import fit_classical
from cj_measurement.fitting.classical_parts import abilities_of_parts
from cj_measurement.fitting.result import Fit
from cj_measurement.reliability import Reliability, SplitHalf
from cj_measurement.resampling.bootstrap import RESAMPLE_TOLERANCE

HALVES = 100
MIN_COMMON_ITEMS = 3


def reliability_of(fit: Fit, *, seed: int, halves: int = HALVES) -> Reliability:
    """The four numbers of the comparisons that were fitted; raises what ``fit_classical`` raises."""
    comparisons = fit.comparisons
    classical = fit_classical(comparisons, allow_disconnected=True)
    return Reliability(
        eb=fit.eb_reliability,
        ssr=classical.ssr,
        ssr_prime=classical.ssr_prime,
        split_half=split_half(fit if fit.is_graded else comparisons, seed=seed, halves=halves),
    )


def split_half(judged: Comparisons | Fit, *, seed: int, halves: int = HALVES) -> SplitHalf | None:
    """Correlate the scales of random halves: of the judges where there are several, else of the comparisons.

    From comparisons the scales are classical, from a fit they use what it uses: levels, τ and how judges use levels.

    Where judges can be parted in no more than ``halves`` ways, each way is taken once. None where no half has three
    items in common with the other.
    """
    generator = np.random.default_rng(seed)
    comparisons = judged.comparisons if isinstance(judged, Fit) else judged
    by_judges = np.count_nonzero(comparisons.judge_counts) > 1
    divide = _halves_of_judges if by_judges else _halves_of_comparisons
    first = np.array(list(divide(comparisons, halves, generator)))
    correlations = [
        correlation
        for one, other in zip(_abilities(judged, first), _abilities(judged, ~first), strict=True)
        if (correlation := _correlation(one, other)) is not None
    ]
    if not correlations:
        return None
    median = float(np.median(correlations))
    return SplitHalf(median=median, unit="judges" if by_judges else "comparisons", halves=len(correlations))


def _abilities(judged: Comparisons | Fit, parts: BoolArray) -> Iterable[FloatArray]:
    """Of each part (parts, m) of the comparisons; NaN for items without any."""
    if isinstance(judged, Comparisons):
        return abilities_of_parts(judged, parts)
    return (_abilities_of_part(judged, part) for part in parts)


def _abilities_of_part(fit: Fit, part: BoolArray) -> FloatArray:
    of_part = fit.posterior.reweighted(fit.posterior.weight * part)
    mode = of_part.mode(fit.tau, fit.mode.parameters, tolerance=RESAMPLE_TOLERANCE)
    counts = fit.comparisons.where(part).counts
    return np.where(counts > 0, mode.parameters[: fit.n_items], np.nan)


def _halves_of_judges(
    comparisons: Comparisons, halves: int, generator: np.random.Generator
) -> Iterator[BoolArray]:
    judges = np.flatnonzero(comparisons.judge_counts)
    half = len(judges) // 2
    if comb(len(judges), half) <= halves:
        for chosen in combinations(judges, half):
            yield np.isin(comparisons.judge, chosen)
        return
    for _ in range(halves):
        yield np.isin(comparisons.judge, generator.permutation(judges)[:half])


def _halves_of_comparisons(
    comparisons: Comparisons, halves: int, generator: np.random.Generator
) -> Iterator[BoolArray]:
    half = np.arange(len(comparisons)) < len(comparisons) // 2
    for _ in range(halves):
        yield generator.permutation(half)


def _correlation(one: FloatArray, other: FloatArray) -> float | None:
    common = np.isfinite(one) & np.isfinite(other)
    if common.sum() < MIN_COMMON_ITEMS or np.ptp(one[common]) == 0 or np.ptp(other[common]) == 0:
        return None
    return float(np.corrcoef(one[common], other[common])[0, 1])
