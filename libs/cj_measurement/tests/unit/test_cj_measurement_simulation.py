"""Simulated judging: what policies reach, that coin flips stay coin flips, and what a target takes."""

import math
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from cj_measurement import (
    Design,
    InvalidArgument,
    Policy,
    Reading,
    Run,
    Says,
    SimulatedJudge,
    power,
    simulate,
)
from cj_measurement.simulation.power import MAX_SIMULATED_ESSAYS

ADAPTIVE = (Policy.INFORMATION, Policy.NEAREST, Policy.SWISS)


READ_AT = {
    (Policy.INFORMATION, 1.5): (10, 20, 23),
    (Policy.INFORMATION, 3.0): (10, 11, 20),
    (Policy.RANDOM, 1.5): (10, 20, 28),
    (Policy.RANDOM, 3.0): (10, 15, 20),
    (Policy.SWISS, 3.0): (10, 20),
}
"""Comparisons per essay after which runs are read, by policy and SD."""


@cache
def medians(policy: Policy, *, sd: float) -> dict[int, Reading]:
    """Several tests look at the same runs of 100 essays."""
    at = READ_AT[policy, sd]
    simulated = simulate(
        Design(essays=100, policy=policy),
        SimulatedJudge(sd=sd, position_bias=0.3),
        comparisons_per_essay=at,
        seeds=20 if policy is Policy.INFORMATION else 12,
    )
    return dict(zip(at, (each.median for each in simulated), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("policy", list(Policy))
def test_coin_flips_have_no_reliability_under_any_policy(policy: Policy) -> None:
    coin = SimulatedJudge(sd=0.0, position_bias=0.3)

    (simulated,) = simulate(Design(essays=100, policy=policy), coin, comparisons_per_essay=[10], seeds=10)

    assert simulated.median.eb_reliability < 0.10
    assert (simulated.median.true_r2, simulated.median.spearman) == (None, None)
    if policy in ADAPTIVE:
        assert simulated.median.ssr is not None
        assert simulated.median.ssr > 0.5, "the classical number is the one that is fooled"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "sd", "at_10", "at_20"),
    [
        (Policy.RANDOM, 1.5, 0.86, 0.93),
        (Policy.RANDOM, 3.0, 0.93, 0.97),
        (Policy.SWISS, 3.0, 0.95, 0.98),
        (Policy.INFORMATION, 1.5, 0.87, 0.94),
        (Policy.INFORMATION, 3.0, 0.95, 0.98),
    ],
)
def test_ranks_correlate_with_the_truth_as_the_literature_says(
    policy: Policy, sd: float, at_10: float, at_20: float
) -> None:
    reached = medians(policy, sd=sd)

    assert reached[10].spearman == pytest.approx(at_10, abs=0.02)
    assert reached[20].spearman == pytest.approx(at_20, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("sd", [1.5, 3.0])
def test_intervals_cover_nine_times_in_ten_when_pairs_are_chosen_by_information(sd: float) -> None:
    reached = medians(Policy.INFORMATION, sd=sd)

    assert all(0.87 <= reading.coverage <= 0.93 for reading in reached.values()), reached


@pytest.mark.slow
def test_intervals_cover_nine_times_in_ten_in_a_class_whose_judge_states_margins() -> None:
    """What is not known of its scale stretches all abilities: without it the intervals hold three of four."""
    judge = SimulatedJudge(sd=3.0, position_bias=0.3, says=Says.MARGIN)

    (simulated,) = simulate(Design(essays=30), judge, comparisons_per_essay=[8], seeds=24)

    assert 0.85 <= simulated.median.coverage <= 0.93


@pytest.mark.slow
def test_reliability_with_signal_is_near_the_truth() -> None:
    reached = medians(Policy.INFORMATION, sd=1.5)

    truth = {k: reading.true_r2 for k, reading in reached.items()}
    assert truth[10] is not None
    assert truth[20] is not None
    assert reached[20].eb_reliability == pytest.approx(truth[20], abs=0.02)
    assert -0.07 <= reached[10].eb_reliability - truth[10] <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("sd", "per_essay", "saved"), [(3.0, 11, 0.25), (1.5, 23, 0.18)])
def test_information_needs_fewer_comparisons_than_random_pairs(
    sd: float, per_essay: int, saved: float
) -> None:
    as_many_at_random = round(per_essay / (1 - saved))

    informed = medians(Policy.INFORMATION, sd=sd)[per_essay]
    random = medians(Policy.RANDOM, sd=sd)[as_many_at_random]

    assert informed.true_r2 is not None
    assert random.true_r2 is not None
    assert informed.true_r2 > 0.895
    assert informed.true_r2 > random.true_r2


def test_a_reading_says_how_many_comparisons_per_essay_it_is_of() -> None:
    design = Design(essays=20, policy=Policy.RANDOM)

    simulated = simulate(design, SimulatedJudge(sd=2.0), comparisons_per_essay=[3, 4, 9], seeds=2)

    assert [each.median.comparisons_per_essay for each in simulated] == [3.0, 4.0, 9.0]


