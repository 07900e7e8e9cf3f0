"""When to stop: every gate is reported as passed, failed or not evaluated; a limit that is reached ends judging.

That nothing changed since the last fit is neither a gate nor a reason: a stable scale may still be wrong.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

MIN_COMPARISONS_WHEN_GRADED = 5
"""Per item: with fewer, how the judge uses its levels is known too little for the reliability to be right."""


class GateStatus(StrEnum):
    """How a gate stands."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not_evaluated"


class StopReason(StrEnum):
    """Why the rule ends judging; a service has more reasons of its own, such as a batch that is cancelled."""

    TARGET_REACHED = "target_reached"
    BUDGET_COMPARISONS = "budget_comparisons"
    BUDGET_COST = "budget_cost"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition of the target, with the value it has and the limit it must keep."""

    name: str
    status: GateStatus
    value: float | None
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopInputs:
    """What the rule looks at; None is a value that is not known yet.

    ``max_position_bias`` bounds |b| in logits; ``comparisons`` counts what was asked and not lost. ``cost`` is what
    is spent or committed, ``next_cost`` what one more comparison may add, both in US dollars.
    ``grade_change_share`` is the expected share of essays whose grade more judging would change: about .4 at a
    reliability of .90 on a scale of eight grades. ``is_graded``: levels count, so that
    ``MIN_COMPARISONS_WHEN_GRADED`` holds at least.
    """

    eb_reliability: float | None
    target_reliability: float
    min_comparisons: int | None
    min_comparisons_per_item: int
    is_connected: bool
    position_bias: float | None
    max_position_bias: float
    comparisons: int
    max_comparisons: int
    cost: Decimal
    next_cost: Decimal
    max_cost: Decimal | None
    now: datetime
    deadline: datetime
    is_graded: bool = False
    grade_change_share: float | None = None
    max_grade_change_share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StopVerdict:
    """Whether to stop, why, and how each gate stands."""

    stop: bool
    reason: StopReason | None
    gates: tuple[Gate, ...]


def evaluate_stop(inputs: StopInputs) -> StopVerdict:
    """Stop when the reliability and every other gate that could be evaluated is passed, or a limit is reached."""
    least = inputs.min_comparisons_per_item
    if inputs.is_graded:
        least = max(least, MIN_COMPARISONS_WHEN_GRADED)
    gates = (
        _at_least("eb_reliability", inputs.eb_reliability, inputs.target_reliability),
        _at_least("comparisons_per_item", inputs.min_comparisons, least),
        _at_least("connected", float(inputs.is_connected), 1.0),
        _at_most(
            "position_bias",
            None if inputs.position_bias is None else abs(inputs.position_bias),
            inputs.max_position_bias,
        ),
        _at_most("grade_change_share", inputs.grade_change_share, inputs.max_grade_change_share),
    )
    reason = _reason(inputs, gates)
    return StopVerdict(stop=reason is not None, reason=reason, gates=gates)


def _reason(inputs: StopInputs, gates: tuple[Gate, ...]) -> StopReason | None:
    reached = gates[0].status is GateStatus.PASSED
    if reached and all(gate.status is not GateStatus.FAILED for gate in gates):
        return StopReason.TARGET_REACHED
    if inputs.now >= inputs.deadline:
        return StopReason.DEADLINE
    if inputs.comparisons >= inputs.max_comparisons:
        return StopReason.BUDGET_COMPARISONS
    if inputs.max_cost is not None and inputs.cost + inputs.next_cost > inputs.max_cost:
        return StopReason.BUDGET_COST
    return None


def _at_least(name: str, value: float | None, limit: float) -> Gate:
    return _gate(name, value, limit, passed=value is not None and value >= limit)


def _at_most(name: str, value: float | None, limit: float) -> Gate:
    return _gate(name, value, limit, passed=value is not None and value <= limit)


def _gate(name: str, value: float | None, limit: float, *, passed: bool) -> Gate:
    status = GateStatus.NOT_EVALUATED if value is None else GateStatus.PASSED if passed else GateStatus.FAILED
    return Gate(name=name, status=status, value=value, limit=limit)
