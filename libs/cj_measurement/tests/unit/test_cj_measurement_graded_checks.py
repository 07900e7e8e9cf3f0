"""What graded verdicts must keep, on simulated batches and on real judges (documentation/decisions/0045).

The quick ones look at few batches with limits as wide as those need. The full ones, with 40 fresh seeds and the exact
limits, take about half an hour: they are run when ``CJ_GRADED_CHECKS`` is set.
"""

import csv
import gzip
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    Courses,
    Design,
    Policy,
    Says,
    SimulatedJudge,
    VerdictModel,
    courses,
    fit,
)
from cj_measurement.comparisons import FloatArray, IntArray

WORTHLESS = (Says.RANDOM_CONFIDENCE, Says.HIGH_CONFIDENCE, Says.LOG_ODDS_OF_SIGN)
FULL_SEEDS = range(50_000, 50_040)


full = pytest.mark.skipif(
    not os.environ.get("CJ_GRADED_CHECKS"), reason="minutes of computing: set CJ_GRADED_CHECKS=1"
)


@cache
def course(
    says: Says,
    sd: float,
    at: tuple[float, ...],
    seeds: Sequence[int],
    *,
    essays: int = 100,
    policy: Policy = Policy.INFORMATION,
    noise_growth: float = 0.0,
    shared_noise: float = 0.0,
    with_silent_judge: bool = False,
) -> Courses:
    """Several checks look at the same batches."""

    def judge(statement: Says) -> SimulatedJudge:
        return SimulatedJudge(
            sd=sd, position_bias=0.3, says=statement, noise_growth=noise_growth, shared_noise=shared_noise
        )

    return courses(
        Design(essays=essays, policy=policy),
        judge(says),
        comparisons_per_essay=at,
        seeds=seeds,
        other_judges=(judge(Says.NOTHING),) if with_silent_judge else (),
    )


def beyond_truth(found: Courses) -> FloatArray:
    """Mean of EB − r² after each number of comparisons."""
    return np.asarray(np.mean(found.eb_reliability - found.true_r2, axis=0), dtype=np.float64)


def r2_at_the_stop(found: Courses) -> float:
    """Mean r² where EB .90 was reached first, of the runs that reached it."""
    reached = found.eb_reliability >= 0.90
    runs = np.flatnonzero(reached.any(axis=1))
    return float(found.true_r2[runs, reached[runs].argmax(axis=1)].mean())


QUICK = range(5)


def test_three_margins_need_half_of_what_winners_need() -> None:
    found = course(Says.MARGIN, 3.0, (5, 6), QUICK)

    assert found.is_graded.all()
    assert found.needed(found.true_r2, 0.90) <= 6
    assert beyond_truth(found) == pytest.approx([0.0, 0.0], abs=0.04)


def test_log_odds_in_levels_need_no_more() -> None:
    found = course(Says.LOG_ODDS, 3.0, (5, 6), QUICK)

    assert found.is_graded.all()
    assert found.needed(found.true_r2, 0.88) <= 6


@pytest.mark.parametrize("says", WORTHLESS)
def test_worthless_statements_are_kept_out(says: Says) -> None:
    found = course(says, 3.0, (4, 8), range(2))

    assert not found.is_graded.any()
    assert found.lead.max() < 3


def test_coin_flips_with_margins_have_no_reliability() -> None:
    found = course(Says.MARGIN, 0.0, (10,), range(3))

    assert np.median(found.eb_reliability) < 0.10


def test_a_panel_of_a_graded_judge_and_one_that_names_winners_is_in_between() -> None:
    found = course(Says.MARGIN, 3.0, (7, 8, 9), range(3), with_silent_judge=True)

    assert found.is_graded.all()
    assert 5.3 < found.needed(found.true_r2, 0.90) <= 9


def test_answers_that_share_their_noise_do_not_inflate_the_reliability() -> None:
    found = course(Says.MARGIN, 3.0, (6,), range(4), shared_noise=0.5)

    assert beyond_truth(found)[0] <= 0.04