def test_a_round_is_planned_while_the_one_before_is_judged() -> None:
    overlapping = Run(Design(essays=20), SimulatedJudge(sd=1.0), seed=0)
    waiting = Run(Design(essays=20, rounds_ahead=0), SimulatedJudge(sd=1.0), seed=0)

    for run in (overlapping, waiting):
        run.judge_round()
        run.judge_round()

    assert (len(overlapping.asked), overlapping.answered) == (30, 20)
    assert (len(waiting.asked), waiting.answered) == (30, 30)


def test_the_same_seed_gives_the_same_run() -> None:
    once, again = (
        simulate(Design(essays=15), SimulatedJudge(sd=1.0), comparisons_per_essay=[6], seeds=2)
        for _ in range(2)
    )

    assert once == again


def test_abilities_have_the_spread_that_was_asked_for() -> None:
    abilities = SimulatedJudge(sd=1.7).abilities(30, np.random.default_rng(0))

    assert abilities.std(ddof=1) == pytest.approx(1.7)
    assert abilities.mean() == pytest.approx(0)


def test_a_judge_prefers_a_slot_and_pays_attention_as_told() -> None:
    rng, equal, ahead = np.random.default_rng(0), np.zeros(20_000), np.full(20_000, 50.0)

    biased = SimulatedJudge(sd=1.0, position_bias=1.0).a_wins(equal, rng).mean()
    careless = SimulatedJudge(sd=1.0, noise=0.4).a_wins(ahead, rng).mean()

    assert biased == pytest.approx(0.731, abs=0.01)
    assert careless == pytest.approx(0.8, abs=0.01)


def test_power_counts_comparisons_and_dollars() -> None:
    needed = power(
        Design(essays=30),
        SimulatedJudge(sd=3.0),
        target_reliability=0.85,
        cost_per_comparison=Decimal("0.004"),
        seeds=5,
    )

    assert needed.reached == 1.0
    assert needed.low is not None
    assert needed.comparisons_per_essay is not None
    assert needed.high is not None
    assert needed.low <= needed.comparisons_per_essay <= needed.high
    assert needed.comparisons == round(15 * needed.comparisons_per_essay)
    assert needed.cost_usd == needed.comparisons * Decimal("0.004")


@pytest.mark.slow
def test_a_sharper_judge_needs_less() -> None:
    sharp, blunt = (
        power(
            Design(essays=60),
            SimulatedJudge(sd=sd),
            target_reliability=0.85,
            cost_per_comparison=Decimal(0),
            seeds=4,
        ).comparisons_per_essay
        for sd in (3.0, 1.5)
    )

    assert sharp is not None
    assert blunt is not None
    assert sharp < blunt


def test_a_target_out_of_reach_has_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cj_measurement.simulation.power.MAX_COMPARISONS_PER_ESSAY", 15)

    needed = power(
        Design(essays=8),
        SimulatedJudge(sd=0.0),
        target_reliability=0.95,
        cost_per_comparison=Decimal("0.01"),
        seeds=2,
    )

    assert needed.reached == 0.0
    assert (needed.comparisons_per_essay, needed.comparisons, needed.cost_usd) == (None, None, None)


@pytest.mark.slow
def test_what_an_essay_needs_hardly_depends_on_how_many_there_are() -> None:
    sharp = SimulatedJudge(sd=3.0, position_bias=0.3)
    few = medians(Policy.INFORMATION, sd=3.0)[10]

    (simulated,) = simulate(
        Design(essays=2 * MAX_SIMULATED_ESSAYS), sharp, comparisons_per_essay=[10], seeds=5
    )

    many = simulated.median
    assert few.eb_reliability == pytest.approx(many.eb_reliability, abs=0.02)


@pytest.mark.parametrize(
    ("sd", "position_bias", "noise"),
    [(-1.0, 0.0, 0.0), (math.nan, 0.0, 0.0), (1.0, math.inf, 0.0), (1.0, 0.0, 1.5), (1.0, 0.0, math.nan)],
)
def test_an_invalid_judge_is_rejected(sd: float, position_bias: float, noise: float) -> None:
    with pytest.raises(InvalidArgument):
        SimulatedJudge(sd=sd, position_bias=position_bias, noise=noise)


def test_an_invalid_design_is_rejected() -> None:
    with pytest.raises(InvalidArgument, match="two"):
        Design(essays=1)
    with pytest.raises(InvalidArgument, match="rounds_ahead"):
        Design(essays=5, rounds_ahead=-1)


@pytest.mark.parametrize(("at", "seeds"), [([], 1), ([4, 3], 1), ([0], 1), ([3], 0)])
def test_what_is_to_be_read_is_checked(at: list[int], seeds: int) -> None:
    with pytest.raises(InvalidArgument, match="ascending"):
        simulate(Design(essays=5), SimulatedJudge(sd=1.0), comparisons_per_essay=at, seeds=seeds)


def test_a_reading_before_the_first_answers_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="judge a round"):
        Run(Design(essays=5), SimulatedJudge(sd=1.0), seed=0).reading()


@pytest.mark.parametrize(
    ("target", "cost", "seeds"), [(0.0, "0", 1), (1.0, "0", 1), (0.9, "-1", 1), (0.9, "0", 0)]
)
def test_power_arguments_are_validated(target: float, cost: str, seeds: int) -> None:
    with pytest.raises(InvalidArgument, match="target"):
        power(
            Design(essays=5),
            SimulatedJudge(sd=1.0),
            target_reliability=target,
            cost_per_comparison=Decimal(cost),
            seeds=seeds,
        )
