"""The fit: what the literature says, what must not matter, and what is refused or flagged."""

import math

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    Design,
    FixedAbilities,
    GraphNotConnected,
    InvalidArgument,
    InvalidComparisons,
    NotConverged,
    Policy,
    Run,
    SimulatedJudge,
    TooLarge,
    fit,
)
from cj_measurement.comparisons import BoolArray, FloatArray
from cj_measurement.fitting import newton, result
from cj_measurement.fitting import tau as tau_search
from cj_measurement.fitting.posterior import TAU_RANGE
from cj_measurement.tests.builders import judged
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit

CITED = ("Biometrika", "Communications in Statistics", "JASA", "JRSS-B")
CITATIONS = ((714, 730, 498, 221), (33, 425, 68, 17), (320, 813, 1072, 142), (284, 276, 325, 188))
"""How often the row's journal was cited by the column's, 1987-88 (Stigler 1994; Agresti, Categorical Data Analysis)."""

seeds = st.integers(0, 2**16)
few_examples = settings(max_examples=25)


def test_citations_among_statistics_journals_give_the_scale_of_the_literature() -> None:
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    counts = [CITATIONS[i][j] for i, j in pairs]
    comparisons = Comparisons.of(
        len(CITED), [i for i, _ in pairs], [j for _, j in pairs], [True] * len(pairs), weight=counts
    )

    fitted = fit(comparisons, position_effects="none", tau=1e4)

    scale = fitted.theta - fitted.theta[0]
    assert scale == pytest.approx([0, -2.94907, -0.47957, 0.26895], abs=5e-6)


def test_the_mode_is_where_the_gradient_vanishes() -> None:
    comparisons = judged(12, bias=(0.4,), seed=3).comparisons

    fitted = fit(comparisons)

    assert np.abs(numerical_gradient(fitted.mode.parameters, comparisons, fitted.tau)).max() < 1e-5
    assert fitted.theta.sum() == pytest.approx(0, abs=1e-9)


def numerical_gradient(parameters: FloatArray, data: Comparisons, tau: float) -> FloatArray:
    """Central differences of the log posterior as the documentation writes it, with one position effect."""

    def value(x: FloatArray) -> float:
        theta, b = x[:-1], x[-1]
        logit = theta[data.slot_a] - theta[data.slot_b] + b
        likelihood = log_expit(np.where(data.a_won, logit, -logit)).sum()
        return float(likelihood - theta @ theta / (2 * tau**2) - b**2 / 8)

    steps = 1e-5 * np.eye(len(parameters))
    return np.array([(value(parameters + step) - value(parameters - step)) / 2e-5 for step in steps])


@few_examples
@given(seeds)
def test_names_of_items_do_not_matter(seed: int) -> None:
    data = judged(12, per_item=6, seed=seed).comparisons
    order = np.random.default_rng(seed).permutation(12)

    fitted = fit(data)
    renamed = fit(Comparisons.of(12, order[data.slot_a], order[data.slot_b], data.a_won))

    assert renamed.theta[order] == pytest.approx(fitted.theta, abs=1e-6)
    assert renamed.tau == pytest.approx(fitted.tau, rel=1e-6)


@few_examples
@given(seeds)
def test_swapping_every_slot_turns_the_position_effect_round_and_nothing_else(seed: int) -> None:
    data = judged(12, per_item=8, bias=(0.7, -0.2), seed=seed).comparisons

    fitted, swapped = fit(data), fit(data.swapped())

    assert swapped.theta == pytest.approx(fitted.theta, abs=1e-6)
    assert swapped.effects == pytest.approx(-fitted.effects, abs=1e-6)
    assert swapped.standard_errors == pytest.approx(fitted.standard_errors, abs=1e-6)


@few_examples
@given(seeds)
def test_a_comparison_of_weight_two_is_two_comparisons(seed: int) -> None:
    data = judged(10, per_item=6, seed=seed).comparisons
    twice = np.concatenate([np.arange(len(data)), np.arange(len(data))])
    heavier = Comparisons.of(10, data.slot_a, data.slot_b, data.a_won, weight=np.full(len(data), 2.0))

    repeated, weighted = fit(data.where(twice)), fit(heavier)

    assert weighted.theta == pytest.approx(repeated.theta, abs=1e-7)
    assert weighted.standard_errors == pytest.approx(repeated.standard_errors, abs=1e-7)


def test_more_of_the_same_evidence_keeps_the_order_and_lowers_the_errors() -> None:
    data = judged(20, per_item=10, seed=5).comparisons
    twice = data.where(np.concatenate([np.arange(len(data)), np.arange(len(data))]))

    once, double = fit(data, tau=1.5), fit(twice, tau=1.5)

    assert np.corrcoef(once.theta, double.theta)[0, 1] > 0.99
    assert np.all(double.standard_errors < once.standard_errors)