@pytest.mark.parametrize(
    ("says", "sd", "at", "by_truth", "by_eb"),
    [
        (Says.MARGIN, 3.0, (4, 5, 6), 5.3, 5.8),
        (Says.MARGIN, 1.5, (13, 14, 15, 16), 15.0, 15.0),
        (Says.LOG_ODDS, 3.0, (4, 5, 6, 7), 5.8, None),
        (Says.LOG_ODDS, 1.5, (13, 14, 15, 16), 15.0, None),
    ],
)
@pytest.mark.slow
@full
def test_full_graded_judges_need_as_few_as_measured(
    says: Says, sd: float, at: tuple[float, ...], by_truth: float, by_eb: float | None
) -> None:
    found = course(says, sd, at, FULL_SEEDS)

    assert found.needed(found.true_r2, 0.90) <= by_truth
    assert by_eb is None or found.needed(found.eb_reliability, 0.90) <= by_eb


@pytest.mark.parametrize(
    ("sd", "at", "more"), [(3.0, (9, 10, 11, 12), 0.3), (1.5, (21, 22, 23, 24, 25), 0.5)]
)
@pytest.mark.parametrize("says", WORTHLESS)
@pytest.mark.slow
@full
def test_full_worthless_statements_cost_next_to_nothing(
    says: Says, sd: float, at: tuple[float, ...], more: float
) -> None:
    winners = course(Says.NOTHING, sd, at, FULL_SEEDS)

    found = course(says, sd, at, FULL_SEEDS)

    assert found.needed(found.true_r2, 0.90) <= winners.needed(winners.true_r2, 0.90) + more


@pytest.mark.parametrize(("sd", "at"), [(3.0, (9, 10, 11, 12)), (1.5, (21, 22, 23, 24, 25))])
@pytest.mark.slow
@full
def test_full_worthless_statements_are_hardly_ever_used(sd: float, at: tuple[float, ...]) -> None:
    used = [course(says, sd, at, FULL_SEEDS).is_graded for says in WORTHLESS]

    assert np.mean(used) <= 0.02


@pytest.mark.parametrize(
    ("sd", "at", "essays", "noise_growth", "limit"),
    [
        (3.0, (5, 6, 8, 10), 100, 0.0, 0.02),
        (1.5, (8, 12, 16), 100, 0.0, 0.02),
        (3.0, (5, 6, 8, 10), 100, 0.15, 0.035),
        (1.5, (8, 12, 16), 100, 0.15, 0.035),
        (3.0, (5, 6, 8, 10), 30, 0.0, 0.025),
        (1.5, (8, 12, 16), 30, 0.0, 0.025),
    ],
)
@pytest.mark.slow
@full
def test_reliability_matches_the_truth_in_full(
    sd: float, at: tuple[float, ...], essays: int, noise_growth: float, limit: float
) -> None:
    seeds = FULL_SEEDS if essays == 100 else range(50_000, 50_100)
    found = course(Says.MARGIN, sd, at, seeds, essays=essays, noise_growth=noise_growth)

    assert np.abs(beyond_truth(found)).max() <= limit


@pytest.mark.parametrize(("sd", "at"), [(3.0, (5, 6, 7, 8)), (1.5, (10, 11, 12, 13, 14, 15, 16, 17, 18, 20))])
@pytest.mark.slow
@full
def test_full_a_batch_that_stops_has_what_it_says(sd: float, at: tuple[float, ...]) -> None:
    assert r2_at_the_stop(course(Says.MARGIN, sd, at, FULL_SEEDS)) >= 0.89


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("says", list(Says))
@pytest.mark.slow
@full
def test_full_coin_flips_have_no_reliability_whatever_is_said(says: Says, policy: Policy) -> None:
    found = course(says, 0.0, (5, 10), FULL_SEEDS, policy=policy)

    assert np.median(found.eb_reliability, axis=0).max() < 0.10


