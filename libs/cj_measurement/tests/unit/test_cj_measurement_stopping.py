"""Stopping: every gate says how it stands, a reason is one of four, and there is always an answer."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cj_measurement import GateStatus, StopInputs, StopReason, evaluate_stop
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GOOD = StopInputs(
    eb_reliability=0.93,
    target_reliability=0.90,
    min_comparisons=12,
    min_comparisons_per_item=4,
    is_connected=True,
    position_bias=-0.4,
    max_position_bias=3.0,
    comparisons=300,
    max_comparisons=1000,
    cost=Decimal("1.00"),
    next_cost=Decimal("0.01"),
    max_cost=Decimal("5.00"),
    now=NOW,
    deadline=NOW + timedelta(hours=1),
    grade_change_share=0.4,
)
NOT_THERE = replace(GOOD, eb_reliability=0.80)

shares = st.none() | st.floats(0, 1)
inputs = st.builds(
    StopInputs,
    eb_reliability=shares,
    target_reliability=st.floats(0, 1),
    min_comparisons=st.none() | st.integers(0, 50),
    min_comparisons_per_item=st.integers(0, 10),
    is_connected=st.booleans(),
    position_bias=st.none() | st.floats(-10, 10),
    max_position_bias=st.floats(0, 5),
    comparisons=st.integers(0, 1000),
    max_comparisons=st.integers(0, 1000),
    cost=st.decimals(0, 10, places=2),
    next_cost=st.decimals(0, 1, places=2),
    max_cost=st.none() | st.decimals(0, 10, places=2),
    now=st.datetimes(timezones=st.just(UTC)),
    deadline=st.datetimes(timezones=st.just(UTC)),
    grade_change_share=shares,
)


def status(verdict_inputs: StopInputs, name: str) -> GateStatus:
    return {gate.name: gate.status for gate in evaluate_stop(verdict_inputs).gates}[name]


def test_judging_stops_when_the_target_is_reached_and_no_gate_fails() -> None:
    verdict = evaluate_stop(GOOD)

    assert verdict.stop
    assert verdict.reason is StopReason.TARGET_REACHED
    assert {gate.status for gate in verdict.gates} == {GateStatus.PASSED}


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        (replace(GOOD, eb_reliability=0.89), "eb_reliability"),
        (replace(GOOD, eb_reliability=math.nan), "eb_reliability"),
        (replace(GOOD, min_comparisons=3), "comparisons_per_item"),
        (replace(GOOD, is_connected=False), "connected"),
        (replace(GOOD, position_bias=-3.2), "position_bias"),
        (replace(GOOD, position_bias=3.2), "position_bias"),
        (replace(GOOD, grade_change_share=0.51), "grade_change_share"),
    ],
)
def test_one_failed_gate_keeps_judging_going(changed: StopInputs, gate: str) -> None:
    verdict = evaluate_stop(changed)

    assert not verdict.stop
    assert verdict.reason is None
    assert status(changed, gate) is GateStatus.FAILED


@pytest.mark.parametrize(
    ("unknown", "gate"),
    [
        (replace(GOOD, eb_reliability=None), "eb_reliability"),
        (replace(GOOD, min_comparisons=None), "comparisons_per_item"),
        (replace(GOOD, position_bias=None), "position_bias"),
        (replace(GOOD, grade_change_share=None), "grade_change_share"),
    ],
)
def test_what_is_not_known_is_not_evaluated(unknown: StopInputs, gate: str) -> None:
    assert status(unknown, gate) is GateStatus.NOT_EVALUATED


def test_a_batch_without_grades_may_reach_its_target() -> None:
    assert evaluate_stop(replace(GOOD, grade_change_share=None)).reason is StopReason.TARGET_REACHED


def test_an_unknown_reliability_does_not_count_as_reached() -> None:
    assert not evaluate_stop(replace(GOOD, eb_reliability=None)).stop


def test_each_gate_is_reported_with_its_value_and_limit() -> None:
    gates = {gate.name: (gate.value, gate.limit) for gate in evaluate_stop(GOOD).gates}

    assert gates == {
        "eb_reliability": (0.93, 0.90),
        "comparisons_per_item": (12, 4),
        "connected": (1.0, 1.0),
        "position_bias": (0.4, 3.0),
        "grade_change_share": (0.4, 0.5),
    }


@pytest.mark.parametrize(
    ("at_the_limit", "reason"),
    [
        (replace(NOT_THERE, comparisons=1000), StopReason.BUDGET_COMPARISONS),
        (replace(NOT_THERE, cost=Decimal("4.995")), StopReason.BUDGET_COST),
        (replace(NOT_THERE, now=NOW + timedelta(hours=1)), StopReason.DEADLINE),
    ],
)
def test_a_limit_that_is_reached_ends_judging(at_the_limit: StopInputs, reason: StopReason) -> None:
    assert evaluate_stop(at_the_limit).reason is reason


def test_the_last_dollar_may_be_spent() -> None:
    assert evaluate_stop(replace(NOT_THERE, cost=Decimal("4.99"))).reason is None
    assert evaluate_stop(replace(NOT_THERE, max_cost=None, cost=Decimal("1000"))).reason is None


def test_a_target_reached_at_a_limit_is_a_target_reached() -> None:
    assert evaluate_stop(replace(GOOD, comparisons=1000)).reason is StopReason.TARGET_REACHED


def test_unchanged_input_is_not_a_reason_to_stop() -> None:
    assert [evaluate_stop(NOT_THERE).reason for _ in range(3)] == [None] * 3


@given(inputs)
def test_there_is_always_an_answer_and_the_same_one(what_is_known: StopInputs) -> None:
    verdict = evaluate_stop(what_is_known)

    assert verdict == evaluate_stop(what_is_known)
    assert verdict.stop == (verdict.reason is not None)
    assert len(verdict.gates) == 5


@given(inputs)
def test_a_target_is_only_reached_by_reliability_with_no_gate_failed(what_is_known: StopInputs) -> None:
    verdict = evaluate_stop(what_is_known)

    failed = any(gate.status is GateStatus.FAILED for gate in verdict.gates)
    reached = verdict.gates[0].status is GateStatus.PASSED and not failed
    assert (verdict.reason is StopReason.TARGET_REACHED) == reached


@given(
    inputs, st.integers(0, 500), st.decimals(0, 5, places=2), st.timedeltas(timedelta(0), timedelta(days=9))
)
def test_a_limit_that_is_reached_stays_reached(
    what_is_known: StopInputs, more: int, dollars: Decimal, later: timedelta
) -> None:
    if not evaluate_stop(what_is_known).stop or what_is_known.now > datetime(9000, 1, 1, tzinfo=UTC):
        return

    further = replace(
        what_is_known,
        comparisons=what_is_known.comparisons + more,
        cost=what_is_known.cost + dollars,
        now=what_is_known.now + later,
    )

    assert evaluate_stop(further).stop


def test_five_comparisons_an_essay_are_wanted_where_levels_count() -> None:
    four = replace(GOOD, min_comparisons=4)

    assert evaluate_stop(four).reason is StopReason.TARGET_REACHED
    assert evaluate_stop(replace(four, is_graded=True)).reason is None
    assert evaluate_stop(replace(four, is_graded=True, min_comparisons=5)).reason is StopReason.TARGET_REACHED
    assert status(replace(GOOD, is_graded=True, min_comparisons_per_item=20), "comparisons_per_item") is (
        GateStatus.FAILED
    )
