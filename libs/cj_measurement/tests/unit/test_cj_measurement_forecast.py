"""The forecast: what a simulated continuation then shows, and nothing where nothing can be said."""

import math
from decimal import Decimal

import numpy as np
import pytest
from cj_measurement import Design, Forecast, InvalidArgument, PairingState, Run, SimulatedJudge, forecast

CENT = Decimal("0.01")


def run_to(per_essay: float, *, sd: float, seed: int, essays: int = 100) -> Run:
    run = Run(Design(essays=essays), SimulatedJudge(sd=sd, position_bias=0.2), seed=seed)
    while run.comparisons_per_essay < per_essay:
        run.judge_round()
    return run


def forecast_of(run: Run, *, target: float = 0.9, comparisons: int = 100) -> Forecast:
    return forecast(
        run.state(),
        target_reliability=target,
        cost_per_comparison=CENT,
        seed=1,
        comparisons=comparisons,
    )


def reliability(run: Run) -> float:
    fitted = run.fit()
    assert fitted is not None
    return fitted.eb_reliability


@pytest.mark.slow
@pytest.mark.parametrize(("sd", "per_essay"), [(1.5, 12), (3.0, 7)])
def test_the_next_hundred_comparisons_add_what_was_forecast(sd: float, per_essay: int) -> None:
    expected, seen = [], []
    for seed in range(12):
        run = run_to(per_essay, sd=sd, seed=seed)
        expected.append(forecast_of(run).eb_reliability)
        run.judge_round()
        run.judge_round()
        seen.append(reliability(run))

    assert np.mean(expected) == pytest.approx(np.mean(seen), abs=0.015)
    assert np.abs(np.subtract(expected, seen)).max() < 0.06


@pytest.mark.slow
@pytest.mark.parametrize(("sd", "per_essay"), [(1.5, 14), (3.0, 7)])
def test_most_runs_reach_the_target_within_the_range_forecast(sd: float, per_essay: int) -> None:
    inside, ratio = [], []
    for seed in range(12):
        run = run_to(per_essay, sd=sd, seed=seed)
        until, answered = forecast_of(run).until_target, run.answered
        while reliability(run) < 0.9 and run.comparisons_per_essay < 60:
            run.judge_round()
        needed = run.answered - answered
        assert until is not None
        # A round is 50 comparisons: the target is only noticed at the end of one.
        inside.append(until.low - 50 <= needed <= until.high + 50)
        ratio.append(math.log((needed + 50) / (until.expected + 50)))

    assert np.mean(inside) >= 0.75
    assert abs(np.mean(ratio)) < 0.25


def test_more_comparisons_add_more_and_cost_more() -> None:
    run = run_to(6, sd=2.0, seed=0, essays=30)

    near, far = forecast_of(run, comparisons=50), forecast_of(run, comparisons=200)

    assert 0 < near.eb_gain < far.eb_gain
    assert near.eb_reliability == pytest.approx(reliability(run) + near.eb_gain)
    assert (near.cost_usd, far.cost_usd) == (Decimal("0.50"), Decimal("2.00"))


def test_a_higher_target_takes_more() -> None:
    run = run_to(6, sd=2.0, seed=0, essays=30)

    modest, bold = (forecast_of(run, target=target).until_target for target in (0.85, 0.95))

    assert modest is not None
    assert bold is not None
    assert modest.low <= modest.expected <= modest.high
    assert modest.expected < bold.expected
    assert bold.cost_usd == bold.expected * CENT


def test_a_target_that_is_reached_takes_nothing_more() -> None:
    run = run_to(20, sd=3.0, seed=0, essays=30)

    until = forecast_of(run, target=0.5).until_target

    assert until is not None
    assert (until.expected, until.low, until.cost_usd) == (0, 0, Decimal(0))


def test_for_coin_flips_no_target_is_in_sight() -> None:
    runs = (run_to(10, sd=0.0, seed=seed, essays=40) for seed in range(10))
    run = next(run for run in runs if reliability(run) < 0.1)

    assert forecast_of(run).until_target is None


def test_awaited_answers_are_part_of_what_comes() -> None:
    run = run_to(6, sd=2.0, seed=0, essays=30)
    answered = PairingState.of(30, run.asked[: run.answered], fit=run.fit())

    with_awaited, without = (
        forecast(state, target_reliability=0.9, cost_per_comparison=CENT, seed=1).eb_reliability
        for state in (run.state(), answered)
    )

    assert with_awaited == pytest.approx(without, abs=0.02)


@pytest.mark.slow
def test_a_batch_too_large_for_its_covariance_is_forecast_from_its_errors() -> None:
    run = run_to(6, sd=2.0, seed=0, essays=1100)

    ahead = forecast_of(run, comparisons=550)

    now = reliability(run)
    run.judge_round()
    assert ahead.eb_reliability - now == pytest.approx(reliability(run) - now, abs=0.02)


def test_nothing_is_forecast_before_the_first_fit() -> None:
    with pytest.raises(InvalidArgument, match="first fit"):
        forecast(PairingState.of(10, []), target_reliability=0.9, cost_per_comparison=CENT, seed=1)


@pytest.mark.parametrize(("target", "comparisons"), [(0.0, 100), (1.0, 100), (0.9, 0)])
def test_a_target_is_between_0_and_1_and_something_is_ahead(target: float, comparisons: int) -> None:
    run = run_to(4, sd=2.0, seed=0, essays=10)

    with pytest.raises(InvalidArgument, match="between 0 and 1"):
        forecast_of(run, target=target, comparisons=comparisons)