@pytest.mark.parametrize("model", list(VerdictModel))
@pytest.mark.slow
@full
def test_full_coin_flips_have_no_reliability_under_any_model(model: VerdictModel) -> None:
    """Levels such as a judge who can tell essays apart would state, on coin flips."""
    found = [fit(coin_flips(seed), models={0: model}).eb_reliability for seed in FULL_SEEDS]

    assert np.median(found) < 0.10


def coin_flips(seed: int) -> Comparisons:
    rng = np.random.default_rng(seed)
    cycles = [rng.permutation(100) for _ in range(5)]
    slot_a, slot_b = np.concatenate(cycles), np.concatenate([np.roll(cycle, 1) for cycle in cycles])
    seen = rng.logistic(size=500)
    return Comparisons.of(100, slot_a, slot_b, seen > 0, margin=1 + np.searchsorted([0.5, 1.5], np.abs(seen)))


@pytest.mark.parametrize(("sd", "at", "most"), [(3.0, (6, 7, 8, 9), 8.5), (1.5, (16, 17, 18, 19, 20), 18.5)])
@pytest.mark.slow
@full
def test_full_a_half_graded_panel_needs_as_few_as_measured(
    sd: float, at: tuple[float, ...], most: float
) -> None:
    found = course(Says.MARGIN, sd, at, FULL_SEEDS, with_silent_judge=True)

    assert found.needed(found.true_r2, 0.90) <= most


@pytest.mark.parametrize(("sd", "at"), [(3.0, (5, 6, 8)), (1.5, (8, 12, 16))])
@pytest.mark.slow
@full
def test_full_shared_noise_does_not_inflate_the_reliability(sd: float, at: tuple[float, ...]) -> None:
    found = course(Says.MARGIN, sd, at, FULL_SEEDS, shared_noise=0.5)

    assert beyond_truth(found).max() <= 0.02


def test_real_grades_of_models_have_the_shares_of_the_cumulative_model(validation_data: Path) -> None:
    """WildBench: gpt-4-turbo's five grades of some 50 models against three references, by how good they are."""
    rows, data = wildbench(validation_data)

    fitted = fit(data, models={0: VerdictModel.CUMULATIVE}, position_effects="none")

    (scale,) = fitted.scales
    logit = fitted.theta[:-1] - fitted.theta[-1]
    wins, losses = (
        [scale._chance(side * logit, *edges) for edges in pairwise(scale.edges)] for side in (1, -1)
    )
    expected = np.column_stack([wins[2], wins[1], wins[0] + losses[0], losses[1], losses[2]])
    assert scale.cuts == pytest.approx([0.16, 1.81], abs=0.1)
    for group in np.array_split(np.argsort(logit), 10):
        answers = rows[group].sum()
        shares = rows[group].sum(axis=1) @ expected[group] / answers
        assert shares == pytest.approx(rows[group].sum(axis=0) / answers, abs=0.03)


def test_real_grades_of_models_need_fewer_than_their_winners(validation_data: Path) -> None:
    """Models drawn from WildBench's counts are ranked by their grades, and by their winners alone."""
    _, data = wildbench(validation_data)
    whole = fit(data, models={0: VerdictModel.CUMULATIVE}, position_effects="none").theta[:-1]
    numbers = (15, 20, 25, 30, 40, 50)

    graded, winners = (
        needed(numbers, [[drawn_r2(data, k, seed, model, whole) for k in numbers] for seed in range(2)])
        for model in (VerdictModel.CUMULATIVE, VerdictModel.WINNER)
    )

    assert winners / graded >= 1.3


