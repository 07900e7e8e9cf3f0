"""Whatever the decisions are, the library answers with finite numbers or with a MeasurementError, and nothing else."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from cj_measurement import (
    Anchor,
    AnchorScale,
    Comparisons,
    Fit,
    FixedAbilities,
    LinkMethod,
    MeasurementError,
    NoProjection,
    PairingState,
    Policy,
    ScaleShape,
    analyse_panel,
    bootstrap,
    circular_triads,
    close_calls,
    fit,
    fit_classical,
    forecast,
    graph_shape,
    item_fit,
    judge_fit,
    length_correlation,
    link,
    plan_pairs,
    project_grades,
    qualify,
    reliability_of,
    residuals,
    scale_correlation,
    split_half,
    swap_consistency,
)
from hypothesis import given, settings
from hypothesis import strategies as st

FloatArray = npt.NDArray[np.float64]

ResultT = TypeVar("ResultT")

degenerate = settings(max_examples=30, deadline=None)


@contextmanager
def no_warning() -> Iterator[None]:
    """A warning of numpy or scipy marks a number that must not be used: it fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@st.composite
def designs(draw: st.DrawFn) -> Comparisons:
    """Comparisons at their worst: separated, repeated, in parts, of two items, by one judge, of huge weight.

    With levels or without, that follow the items or nothing at all.
    """
    n_items = draw(st.integers(2, 9))
    count = draw(st.sampled_from([1, 2, n_items, 5 * n_items, 20 * n_items]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    slot_a = generator.integers(0, n_items, count)
    slot_b = (slot_a + generator.integers(1, n_items, count)) % n_items
    graph = draw(st.sampled_from(["anyone", "cycle", "chain", "star", "two parts", "one pair"]))
    if graph == "cycle":
        slot_a = np.arange(count) % n_items
        slot_b = (slot_a + 1) % n_items
    elif graph == "chain":
        slot_a = np.arange(count) % (n_items - 1)
        slot_b = slot_a + 1
    elif graph == "star":
        slot_a, slot_b = np.zeros(count, np.int64), 1 + np.arange(count) % (n_items - 1)
    elif graph == "two parts":
        half = n_items // 2
        kept = (slot_a < half) == (slot_b < half)
        slot_a, slot_b = np.append(slot_a[kept], 0), np.append(slot_b[kept], 1)
    elif graph == "one pair":
        slot_a, slot_b = np.zeros(count, np.int64), np.ones(count, np.int64)
    turned = generator.random(len(slot_a)) < draw(st.sampled_from([0.0, 0.5]))
    slot_a, slot_b = np.where(turned, slot_b, slot_a), np.where(turned, slot_a, slot_b)
    outcome = draw(st.sampled_from(["coins", "lower number wins", "first slot wins", "groups", "one upset"]))
    a_won = {
        "coins": generator.random(len(slot_a)) < 0.5,
        "lower number wins": slot_a < slot_b,
        "first slot wins": np.ones(len(slot_a), np.bool_),
        "groups": np.where(slot_a % 2 == slot_b % 2, generator.random(len(slot_a)) < 0.5, slot_a % 2 == 0),
        "one upset": (slot_a < slot_b) ^ (np.arange(len(slot_a)) == 0),
    }[outcome]
    judge = generator.integers(0, draw(st.integers(1, 3)), len(slot_a))
    weight = np.full(len(slot_a), draw(st.sampled_from([1e-6, 1.0, 1e4, 1e8])))
    margin = {
        "nothing": None,
        "coins": generator.integers(1, 4, len(slot_a)),
        "by distance": 1 + np.minimum(np.abs(slot_a - slot_b) // 2, 2),
        "sometimes": np.where(generator.random(len(slot_a)) < 0.4, np.nan, 1 + np.abs(slot_a - slot_b) % 3),
    }[draw(st.sampled_from(["nothing", "coins", "by distance", "sometimes"]))]
    return Comparisons.of(n_items, slot_a, slot_b, a_won, judge, weight=weight, margin=margin)


def attempt(compute: Callable[[], ResultT]) -> ResultT | None:
    """The result; None where the library says what it cannot compute."""
    try:
        return compute()
    except MeasurementError:
        return None


def fitted(data: Comparisons) -> Fit | None:
    return attempt(lambda: fit(data, allow_disconnected=True))


def assert_finite(*values: npt.ArrayLike) -> None:
    for value in values:
        assert np.isfinite(np.asarray(value, np.float64)).all()


@degenerate
@given(designs(), st.sampled_from(["auto", "none"]), st.sampled_from(["equal", "per_judge"]))
def test_a_fit_is_finite_or_refused(data: Comparisons, position: str, discrimination: str) -> None:
    with no_warning():
        found = attempt(
            lambda: fit(
                data,
                position_effects="auto" if position == "auto" else "none",
                discrimination="equal" if discrimination == "equal" else "per_judge",
                allow_disconnected=True,
            )
        )
        if found is None:
            return
        assert_finite(found.theta, found.standard_errors, found.eb_reliability, found.log_evidence, found.tau)
        assert_finite(found.draws(3, seed=1), found.posterior_mean, found.probability([0], [1], [0]))
        for interval in attempt(found.intervals), attempt(lambda: np.array(found.log_tau_error)):
            assert interval is None or np.isfinite(interval).all()
        for bias in found.position_bias:
            assert_finite(bias.b, bias.standard_error)


@degenerate
@given(designs())
def test_the_classical_fit_and_all_reliabilities_are_finite_or_refused(data: Comparisons) -> None:
    with no_warning():
        classical = attempt(lambda: fit_classical(data, allow_disconnected=True))
        if classical is not None:
            assert_finite(classical.theta, classical.standard_errors, classical.infit, classical.outfit)
            assert_finite(classical.ssr, classical.ssr_prime)
        halves = split_half(data, seed=1, halves=5)
        if halves is not None:
            assert_finite(halves.median, halves.stepped_up)
        found = fitted(data)
        if found is not None:
            four = attempt(lambda: reliability_of(found, seed=1, halves=5))
            assert four is None or np.isfinite([four.eb, four.ssr, four.ssr_prime]).all()


@degenerate
@given(designs())
def test_diagnostics_are_finite_or_refused(data: Comparisons) -> None:
    with no_warning():
        graph_shape(data)
        circular_triads(data)
        swap_consistency(data)
        found = fitted(data)
        if found is None:
            return
        assert_finite(residuals(found))
        for squares in item_fit(found), judge_fit(found):
            assert np.array_equal(np.isfinite(squares.infit), squares.n > 0)
            assert np.array_equal(np.isfinite(squares.outfit), squares.n > 0)
            assert not squares.misfits[squares.n == 0].any()
        close_calls(found)
        correlation = attempt(lambda: length_correlation(found.theta, np.arange(found.n_items)))
        assert correlation is None or np.isfinite(correlation)
        resampled = attempt(lambda: bootstrap(found, seed=1, resamples=3))
        if resampled is not None:
            assert_finite(resampled.theta, resampled.standard_deviations)


@degenerate
@given(designs(), st.sampled_from(list(Policy)), st.booleans())
def test_the_next_pairs_and_a_forecast_come_from_any_fit(
    data: Comparisons, policy: Policy, nothing_planned: bool
) -> None:
    with no_warning():
        found = fitted(data)
        asked = np.column_stack([data.slot_a, data.slot_b])
        state = PairingState.of(data.n_items, asked, fit=found)
        assert plan_pairs(state, count=4, seed=1, policy=policy)
        if found is None:
            return
        planned = () if nothing_planned else None
        ahead = attempt(
            lambda: forecast(
                state, target_reliability=0.9, cost_per_comparison=Decimal("0.01"), seed=1, planned=planned
            )
        )
        if ahead is not None:
            assert_finite(ahead.eb_reliability, ahead.eb_gain)
            if ahead.until_target is not None:
                assert 0 <= ahead.until_target.low <= ahead.until_target.expected <= ahead.until_target.high


@degenerate
@given(designs())
def test_judges_are_compared_or_refused(data: Comparisons) -> None:
    with no_warning():
        panel = attempt(lambda: analyse_panel(data, allow_disconnected=True))
        if panel is not None:
            for report in panel.judges:
                assert_finite(report.discrimination.a, report.infit, report.outfit)
                if report.left_out is not None:
                    assert_finite(report.left_out.accuracy, report.left_out.log_loss)
        qualification = attempt(lambda: qualify(data, reference=0, candidate=1))
        if qualification is not None:
            for criterion in qualification.criteria:
                assert_finite(
                    *(
                        value
                        for value in (criterion.value, criterion.low, criterion.high)
                        if value is not None
                    )
                )
        found = fitted(data)
        if found is not None:
            correlation = attempt(lambda: scale_correlation(found, found))
            assert (
                correlation is None or np.isfinite([correlation.rho, correlation.low, correlation.high]).all()
            )


@degenerate
@given(designs(), st.sampled_from(list(LinkMethod)), st.integers(0, 9), st.sampled_from([0.0, 0.3]))
def test_a_batch_is_linked_or_refused(
    data: Comparisons, method: LinkMethod, n_anchors: int, error: float
) -> None:
    items = np.arange(min(n_anchors, data.n_items))
    with no_warning():
        anchors = AnchorScale.of(items, np.minimum(items, 2) / 2, np.full(len(items), error))
        linked = attempt(lambda: link(data, anchors, method=method))
        if linked is not None:
            assert_finite(linked.theta, linked.standard_errors, linked.linking_errors, linked.drift)
            assert_finite(linked.displacement, linked.displacement_errors, linked.slope, linked.intercept)
        known = FixedAbilities(np.isin(np.arange(data.n_items), items), np.zeros(data.n_items))
        around = attempt(lambda: fit(data, known=known, allow_disconnected=True))
        if around is not None:
            assert_finite(around.theta, around.standard_errors, around.eb_reliability)
            close_calls(around)
            attempt(lambda: scale_correlation(around, around))


@degenerate
@given(
    designs(),
    st.lists(st.integers(0, 4), min_size=0, max_size=9),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, (0.2,) * 5]),
)
def test_grades_are_probabilities_or_there_is_a_reason_why_not(
    data: Comparisons, grades: list[int], variances_only: bool, below: bool, priors: tuple[float, ...] | None
) -> None:
    """Anchors alone, all of one grade, cut off from the essays, in any order: a reason, never an exception."""
    with no_warning():
        found = fitted(data)
        if found is None:
            return
        projection = project_grades(
            theta=found.posterior_mean,
            covariance=found.variances if variances_only else found.covariance,
            anchors=[Anchor(item, grade) for item, grade in enumerate(grades[: data.n_items])],
            scale=ScaleShape(5, has_below_lowest=below, priors=priors),
            seed=1,
            tau=found.tau,
            wins=data.scores,
            draws=20,
        )
        if isinstance(projection, NoProjection):
            assert projection.reason
            return
        assert_finite(projection.probabilities, projection.boundaries, projection.change)
        assert_finite(projection.kendall_tau, projection.change_share, list(projection.displacement.values()))
        assert projection.probabilities.sum(1) == pytest.approx(np.ones(data.n_items))


def test_a_batch_of_anchors_alone_has_no_grades_but_a_reason() -> None:
    generator = np.random.default_rng(1)
    slot_a = np.repeat(np.arange(12), 7)
    slot_b = (slot_a + generator.integers(1, 12, len(slot_a))) % 12
    found = fit(Comparisons.of(12, slot_a, slot_b, slot_a > slot_b))

    projection = project_grades(
        theta=found.posterior_mean,
        covariance=found.covariance,
        anchors=[Anchor(item, item // 2) for item in range(12)],
        scale=ScaleShape(6),
        seed=1,
        tau=found.tau,
    )

    assert isinstance(projection, NoProjection)
    assert "no essays" in projection.reason


def test_anchors_that_were_never_compared_with_the_essays_give_no_grades_but_a_reason() -> None:
    data = Comparisons.of(6, [0, 1, 2, 0, 3, 4, 5], [1, 2, 0, 2, 4, 5, 3], [False] * 7)
    found = fit(data, allow_disconnected=True)

    projection = project_grades(
        theta=found.posterior_mean,
        covariance=found.covariance,
        anchors=[Anchor(0, 0), Anchor(1, 1), Anchor(2, 2)],
        scale=ScaleShape(3),
        seed=1,
        tau=found.tau,
    )

    assert isinstance(projection, NoProjection)
    assert "link the anchors to the essays" in projection.reason