@few_examples
@given(seeds, st.floats(-5, 5))
def test_a_constant_added_to_the_start_changes_nothing(seed: int, constant: float) -> None:
    data = judged(12, per_item=6, seed=seed).comparisons
    cold = fit(data)

    shifted = fit(data, start=cold.theta + constant)

    assert shifted.theta == pytest.approx(cold.theta, abs=1e-6)


@pytest.mark.parametrize("n_items", [20, 300])
def test_a_warm_start_ends_where_a_cold_one_does(n_items: int) -> None:
    batch = judged(n_items, bias=(0.3,), seed=8)
    early = fit(batch.comparisons.where(np.arange(n_items * 4)))

    cold, warm = fit(batch.comparisons), fit(batch.comparisons, start=early)

    told = fit(batch.comparisons, start=early.theta, tau_near=early.tau)

    for found in (warm, told):
        assert found.tau == pytest.approx(cold.tau, rel=1e-3)
        assert found.theta == pytest.approx(cold.theta, abs=1e-3)
    assert fit(batch.comparisons, tau=1.0, start=early).theta == pytest.approx(
        fit(batch.comparisons, tau=1.0).theta, abs=1e-7
    )


def test_a_start_on_a_much_wider_scale_leads_to_the_mode() -> None:
    """Where decisions are saturated a step may shrink the gradient and worsen the fit: such steps went in circles."""
    run = Run(Design(essays=20, policy=Policy.RANDOM), SimulatedJudge(sd=2.0), seed=1)
    fits = []
    for comparisons_per_essay in (3, 4, 9):
        while run.comparisons_per_essay < comparisons_per_essay:
            run.judge_round()
        fits.append(run.fit())

    wide, found = fits[1], fits[2]

    assert wide is not None
    assert found is not None
    cold = fit(found.comparisons)
    assert wide.tau > 2 * cold.tau
    assert found.tau == pytest.approx(cold.tau, rel=2e-3)
    assert found.theta == pytest.approx(cold.theta, abs=5e-3)


def test_tau_is_where_the_evidence_is_highest() -> None:
    data = judged(60, per_item=12, seed=2).comparisons

    fitted = fit(data)

    for nearby in (0.97, 1.03):
        assert fit(data, tau=fitted.tau * nearby).log_evidence < fitted.log_evidence
    best_of = fit(data, tau=(0.3, fitted.tau, 6.0))
    assert best_of.tau == pytest.approx(fitted.tau)


def test_coin_flips_shrink_to_nothing() -> None:
    reliabilities = [
        fit(judged(60, per_item=20, sd=0.0, seed=seed).comparisons).eb_reliability for seed in range(20)
    ]

    assert np.median(reliabilities) < 0.10


def test_a_position_effect_is_found_with_its_error() -> None:
    batch = judged(100, per_item=20, bias=(0.5, -0.5, 0.0), seed=4)

    found = fit(batch.comparisons).position_bias

    assert [bias.judge for bias in found] == [0, 1, 2]
    for bias, truth in zip(found, (0.5, -0.5, 0.0), strict=True):
        assert abs(bias.b - truth) < 3 * bias.standard_error
        assert 0.08 < bias.standard_error < 0.16
        assert not bias.one_sided
    assert found[0].p_first_if_equal == pytest.approx(expit(found[0].b))


def test_abilities_are_corrected_for_the_position_effect() -> None:
    """Items that stood in slot A only gain nothing from a judge who prefers slot A."""
    truth = np.zeros(40)
    generator = np.random.default_rng(1)
    first, second = np.repeat(np.arange(40), 30), np.tile(np.arange(40), 30)
    keep = (first != second) & ((first < 35) | (second < 35))
    slot_a, slot_b = first[keep], second[keep]
    won = generator.random(len(slot_a)) < expit(truth[slot_a] - truth[slot_b] + 1.5)

    fitted = fit(Comparisons.of(40, slot_a, slot_b, won))

    assert fitted.position_bias[0].b == pytest.approx(1.5, abs=0.3)
    assert fitted.tau < 0.35


def test_a_judge_who_always_takes_the_first_is_flagged_and_keeps_a_finite_effect() -> None:
    data = judged(20, per_item=10, seed=1).comparisons
    always = Comparisons.of(20, data.slot_a, data.slot_b, np.ones(len(data), np.bool_))

    (bias,) = fit(always).position_bias

    assert bias.one_sided
    assert 2 < bias.b < 10
    assert math.isfinite(bias.standard_error)


def test_no_position_effect_is_claimed_where_items_keep_their_slots() -> None:
    """Each item stood in one slot only: a preference for a slot cannot be told from better items in it."""
    first = np.repeat(np.arange(5), 5)
    second = np.tile(np.arange(5, 10), 5)
    won = np.random.default_rng(0).random(25) < 0.6

    fitted = fit(Comparisons.of(10, first, second, won))

    assert fitted.position_bias == ()


