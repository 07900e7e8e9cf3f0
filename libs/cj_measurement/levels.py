"""Levels: how far ahead each judge says that the winner is, as ranks from 1 of which only the order counts.

A judge states a margin, or else a confidence, or else log-odds of the two answers. Of any of these only the order
counts: a judge whose log-odds are all three times too large has the same levels.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cj_measurement.errors import InvalidComparisons

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

TINY = float(np.finfo(np.float64).tiny)
"""The smallest normal double; keeps divisors and the arguments of logarithms above zero."""
CUT_LEVELS = 4
"""Log-odds are cut into this many levels of equal share."""
MAX_VALUES = 9
"""A confidence with more different values is cut like log-odds."""
MIN_STATED_SHARE = 0.5
"""A judge's levels come from the first of margin, confidence and log-odds that this share of its answers state."""


class LevelSource(StrEnum):
    """What a judge's levels were made of."""

    MARGIN = "margin"
    CONFIDENCE = "confidence"
    LOG_ODDS = "log_odds"


@dataclass(frozen=True, eq=False)
class Levels:
    """``level`` (m,) from 1, or 0 where none was stated; ``source`` by judge, None for one who states none."""

    level: IntArray
    source: tuple[LevelSource | None, ...]

    def where(self, chosen: npt.NDArray[np.generic]) -> "Levels":
        """The chosen comparisons only."""
        return Levels(self.level[chosen], self.source)


def levels_of(
    *,
    n_items: int,
    judge: IntArray,
    a_won: BoolArray,
    margin: npt.ArrayLike | None,
    confidence: npt.ArrayLike | None,
    log_odds: npt.ArrayLike | None,
) -> Levels | None:
    """The levels of comparisons (m,) in the order in which they were judged; None where nothing was stated.

    NaN stands for what an answer does not state. ``margin`` is a whole number from 1 up; ``log_odds`` are those of slot
    A, and what speaks for the loser counts as 0. They are cut where the first two comparisons per item of the judge
    fall into equal shares, so that the cuts do not move later. Raises ``InvalidComparisons``.
    """
    if margin is None and confidence is None and log_odds is None:
        return None
    sources = {
        LevelSource.MARGIN: _values(margin, "margin", len(judge)),
        LevelSource.CONFIDENCE: _values(confidence, "confidence", len(judge)),
        LevelSource.LOG_ODDS: _values(log_odds, "log_odds", len(judge)),
    }
    _check_margins(sources[LevelSource.MARGIN])
    for_winner = np.where(a_won, 1.0, -1.0) * sources[LevelSource.LOG_ODDS]
    sources[LevelSource.LOG_ODDS] = np.where(np.isnan(for_winner), np.nan, np.maximum(for_winner, 0.0))
    level = np.zeros(len(judge), np.int64)
    chosen: list[LevelSource | None] = []
    for number in range(int(judge.max(initial=0)) + 1):
        own = np.flatnonzero(judge == number)
        source = next((name for name, values in sources.items() if _is_stated(values[own])), None)
        chosen.append(source)
        if source is not None:
            level[own] = _ranked(source, sources[source][own], first=n_items)
    return Levels(level, tuple(chosen)) if level.any() else None


def _values(given: npt.ArrayLike | None, name: str, count: int) -> FloatArray:
    if given is None:
        return np.full(count, np.nan)
    values = np.array(given, np.float64).reshape(-1)
    if len(values) != count:
        raise InvalidComparisons(f"{name} must have one value per comparison, NaN where none is stated")
    return values


def _check_margins(margin: FloatArray) -> None:
    stated = margin[~np.isnan(margin)]
    if len(stated) and not (np.array_equal(stated, np.floor(stated)) and stated.min() >= 1):
        raise InvalidComparisons("a margin is a whole number from 1 (slightly better) up")
    if len(stated) and stated.max() > MAX_VALUES:
        raise InvalidComparisons(f"a margin is at most {MAX_VALUES}: give finer statements as log_odds")


def _is_stated(values: FloatArray) -> bool:
    return len(values) > 0 and float(np.mean(~np.isnan(values))) >= MIN_STATED_SHARE


def _ranked(source: LevelSource, values: FloatArray, *, first: int) -> IntArray:
    stated = ~np.isnan(values)
    level = np.zeros(len(values), np.int64)
    if source is LevelSource.MARGIN:
        level[stated] = values[stated].astype(np.int64)
        return level
    known = values[stated]
    different = np.unique(known)
    if source is LevelSource.CONFIDENCE and len(different) <= MAX_VALUES:
        level[stated] = 1 + np.searchsorted(different, known)
        return level
    shares = np.arange(1, CUT_LEVELS) / CUT_LEVELS
    cuts = np.unique(np.quantile(known[:first], shares, method="inverted_cdf"))
    level[stated] = 1 + np.searchsorted(cuts, known)
    return level
