"""A panel: every judge is described, predicted by the others, and compared with any other."""

import math

import numpy as np
import pytest
from cj_measurement import Comparisons, InvalidArgument, agreement_of, analyse_panel, fit, leave_out
from cj_measurement.tests.builders import judged
from scipy.special import expit


def test_every_judge_of_a_panel_is_described() -> None:
    panel = analyse_panel(
        judged(60, per_item=40, bias=(0.6, 0.0, -0.4), sharpness=(1.5, 1.0, 0.5), seed=1).comparisons
    )

    assert [report.judge for report in panel.judges] == [0, 1, 2]
    slopes = [report.discrimination.a for report in panel.judges]
    assert slopes[0] > slopes[1] > slopes[2]
    positions = [report.position.b for report in panel.judges if report.position is not None]
    assert positions == pytest.approx([0.6, 0.0, -0.4], abs=0.4)
    assert sum(report.n for report in panel.judges) == 1200
    assert all(0.5 < report.infit < 1.3 for report in panel.judges)


def test_a_judge_is_predicted_by_the_others_and_a_coin_is_not() -> None:
    batch = judged(60, per_item=60, bias=(0.0,) * 4, sharpness=(1.0, 1.0, 1.0, 0.0), seed=2)

    panel = analyse_panel(batch.comparisons)

    *people, coin = (report.left_out for report in panel.judges)
    assert coin is not None
    assert coin.accuracy == pytest.approx(0.5, abs=0.08)
    assert coin.log_loss > math.log(2)
    for one in people:
        assert one is not None
        assert one.accuracy > 0.7
        assert one.log_loss < 0.6


def test_a_judge_left_out_does_not_predict_its_own_decisions() -> None:
    """Judge 1 turns every decision round: the others, not a fit that knows judge 1, predict its decisions wrongly."""
    batch = judged(40, per_item=60, sd=2.0, bias=(0.0, 0.0, 0.0), sharpness=(1.0, -1.0, 1.0), seed=3)

    left_out = leave_out(fit(batch.comparisons), 1)

    assert left_out is not None
    assert left_out.accuracy < 0.35


def test_a_judge_whose_pairs_nobody_else_links_is_not_predicted() -> None:
    data = Comparisons.of(4, [0, 1, 2, 3], [1, 0, 3, 2], [True, False, True, True], [0, 0, 1, 1])

    assert leave_out(fit(data, allow_disconnected=True), 1) is None
    assert leave_out(fit(data.where([0, 1]), allow_disconnected=True), 0) is None


def test_agreement_and_kappa_are_counted_on_common_pairs() -> None:
    """Both judge (0,1), (1,2), (2,3), (3,0) and agree on three; only the first judges (0,2)."""
    data = Comparisons.of(
        4,
        [0, 1, 2, 3, 0, 0, 1, 2, 3],
        [1, 2, 3, 0, 2, 1, 2, 3, 0],
        [True, True, False, False, True, True, False, False, False],
        [0, 0, 0, 0, 0, 1, 1, 1, 1],
    )

    found = agreement_of(data, 0, 1)

    assert found is not None
    assert (found.pairs, found.decisions, found.agreement) == (4, 4, 0.75)
    by_chance = 0.5 * 0.25 + 0.5 * 0.75
    assert found.kappa == pytest.approx((0.75 - by_chance) / (1 - by_chance))


def test_judges_who_saw_a_pair_in_different_orders_agree_on_the_item() -> None:
    data = Comparisons.of(3, [0, 1, 1, 2], [1, 2, 0, 1], [True, False, False, True], [0, 0, 1, 1])

    found = agreement_of(data, 0, 1)

    assert found is not None
    assert found.agreement == 1


def test_judges_who_always_take_the_first_slot_agree_without_information() -> None:
    data = Comparisons.of(3, [0, 1, 0, 1], [1, 2, 1, 2], [True] * 4, [0, 0, 1, 1])

    found = agreement_of(data, 0, 1)

    assert found is not None
    assert found.agreement == 1
    assert found.kappa is None


def test_judges_without_a_pair_in_common_are_not_compared() -> None:
    data = Comparisons.of(3, [0, 1, 2], [1, 2, 0], [True, True, True], [0, 1, 1])

    assert agreement_of(data, 0, 1) is None
    assert agreement_of(data, 0, 2) is None


def test_a_panel_of_one_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least two judges"):
        analyse_panel(judged(20).comparisons)


def test_kappa_of_independent_random_judges_is_zero() -> None:
    generator = np.random.default_rng(1)
    pairs = np.array([generator.choice(50, 2, replace=False) for _ in range(3000)])
    twice = np.concatenate([pairs, pairs])
    won = generator.random(6000) < expit(0.5)

    found = agreement_of(Comparisons.of(50, twice[:, 0], twice[:, 1], won, np.repeat([0, 1], 3000)), 0, 1)

    assert found is not None
    assert found.kappa == pytest.approx(0, abs=0.06)