def wildbench(folder: Path) -> tuple[FloatArray, Comparisons]:
    """Counts (rows, 5) from a much better model to a much worse one, and the same as weighted comparisons.

    Every model is another item against each reference; the references are the last item. A tie is half a narrow win of
    either.
    """
    grades = ("win_much", "win", "tie", "lose", "lose_much")
    with (folder / "graded_judgements" / "wildbench_counts.csv").open(encoding="utf-8", newline="") as file:
        rows = np.array([[float(row[grade]) for grade in grades] for row in csv.DictReader(file)])
    n = len(rows)
    counts = np.column_stack([rows[:, 0], rows[:, 1], rows[:, 2] / 2, rows[:, 2] / 2, rows[:, 3], rows[:, 4]])
    margin, won = np.tile([3, 2, 1, 1, 2, 3], n), np.tile([True, True, True, False, False, False], n)
    kept = counts.ravel() > 0
    item, weight = np.repeat(np.arange(n), 6)[kept], counts.ravel()[kept]
    data = Comparisons.of(n + 1, item, np.full(len(item), n), won[kept], margin=margin[kept], weight=weight)
    return rows, data


def drawn_r2(data: Comparisons, count: int, seed: int, model: VerdictModel, whole: FloatArray) -> float:
    """r² with the whole scale from this many answers about each model, drawn as often as they were given."""
    rng = np.random.default_rng(seed)
    own = [np.flatnonzero(data.slot_a == item) for item in range(data.n_items - 1)]
    places: IntArray = np.concatenate(
        [rng.choice(each, size=count, p=data.weight[each] / data.weight[each].sum()) for each in own]
    )
    assert data.levels is not None
    drawn = Comparisons.of(
        data.n_items,
        data.slot_a[places],
        data.slot_b[places],
        data.a_won[places],
        margin=data.levels.level[places],
    )
    theta = fit(drawn, models={0: model}, position_effects="none").theta[:-1]
    return float(np.corrcoef(theta, whole)[0, 1] ** 2)


def needed(numbers: Sequence[float], values: Sequence[Sequence[float]]) -> float:
    """Answers per model until the median r² is .90."""
    reached = np.array(values)
    return Courses(
        comparisons_per_essay=tuple(numbers),
        true_r2=reached,
        eb_reliability=reached,
        is_graded=reached > 0,
        lead=reached,
    ).needed(reached, 0.90)


def test_real_log_odds_in_levels_tell_more_than_nearly_twice_as_many_winners(validation_data: Path) -> None:
    """AlpacaEval: models against one reference, held against their win rates over the prompts that were not used."""
    models = alpaca(validation_data)

    by_levels, by_winners = (
        float(np.median([alpaca_r2(models, count, seed, with_levels) for seed in range(5)]))
        for count, with_levels in ((14, True), (25, False))
    )

    assert by_levels > by_winners + 0.1


def alpaca(folder: Path) -> dict[str, FloatArray]:
    """By model, of each prompt with log-probabilities: the log-odds that the model beats the reference."""
    models: dict[str, list[float]] = defaultdict(list)
    path = folder / "graded_judgements" / "alpaca_logprobs.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["logprob_m"] and row["logprob_M"]:
                size = abs(float(row["logprob_m"]) - float(row["logprob_M"]))
                models[row["item"]].append(size if float(row["preference"]) > 1.5 else -size)
    return {
        name: np.array(values) for name, values in models.items() if name not in ("NullModel", "gpt4_gamed")
    }


def alpaca_r2(models: dict[str, FloatArray], count: int, seed: int, with_levels: bool) -> float:
    rng = np.random.default_rng(seed)
    used, rates = [], []
    for values in models.values():
        order = rng.permutation(len(values))
        used.append(values[order[:count]])
        won = int(np.count_nonzero(values[order[count:]] > 0))
        rates.append((won + 0.5) / (len(values) - count + 1))
    log_odds = np.array(used).T.ravel()
    item, reference = np.tile(np.arange(len(models)), count), np.full(len(log_odds), len(models))
    data = Comparisons.of(
        len(models) + 1, item, reference, log_odds > 0, log_odds=log_odds if with_levels else None
    )
    theta, held_out = fit(data).theta[:-1], np.array(rates)
    return float(np.corrcoef(theta, np.log(held_out / (1 - held_out)))[0, 1] ** 2)
