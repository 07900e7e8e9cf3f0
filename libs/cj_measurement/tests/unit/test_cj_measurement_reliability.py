"""Reliability: four numbers that mean what their names say."""

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    Reliability,
    SplitHalf,
    eb_reliability,
    fit,
    kinnear_ssr_prime,
    reliability_of,
    scale_separation_reliability,
    split_half,
)
from cj_measurement.reliability import stepped_up
from cj_measurement.tests.builders import judged


def test_the_formulas_are_those_of_the_literature() -> None:
    theta, errors = np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.5, 0.5])

    assert scale_separation_reliability(theta, errors) == pytest.approx(0.75)
    assert kinnear_ssr_prime(theta, errors) == pytest.approx(0.8)
    assert eb_reliability(theta, np.diag(errors**2)) == pytest.approx(1 / (1 + 0.25 - 0.25 / 3))
    assert stepped_up(0.5) == pytest.approx(2 / 3)


def test_scores_without_spread_have_no_reliability() -> None:
    flat = np.zeros(3)

    assert scale_separation_reliability(flat, np.ones(3)) == 0
    assert kinnear_ssr_prime(flat, np.zeros(3)) == 0
    assert eb_reliability(flat, np.zeros((3, 3))) == 0
    assert stepped_up(-1.0) == -1


def test_a_far_higher_classical_reliability_is_flagged() -> None:
    inflated = Reliability(eb=0.718, ssr=0.968, ssr_prime=0.97, split_half=None)
    sound = Reliability(eb=0.72, ssr=0.738, ssr_prime=0.79, split_half=None)

    assert inflated.is_inflated
    assert not sound.is_inflated


def test_all_four_numbers_are_near_each_other_for_random_pairs() -> None:
    batch = judged(80, per_item=24, sd=2.0, bias=(0.2, 0.0, -0.3, 0.1, 0.0, 0.0), seed=2)

    found = reliability_of(fit(batch.comparisons), seed=1, halves=40)

    assert found.split_half is not None
    assert (found.split_half.unit, found.split_half.halves) == ("judges", 20)
    assert 0.8 < found.eb < 0.97
    assert found.ssr == pytest.approx(found.eb, abs=0.05)
    assert found.ssr_prime == pytest.approx(found.eb, abs=0.05)
    assert found.split_half.stepped_up == pytest.approx(found.eb, abs=0.1)
    assert not found.is_inflated


def test_pairs_chosen_among_neighbours_inflate_the_classical_number_on_coin_flips() -> None:
    """Rounds in which coins decide, each pairing items that the rounds before put next to each other."""
    generator = np.random.default_rng(3)
    slot_a, slot_b, won = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_)
    for _ in range(14):
        order = np.argsort(
            np.bincount(np.where(won, slot_a, slot_b), minlength=60) + generator.random(60) / 9
        )
        slot_a, slot_b = np.append(slot_a, order[::2]), np.append(slot_b, order[1::2])
        won = np.append(won, generator.random(30) < 0.5)

    found = reliability_of(
        fit(Comparisons.of(60, slot_a, slot_b, won), allow_disconnected=True), seed=1, halves=20
    )

    assert found.ssr > 0.7
    assert found.eb < 0.35
    assert found.is_inflated


def test_split_halves_are_the_same_for_the_same_seed() -> None:
    data = judged(40, bias=(0.0,) * 12, seed=7).comparisons

    assert split_half(data, seed=5) == split_half(data, seed=5)
    assert split_half(data, seed=5) != split_half(data, seed=6)


def test_one_judges_comparisons_are_halved_instead_of_judges() -> None:
    halves = split_half(judged(30, per_item=20, seed=1).comparisons, seed=1)

    assert halves is not None
    assert (halves.unit, halves.halves) == ("comparisons", 100)
    assert 0.5 < halves.median < 0.95


def test_few_judges_are_parted_in_every_way_once() -> None:
    """Five judges: ten ways to choose two of them; so the seed changes nothing."""
    data = judged(30, per_item=20, bias=(0.0,) * 5, seed=1).comparisons

    found = split_half(data, seed=1)

    assert found is not None
    assert found.halves == 10
    assert found == split_half(data, seed=2)


def test_halves_without_items_in_common_have_no_correlation() -> None:
    apart = Comparisons.of(4, [0, 2], [1, 3], [True, True], [0, 1])

    assert split_half(apart, seed=1) is None


@pytest.mark.slow
@pytest.mark.parametrize("sd", [1.0, 2.0])
def test_eb_reliability_is_the_squared_correlation_with_the_truth(sd: float) -> None:
    eb, true = [], []
    for seed in range(60):
        batch = judged(100, per_item=20, sd=sd, seed=seed)
        fitted = fit(batch.comparisons)
        eb.append(fitted.eb_reliability)
        true.append(np.corrcoef(fitted.theta, batch.truth)[0, 1] ** 2)

    assert np.mean(eb) == pytest.approx(np.mean(true), abs=0.02)


def test_a_split_half_is_stepped_up_to_the_whole() -> None:
    assert SplitHalf(median=0.6, unit="judges", halves=100).stepped_up == pytest.approx(0.75)


def test_a_biased_sharp_judge_is_as_reliable_as_an_unbiased_one() -> None:
    """The position effect is in the model: it takes nothing from the reliability but a little information.

    With a bias of 1.5 logits a judge takes the first of two equal essays more than four times in five.
    """
    generator = np.random.default_rng(1)
    truth = generator.normal(0, 2, 60)
    batch = judged(60, per_item=20, truth=truth, seed=1)
    biased = judged(60, per_item=20, truth=truth, bias=(1.5,), seed=1)

    assert fit(biased.comparisons).eb_reliability > fit(batch.comparisons).eb_reliability - 0.08
