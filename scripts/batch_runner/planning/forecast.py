"""The comparisons and dollars that a target takes, as a range."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

from cj_measurement import Design, Power, SimulatedJudge, power

from batch_runner.money import dollars
from batch_runner.planning.pair_cost import PairCost

HUMAN_LIKE: Final = 1.5
SHARP: Final = 3.0
"""Standard deviations of essays' abilities in logits as a human-like and as a sharp judge see them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Comparisons and US dollars: the median, and the range of four in five batches.

    Everything is None where fewer than half of the batches reach the target, ``high`` where fewer than nine in ten
    do; dollars are None without a known price.
    """

    power: Power
    comparisons: int | None
    low: int | None
    high: int | None
    cost: Decimal | None
    cost_low: Decimal | None
    cost_high: Decimal | None

    @classmethod
    def of(cls, found: Power, price: PairCost | None) -> Self:
        """The effort of a simulated power at the price of a pair."""
        low, high = (_comparisons(each, found.design.essays) for each in (found.low, found.high))
        return cls(
            power=found,
            comparisons=found.comparisons,
            low=low,
            high=high,
            cost=None if price is None else _times(found.comparisons, price.likely),
            cost_low=None if price is None else _times(low, price.low),
            cost_high=None if price is None else _times(high, price.high),
        )


def effort(
    design: Design,
    judge: SimulatedJudge,
    *,
    target_reliability: float,
    price: PairCost | None,
    seeds: int,
    budget: int | None = None,
) -> Effort:
    """Simulate batches until each reaches the target; ``budget`` in comparisons. Raises ``MeasurementError``."""
    found = power(
        design,
        judge,
        target_reliability=target_reliability,
        cost_per_comparison=Decimal(0) if price is None else price.likely,
        seeds=seeds,
        budget=budget,
    )
    return Effort.of(found, price)


def _comparisons(per_essay: float | None, essays: int) -> int | None:
    return None if per_essay is None else math.ceil(per_essay * essays / 2)


def _times(comparisons: int | None, price: Decimal) -> Decimal | None:
    return None if comparisons is None else comparisons * price


def effort_line(found: Effort) -> str:
    """Comparisons with their range, then dollars with theirs."""
    if found.comparisons is None:
        return f"out of reach: {found.power.reached:.0%} of the simulated batches reached it"
    line = f"{found.comparisons} comparisons ({found.low} to {_or_more(found.high)})"
    if found.cost is None or found.cost_low is None:
        return line
    high = "more" if found.cost_high is None else dollars(found.cost_high)
    return f"{line}, {dollars(found.cost)} ({dollars(found.cost_low)} to {high})"


def _or_more(high: int | None) -> str:
    return "more" if high is None else str(high)
