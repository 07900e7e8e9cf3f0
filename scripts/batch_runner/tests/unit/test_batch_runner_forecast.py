"""How many comparisons and dollars a target takes."""

from decimal import Decimal

import pytest
from batch_runner.money import dollars
from batch_runner.planning.forecast import Effort, effort, effort_line
from batch_runner.planning.pair_cost import PairCost
from cj_measurement import Design, Power, SimulatedJudge

PRICE = PairCost(low=Decimal("0.001"), likely=Decimal("0.002"), high=Decimal("0.005"))


def power(*, middle: float | None = 10.0, low: float | None = 8.0, high: float | None = 13.0) -> Power:
    return Power(
        design=Design(essays=31),
        judge=SimulatedJudge(sd=2),
        target_reliability=0.9,
        seeds=10,
        reached=1.0 if high else 0.4,
        comparisons_per_essay=middle,
        low=low,
        high=high,
        comparisons=None if middle is None else 155,
        cost_usd=None,
    )


def test_the_range_of_dollars_is_that_of_comparisons_and_of_prices() -> None:
    needed = Effort.of(power(), PRICE)

    assert (needed.low, needed.comparisons, needed.high) == (124, 155, 202)
    assert needed.cost_low == Decimal("0.124")
    assert needed.cost == Decimal("0.310")
    assert needed.cost_high == Decimal("1.010")


def test_without_a_price_there_are_comparisons_but_no_dollars() -> None:
    needed = Effort.of(power(), None)

    assert (needed.comparisons, needed.cost, needed.cost_high) == (155, None, None)
    assert effort_line(needed) == "155 comparisons (124 to 202)"


def test_a_target_out_of_reach_has_no_number() -> None:
    needed = Effort.of(power(middle=None, low=None, high=None), PRICE)

    assert (needed.comparisons, needed.cost) == (None, None)
    assert effort_line(needed) == "out of reach: 40% of the simulated batches reached it"


def test_a_range_without_an_upper_end_says_so() -> None:
    line = effort_line(Effort.of(power(high=None), PRICE))

    assert line == "155 comparisons (124 to more), $0.3100 ($0.1240 to more)"


@pytest.mark.parametrize(("amount", "shown"), [("0", "$0.00"), ("0.0123", "$0.0123"), ("12.346", "$12.35")])
def test_dollars_show_that_they_are_not_nothing(amount: str, shown: str) -> None:
    assert dollars(Decimal(amount)) == shown


def test_a_sharper_judge_needs_fewer_comparisons() -> None:
    design = Design(essays=12)

    sharp, dull = (
        effort(design, SimulatedJudge(sd=sd), target_reliability=0.8, price=None, seeds=3).comparisons
        for sd in (4.0, 1.5)
    )

    assert sharp is not None
    assert dull is not None
    assert sharp < dull
