"""Large batches are solved without the matrix of the small ones, to the same result."""

import numpy as np
import pytest
from cj_measurement import (
    Comparisons,
    FixedAbilities,
    NotConverged,
    fit,
)
from cj_measurement.fitting import information, posterior, result
from cj_measurement.fitting.posterior import Posterior
from cj_measurement.tests.builders import judged
from scipy.special import expit


@pytest.fixture
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch counts as one that is too large for a factorisation."""
    for module in (information, posterior, result):
        monkeypatch.setattr(module, "DENSE_LIMIT", 0)
    monkeypatch.setattr(information, "DENSE_SOLVE_LIMIT", 0)


def neighbours(n_items: int, *, seed: int) -> Comparisons:
    """Ten comparisons per item with items next to it, as an adaptive policy without long links would have them."""
    generator = np.random.default_rng(seed)
    truth = np.sort(generator.normal(0, 1.5, n_items))
    slot_a = np.repeat(np.arange(n_items), 5)
    slot_b = (slot_a + generator.integers(1, 20, len(slot_a))) % n_items
    return Comparisons.of(
        n_items, slot_a, slot_b, generator.random(len(slot_a)) < expit(truth[slot_a] - truth[slot_b])
    )


@pytest.mark.usefixtures("as_if_large")
@pytest.mark.parametrize("bias", [(0.0,), (0.6, -0.3, 0.1)])
def test_both_ways_lead_to_the_same_scale(bias: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    data = judged(200, bias=bias, seed=1).comparisons
    large = fit(data, tau=1.4)
    errors = [one.standard_error for one in large.position_bias]

    monkeypatch.undo()
    small = fit(data, tau=1.4)

    assert large.theta == pytest.approx(small.theta, abs=1e-8)
    assert large.effects == pytest.approx(small.effects, abs=1e-8)
    assert errors == pytest.approx([one.standard_error for one in small.position_bias], rel=1e-6)


@pytest.mark.parametrize("kind", ["random", "neighbours"])
def test_tau_and_reliability_are_those_of_the_factorisation(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judged(1000, bias=(0.3,), seed=4).comparisons if kind == "random" else neighbours(1000, seed=4)
    exact = fit(data)

    for module in (information, posterior, result):
        monkeypatch.setattr(module, "DENSE_LIMIT", 999)
    estimated = fit(data)

    assert estimated.tau == pytest.approx(exact.tau, rel=4e-3)
    assert estimated.log_evidence == pytest.approx(exact.log_evidence, abs=1.0)
    assert estimated.eb_reliability == pytest.approx(exact.eb_reliability, abs=2e-3)
    ratio = estimated.standard_errors / exact.standard_errors
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.015
    assert abs(ratio.mean() - 1) < 0.003


@pytest.mark.usefixtures("as_if_large")
def test_known_abilities_and_discriminations_are_solved_for_in_large_batches_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = judged(180, per_item=20, bias=(0.4, 0.0), sharpness=(1.6, 0.6), seed=2)
    known = FixedAbilities(np.arange(180) < 20, batch.truth)
    large = fit(batch.comparisons, known=known, discrimination="per_judge", tau=1.5)
    determinant, spread = large.mode.information.log_determinant(), large.standard_errors

    monkeypatch.undo()
    small = fit(batch.comparisons, known=known, discrimination="per_judge", tau=1.5)

    assert large.theta == pytest.approx(small.theta, abs=1e-7)
    assert large.slopes == pytest.approx(small.slopes, abs=1e-8)
    assert determinant == pytest.approx(small.mode.information.log_determinant(), abs=1.0)
    assert np.mean(spread[20:] / small.standard_errors[20:]) == pytest.approx(1, abs=0.02)
    assert small.standard_errors[:20].tolist() == spread[:20].tolist() == [0.0] * 20


def test_the_posterior_mean_is_the_same_from_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    data = judged(300, per_item=10, sd=2.5, bias=(0.4,), seed=3).comparisons
    exact = fit(data)
    shift = exact.posterior_mean - exact.theta

    monkeypatch.setattr(posterior, "DENSE_LIMIT", 0)
    monkeypatch.setattr(result, "VARIANCE_DRAWS", 2_000)
    drawn = fit(data, tau=exact.tau)

    assert np.abs(shift).max() > 0.5
    assert drawn.posterior_mean - drawn.theta == pytest.approx(shift, abs=0.06)
    assert np.corrcoef(drawn.posterior_mean - drawn.theta, shift)[0, 1] > 0.998


@pytest.mark.parametrize("limit", [information.DENSE_LIMIT, 0])
def test_draws_come_from_the_joint_posterior(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit(judged(40, per_item=12, bias=(0.5,), seed=6).comparisons)
    expected = fitted.covariance
    monkeypatch.setattr(posterior, "DENSE_LIMIT", limit)

    draws = fitted.draws(4000, seed=3)

    assert draws.shape == (4000, 40)
    assert draws.mean(axis=0) == pytest.approx(fitted.theta, abs=0.06)
    assert np.cov(draws.T) == pytest.approx(expected, abs=0.06)
    assert fitted.draws(3, seed=3).tolist() == fitted.draws(3, seed=3).tolist()


@pytest.mark.parametrize("discrimination", ["equal", "per_judge"])
@pytest.mark.parametrize("anchored", [False, True])
def test_the_information_is_minus_the_derivative_of_the_gradient(discrimination: str, anchored: bool) -> None:
    batch = judged(9, per_item=20, bias=(0.4, -0.2, 0.1), sharpness=(2.0, 1.0, 0.5), seed=5)
    known = FixedAbilities(np.arange(9) < 3, batch.truth) if anchored else None
    model = Posterior(
        batch.comparisons,
        position_judges=np.array([0, 2]),
        discrimination=discrimination == "per_judge",
        fixed=known,
    )
    place = model.start(None) + np.where(np.arange(model.size) < (3 if anchored else 0), 0.0, 0.1)
    point = model.at(place)

    matrix = model.information(point, 1.3).dense()

    free = slice(3 if anchored else 0, None)
    steps = 1e-6 * np.eye(model.size)
    derivative = [
        (model.gradient(model.at(place + step), 1.3) - model.gradient(model.at(place - step), 1.3)) / 2e-6
        for step in steps
    ]
    assert matrix[free, free] == pytest.approx(-np.array(derivative)[free, free], abs=1e-6)
    x = np.random.default_rng(0).normal(size=(model.size, 2))
    assert model.information(point, 1.3).times(x) == pytest.approx(matrix @ x)


def test_equations_that_are_not_solved_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(information, "CG_ITERATIONS", 1)

    with pytest.raises(NotConverged, match="no solution after 1 iterations"):
        fit(judged(300).comparisons)


@pytest.mark.slow
def test_thirty_thousand_essays_are_measured() -> None:
    batch = judged(30_000, per_item=10, bias=(0.3,), seed=1)

    fitted = fit(batch.comparisons)

    gradient = fitted.posterior.gradient(fitted.mode.point, fitted.tau)
    assert np.abs(gradient).max() < 1e-8
    assert fitted.tau == pytest.approx(1.5, abs=0.1)
    r_squared = np.corrcoef(fitted.theta, batch.truth)[0, 1] ** 2
    assert fitted.eb_reliability == pytest.approx(r_squared, abs=0.04)
    low, high = fitted.intervals(0.9).T
    truth = batch.truth - batch.truth.mean()
    # Laplace's approximation puts τ 5 % too low at ten comparisons per essay, and intervals with it.
    assert 0.85 < np.mean((low < truth) & (truth < high)) < 0.93
