"""Graded verdicts: when they are used, what they change elsewhere, and that winners alone are fitted as ever."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from cj_measurement import (
    AnchorScale,
    Comparisons,
    Fit,
    InvalidArgument,
    LevelSource,
    PairingSettings,
    PairingState,
    Policy,
    Says,
    VerdictModel,
    analyse_panel,
    bootstrap,
    fit,
    forecast,
    level_fit,
    link,
    plan_pairs,
    reliability_of,
)
from cj_measurement.comparisons import FloatArray
from cj_measurement.fitting.expected_information import ExpectedInformation
from cj_measurement.tests.graded_batches import MARGINS, graded_batch
from scipy.special import expit


def assert_the_same_to_the_last_bit(one: Fit, other: Fit) -> None:
    for name in ("theta", "covariance", "variances", "posterior_mean", "effects", "slopes"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.intervals().tobytes() == other.intervals().tobytes()
    assert one.draws(3, seed=1).tobytes() == other.draws(3, seed=1).tobytes()
    assert (one.tau, one.log_evidence, one.eb_reliability) == (
        other.tau,
        other.log_evidence,
        other.eb_reliability,
    )
    assert (one.position_bias, one.discrimination) == (other.position_bias, other.discrimination)


@pytest.mark.parametrize("seed", range(3))
def test_one_level_is_the_fit_of_winners_to_the_last_bit(seed: int) -> None:
    _, data = graded_batch(seed=seed)
    winners = data.winners_only()

    one_level = Comparisons.of(40, data.slot_a, data.slot_b, data.a_won, margin=np.ones(len(data)))

    assert_the_same_to_the_last_bit(fit(one_level), fit(winners))


def test_levels_that_are_not_used_leave_the_fit_of_winners_to_the_last_bit() -> None:
    _, data = graded_batch(judge=replace(MARGINS, says=Says.RANDOM_CONFIDENCE))

    tested = fit(data)

    assert not tested.is_graded
    assert tested.levels[0].lead is not None
    assert_the_same_to_the_last_bit(tested, fit(data.winners_only()))


def test_honest_margins_are_used_and_said_to_tell_more() -> None:
    truth, data = graded_batch()

    graded, winners = fit(data), fit(data.winners_only())

    (evidence,) = graded.levels
    assert graded.is_graded
    assert evidence.lead is not None
    assert evidence.lead > 20
    assert evidence.tells is not None
    assert evidence.words == f"its margins tell {evidence.tells:.1f} times what its winners tell"
    assert evidence.tells > 1.5
    assert np.corrcoef(graded.theta, truth)[0, 1] > np.corrcoef(winners.theta, truth)[0, 1]
    assert graded.standard_errors.mean() < winners.standard_errors.mean()
    assert graded.theta.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("says", [Says.RANDOM_CONFIDENCE, Says.HIGH_CONFIDENCE, Says.LOG_ODDS_OF_SIGN])
def test_worthless_statements_are_not_used(says: Says) -> None:
    _, data = graded_batch(judge=replace(MARGINS, says=says))

    (evidence,) = fit(data).levels

    assert not evidence.is_used
    assert evidence.lead is not None
    assert evidence.lead < 3
    assert evidence.words.endswith("nothing: not used")


def test_models_are_tested_from_four_and_from_eight_comparisons_per_item() -> None:
    second_look = replace(MARGINS, sd=3.0)
    _, few = graded_batch(per_item=2, judge=second_look)
    _, some = graded_batch(per_item=6, judge=second_look)

    untested, tested = fit(few), fit(some)

    assert untested.levels[0].lead is None
    assert untested.levels[0].words == "its margins are not tested yet: too few comparisons"
    assert tested.levels[0].model is VerdictModel.CUMULATIVE


def test_a_level_that_follows_another_look_is_found_to_be_two_part() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 2, 60)
    slots = np.concatenate(
        [np.column_stack([c, np.roll(c, 1)]) for c in (rng.permutation(60) for _ in range(10))]
    )
    difference = truth[slots[:, 0]] - truth[slots[:, 1]]
    a_won = rng.random(len(slots)) < expit(difference)
    winners_lead = np.where(a_won, difference, -difference)
    margin = 1 + (2.0 * winners_lead + rng.logistic(size=len(slots)) > 3).astype(int)

    fitted = fit(Comparisons.of(60, slots[:, 0], slots[:, 1], a_won, margin=margin))

    assert fitted.levels[0].model is VerdictModel.TWO_PART
    assert fitted.levels[0].gamma == pytest.approx(2.0, abs=0.7)


def test_a_model_can_be_asked_for_untested() -> None:
    _, data = graded_batch(judge=replace(MARGINS, says=Says.RANDOM_CONFIDENCE))

    for model in VerdictModel:
        assert fit(data, models={0: model}).levels[0].model is model

    with pytest.raises(InvalidArgument, match="no judge 7"):
        fit(data, models={7: VerdictModel.CUMULATIVE})


def test_an_earlier_fit_as_start_changes_nothing_that_shows() -> None:
    _, data = graded_batch()
    once = fit(data)

    again = fit(data, start=once)

    assert again.theta == pytest.approx(once.theta, abs=5e-3)
    assert again.tau == pytest.approx(once.tau, rel=5e-3)
    assert again.eb_reliability == pytest.approx(once.eb_reliability, abs=5e-4)


def test_only_the_order_of_log_odds_counts() -> None:
    _, data = graded_batch(judge=replace(MARGINS, says=Says.LOG_ODDS))
    rng = np.random.default_rng(0)
    log_odds = np.where(data.a_won, 1, -1) * np.abs(rng.normal(size=len(data)) + 3)

    def fitted(values: FloatArray) -> Fit:
        return fit(Comparisons.of(40, data.slot_a, data.slot_b, data.a_won, log_odds=values))

    changed = fitted(np.sign(log_odds) * np.expm1(np.abs(log_odds) / 2) ** 3)

    assert changed.theta == pytest.approx(fitted(log_odds).theta, abs=1e-8)


def test_judges_of_every_kind_are_fitted_together() -> None:
    silent, random = replace(MARGINS, says=Says.NOTHING), replace(MARGINS, says=Says.RANDOM_CONFIDENCE)
    truth, data = graded_batch(60, per_item=20, other_judges=(silent, random), seed=2)

    panel = analyse_panel(data)

    by_judge = {report.judge: report.levels for report in panel.judges}
    assert by_judge[1] is None
    assert by_judge[0] is not None
    assert by_judge[2] is not None
    assert (by_judge[0].is_used, by_judge[2].is_used) == (True, False)
    assert by_judge[2].source is LevelSource.CONFIDENCE
    assert np.corrcoef(panel.fit.theta, truth)[0, 1] ** 2 > 0.9
    assert all(report.left_out is not None for report in panel.judges)


def test_both_answers_of_a_pair_count_as_one_when_they_share_their_noise() -> None:
    independent, shared = MARGINS, replace(MARGINS, shared_noise=0.9)
    batches = [graded_batch(both_orders=True, judge=judge)[1] for judge in (independent, shared)]

    apart, together = (fit(data) for data in batches)

    assert apart.levels[0].shared_noise == pytest.approx(0.0, abs=0.25)
    assert together.levels[0].shared_noise == pytest.approx(0.8, abs=0.2)
    assert apart.posterior.weight.sum() == len(batches[0])
    assert len(batches[1]) / 2 <= together.posterior.weight.sum() < 0.6 * len(batches[1])


def test_misfit_of_levels_is_reported_by_judge() -> None:
    _, data = graded_batch(per_item=20)

    (honest,) = level_fit(fit(data))

    assert honest.infit == pytest.approx(1.0, abs=0.15)
    assert honest.observed == pytest.approx(honest.expected, abs=0.05)
    assert honest.observed.sum() == pytest.approx(1)
    assert level_fit(fit(data.winners_only())) == ()


def test_halves_and_resamples_use_what_the_fit_uses() -> None:
    _, data = graded_batch(30)
    graded, winners = fit(data), fit(data.winners_only())

    halves = [reliability_of(each, seed=1, halves=10).split_half for each in (graded, winners)]
    resampled = bootstrap(graded, seed=1, resamples=20)

    assert halves[0] is not None
    assert halves[1] is not None
    assert halves[0].stepped_up > halves[1].stepped_up
    assert np.corrcoef(resampled.theta.mean(axis=0), graded.theta)[0, 1] > 0.98


def test_a_graded_batch_is_put_on_an_earlier_scale() -> None:
    truth, data = graded_batch(30, per_item=20)
    anchors = AnchorScale.of(np.arange(6), truth[:6] + 5.0, np.full(6, 0.2))

    linked = link(data, anchors)

    assert linked.fit.is_graded
    assert linked.theta.mean() == pytest.approx(5.0 + truth.mean(), abs=0.6)


def test_a_forecast_expects_what_graded_answers_tell() -> None:
    _, data = graded_batch(per_item=6)
    asked = np.column_stack([data.slot_a, data.slot_b])

    graded, winners = (
        forecast(
            PairingState.of(40, asked, fit=fitted),
            target_reliability=0.97,
            cost_per_comparison=Decimal("0.01"),
            seed=0,
        )
        for fitted in (fit(data), fit(data.winners_only()))
    )

    assert graded.eb_reliability > winners.eb_reliability
    assert graded.until_target is not None
    assert winners.until_target is not None
    assert graded.until_target.expected < winners.until_target.expected


def test_information_of_a_panel_is_that_of_its_judges_by_their_share() -> None:
    _, data = graded_batch(other_judges=(replace(MARGINS, says=Says.NOTHING),), per_item=20)
    fitted = fit(data)
    far = np.array([4.0])

    told = ExpectedInformation(fitted)(far)[0]

    winner = expit(4.0) * expit(-4.0)
    scale = fitted.scales[0].information(far)[0]
    share = float(np.mean(data.judge == 0))
    assert told == pytest.approx(share * scale + (1 - share) * winner, rel=0.1)
    assert ExpectedInformation(fitted).over(far, np.array([1e-12]))[0] == pytest.approx(told, rel=0.1)


def test_fewer_pairs_are_asked_in_both_orders_when_levels_count() -> None:
    _, data = graded_batch(per_item=6)
    asked = np.column_stack([data.slot_a, data.slot_b])

    shares = [
        PairingState.of(40, asked, fit=fitted, settings=PairingSettings()).both_orders_share
        for fitted in (fit(data), fit(data.winners_only()), None)
    ]

    assert shares == [0.10, 0.20, 0.20]
    assert plan_pairs(PairingState.of(40, asked, fit=fit(data)), count=20, seed=0, policy=Policy.INFORMATION)


def test_more_items_than_are_factorised_are_fitted_too() -> None:
    truth, data = graded_batch(1_050, per_item=6, judge=replace(MARGINS, sd=3.0))

    fitted = fit(data)

    assert fitted.is_graded
    assert fitted.tau == pytest.approx(3.0, abs=0.3)
    assert np.corrcoef(fitted.theta, truth)[0, 1] ** 2 > 0.88
