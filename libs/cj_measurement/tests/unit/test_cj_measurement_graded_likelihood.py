"""The likelihood of graded verdicts: that of the documentation, with exact gradients and information."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cj_measurement import Comparisons, Fit, FixedAbilities, VerdictModel, fit
from cj_measurement.comparisons import FloatArray
from cj_measurement.fitting.answer_scales import AnswerScale, scale_of
from cj_measurement.fitting.evidence_search import ScaleSearch
from cj_measurement.fitting.likelihood import Graded, Winner
from cj_measurement.fitting.moments import Moments
from cj_measurement.fitting.posterior import Posterior
from cj_measurement.tests.graded_batches import MARGINS, graded_batch
from scipy.special import expit


def test_a_graded_likelihood_without_scales_is_that_of_winners() -> None:
    behind, weight = np.linspace(-40, 40, 81), np.ones(81)

    graded, winner = Graded.of(81, ()), Winner()

    chances = graded.chances(behind)
    assert graded.log(behind) == pytest.approx(winner.log(behind), abs=1e-14)
    assert graded.surprise(chances) == pytest.approx(winner.surprise(winner.chances(behind)), abs=1e-15)
    for name in ("steepness", "third"):
        ours, theirs = (
            getattr(graded, name)(chances, weight),
            getattr(winner, name)(winner.chances(behind), weight),
        )
        assert ours == pytest.approx(theirs, abs=1e-15)


SCALES = [
    AnswerScale(
        judge=0,
        model=model,
        answers=np.arange(3),
        level=np.arange(3),
        merged=(0, 1, 2),
        cuts=np.array(cuts),
        gamma=gamma,
    )
    for model, cuts, gamma in (
        (VerdictModel.CUMULATIVE, [0.8, 2.5], 1.0),
        (VerdictModel.TWO_PART, [-0.5, 1.5], 0.7),
        (VerdictModel.TWO_PART, [-0.5, 1.5], -0.2),
    )
]


def chance(scale: AnswerScale, x: float, level: int) -> float:
    """P(s, m) as the documentation writes it."""
    low, high = scale.edges[level], scale.edges[level + 1]
    if scale.model is VerdictModel.CUMULATIVE:
        return float(expit(high - x) - expit(low - x))
    return float(expit(x) * (expit(high - scale.gamma * x) - expit(low - scale.gamma * x)))


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: f"{scale.model}-{scale.gamma}")
def test_the_likelihood_is_that_of_the_documentation(scale: AnswerScale) -> None:
    x, step, weight = np.array([-1.5, 0.3, 2.0]), 1e-4, np.ones(3)
    likelihood = Graded.of(3, [scale])

    chances = likelihood.chances(-x)

    documented = [math.log(chance(scale, float(value), level)) for level, value in enumerate(x)]
    assert likelihood.log(-x) == pytest.approx(documented, abs=1e-12)
    ahead, behind = likelihood.chances(-x - step), likelihood.chances(-x + step)
    slope = (likelihood.log(-x - step) - likelihood.log(-x + step)) / (2 * step)
    bend = (likelihood.surprise(ahead) - likelihood.surprise(behind)) / (2 * step)
    third = (likelihood.steepness(ahead, weight) - likelihood.steepness(behind, weight)) / (2 * step)
    assert likelihood.surprise(chances) == pytest.approx(slope, abs=1e-7)
    assert -likelihood.steepness(chances, weight) == pytest.approx(bend, abs=1e-7)
    assert -likelihood.third(chances, weight) == pytest.approx(third, abs=1e-7)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: f"{scale.model}-{scale.gamma}")
def test_winners_and_levels_have_probability_one_together_and_the_information_of_their_scores(
    scale: AnswerScale,
) -> None:
    x, step = 0.9, 1e-5

    outcomes = [(side, level) for side in (1, -1) for level in range(3)]

    total = sum(chance(scale, side * x, level) for side, level in outcomes)
    scores = [
        (
            math.log(chance(scale, side * (x + step), level))
            - math.log(chance(scale, side * (x - step), level))
        )
        / (2 * step)
        for side, level in outcomes
    ]
    information = sum(
        chance(scale, side * x, level) * score**2
        for (side, level), score in zip(outcomes, scores, strict=True)
    )
    assert total == pytest.approx(1, abs=1e-12)
    assert scale.information(np.array([x]))[0] == pytest.approx(information, abs=1e-7)
    assert scale.expected_shares(np.array([x])).sum() == pytest.approx(1, abs=1e-12)


def test_three_margins_tell_as_much_at_any_distance_and_a_winner_only_near_by() -> None:
    """Cuts as a judge of SD 3 has them that calls 40 % of random pairs slightly and 40 % clearly better."""
    margins = replace(SCALES[0], cuts=np.array([2.4, 5.8]))

    told = margins.information(np.array([0.0, 3.0, 6.0]))

    winner = expit([0.0, 3.0, 6.0]) * expit([0.0, -3.0, -6.0])
    assert told == pytest.approx([0.28, 0.26, 0.26], abs=0.015)
    assert winner == pytest.approx([0.25, 0.045, 0.002], abs=0.001)


@pytest.mark.parametrize("model", [VerdictModel.CUMULATIVE, VerdictModel.TWO_PART])
@pytest.mark.parametrize("kind", ["plain", "panel", "known"])
def test_the_gradient_of_the_evidence_is_exact(model: VerdictModel, kind: str) -> None:
    _, data = graded_batch(20, other_judges=(MARGINS,) if kind == "panel" else (), seed=4)
    known = FixedAbilities(np.arange(20) < 4, np.linspace(-2, 2, 20)) if kind == "known" else None
    winner = fit(data.winners_only(), known=known)
    scales = [first_guess(winner, data, judge, model) for judge in range(data.n_judges)]
    search = ScaleSearch(winner.posterior, scales, tau=1.5, tau_fixed=False, start=winner.mode.parameters)
    place, gradient, step = search._place, search._gradient, 1e-3

    numerical = []
    for number in range(len(place)):
        away = np.where(np.arange(len(place)) == number, step, 0.0)
        ends = [evidence_at(search, place + sign * away) for sign in (1, -1)]
        numerical.append((ends[0] - ends[1]) / (2 * step))

    assert gradient == pytest.approx(numerical, abs=0.02)


def first_guess(winner: Fit, data: Comparisons, judge: int, model: VerdictModel) -> AnswerScale:
    assert data.levels is not None
    own = np.flatnonzero(data.judge == judge)
    scale = scale_of(judge, own, data.levels.level[own], data.weight[own])
    assert scale is not None
    moments = Moments.of(winner.mode)
    return scale.first_guess(model, moments.ahead, moments.ahead**2 + moments.variance, data.weight)


def evidence_at(search: ScaleSearch, place: FloatArray) -> float:
    tau, scales = search._at(place)
    posterior: Posterior = search._read(scales)
    return posterior.log_evidence(posterior.mode(tau, search.mode.parameters))