def test_judges_discriminations_are_found_and_have_a_geometric_mean_of_one() -> None:
    batch = judged(120, per_item=60, bias=(0.0, 0.0, 0.0), sharpness=(2.0, 1.0, 0.5), seed=6)

    found = fit(batch.comparisons, discrimination="per_judge")

    assert np.log(found.slopes).sum() == pytest.approx(0, abs=1e-12)
    for one, truth in zip(found.discrimination, (2.0, 1.0, 0.5), strict=True):
        assert abs(math.log(one.a / truth)) < 3 * one.log_standard_error
        assert 0.01 < one.log_standard_error < 0.1


def test_discriminations_of_a_panel_of_one_are_not_estimated() -> None:
    data = judged(20, seed=1).comparisons

    fitted = fit(data, discrimination="per_judge")

    assert fitted.discrimination == ()
    assert fitted.theta == pytest.approx(fit(data).theta)


def test_essays_that_win_or_lose_everything_stay_finite() -> None:
    data = judged(10, per_item=8, sd=30.0, seed=2).comparisons

    fitted = fit(data)

    assert np.isfinite(fitted.theta).all()
    assert np.isfinite(fitted.standard_errors).all()
    assert fitted.tau <= TAU_RANGE[1]


def test_parts_that_were_never_compared_are_refused_unless_asked_for() -> None:
    parts = Comparisons.of(4, [0, 2, 1], [1, 3, 0], [True, True, False])

    with pytest.raises(GraphNotConnected, match="judge pairs that link them"):
        fit(parts)
    assert np.isfinite(fit(parts, allow_disconnected=True).theta).all()


def test_without_a_comparison_there_is_no_scale() -> None:
    with pytest.raises(InvalidComparisons, match="nothing was compared"):
        fit(Comparisons.of(3, [], [], []), allow_disconnected=True)


@pytest.mark.parametrize("start", [np.zeros(3), np.full(20, np.nan)])
def test_a_start_that_does_not_fit_the_items_is_refused(start: FloatArray) -> None:
    with pytest.raises(InvalidArgument, match="20 finite abilities"):
        fit(judged(20).comparisons, start=start)


@pytest.mark.parametrize("tau", [0.0, -1.0, math.nan, math.inf, ()])
def test_a_tau_that_is_not_finite_and_positive_is_refused(tau: float | tuple[float, ...]) -> None:
    with pytest.raises(InvalidArgument, match="finite and positive"):
        fit(judged(20).comparisons, tau=tau)


def test_a_fit_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newton, "MAX_ITERATIONS", 2)

    with pytest.raises(NotConverged, match="after 2 Newton steps"):
        fit(judged(30).comparisons)


def test_a_search_for_tau_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tau_search, "MAX_EVALUATIONS", 1)

    with pytest.raises(NotConverged, match="no best tau"):
        fit(judged(30).comparisons)


def test_known_abilities_stay_and_carry_their_scale_over() -> None:
    batch = judged(60, per_item=20, seed=9)
    known = np.arange(60) < 15
    shifted = batch.truth + 7.0

    fitted = fit(batch.comparisons, known=FixedAbilities(known, np.where(known, shifted, np.nan)))

    assert fitted.theta[known] == pytest.approx(shifted[known])
    assert fitted.standard_errors[known] == pytest.approx(0)
    assert fitted.theta[~known].mean() == pytest.approx(shifted[~known].mean(), abs=0.25)
    z = (fitted.theta - shifted)[~known] / fitted.standard_errors[~known]
    assert 0.7 < z.std() < 1.3


def test_known_abilities_link_parts_that_share_none_of_the_others() -> None:
    parts = Comparisons.of(6, [0, 1, 0, 3, 4, 3], [1, 2, 2, 4, 5, 5], [True, False, True, True, True, False])
    anchored = FixedAbilities(np.array([True, False, False, True, False, False]), np.zeros(6))

    fitted = fit(parts, known=anchored)

    assert np.isfinite(fitted.theta).all()
    with pytest.raises(GraphNotConnected):
        fit(parts, known=FixedAbilities(np.arange(6) == 0, np.zeros(6)))


@pytest.mark.parametrize(
    ("known", "theta"),
    [
        (np.zeros(20, np.bool_), np.zeros(20)),
        (np.ones(20, np.bool_), np.zeros(20)),
        (np.arange(20) < 3, np.full(20, np.nan)),
        (np.arange(5) < 3, np.zeros(5)),
    ],
)
def test_known_abilities_that_fix_nothing_or_everything_are_refused(
    known: BoolArray, theta: FloatArray
) -> None:
    with pytest.raises(InvalidArgument):
        fit(judged(20).comparisons, known=FixedAbilities(known, theta))


def test_a_covariance_that_would_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "COVARIANCE_LIMIT", 10)
    fitted = fit(judged(20).comparisons)

    with pytest.raises(TooLarge, match="use standard_errors or draws"):
        _ = fitted.covariance
