"""What to do next with a batch: one pure function of what is known, so that it may be asked at any time.

Rounds overlap by one: round k+1 is planned from all answers of rounds up to k-1, while k is being judged. So
judges are never idle, and yet the next pairs depend on what was answered only, not on which answer came first:
the same batch with the same answers takes the same course. A round whose last answers are late for longer than
``DecisionRules.straggler_patience`` is planned without them; they count when they come.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cj_measurement import Gate, StopInputs, StopVerdict, evaluate_stop
from event_contracts import ComparisonState, JsonObject, StopReason

from cj_assessment.domain.batch import Essay, Limits
from cj_assessment.domain.comparison import Asked, PlannedComparison
from cj_assessment.domain.measuring import (
    Fitted,
    fit_evidence,
    largest_position_bias,
    least_compared,
    plan_round,
    position_bias,
    round_seed,
)

OPEN = frozenset({ComparisonState.PENDING, ComparisonState.SUBMITTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a batch has cost (US dollars): for how many answers, and how many more are outstanding."""

    cost_usd: Decimal
    answered: int
    outstanding: int

    def per_comparison(self, estimate: Decimal) -> Decimal:
        """What the next comparison is expected to cost: the mean so far, before that the estimate."""
        return self.cost_usd / self.answered if self.answered else estimate

    def committed(self, estimate: Decimal) -> Decimal:
        """What is spent, and what the outstanding answers are expected to add."""
        return self.cost_usd + self.outstanding * self.per_comparison(estimate)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """What holds for every batch of this installation."""

    comparisons_per_essay: int = 30
    min_comparisons_per_essay: int = 4
    straggler_patience: timedelta = timedelta(seconds=60)
    max_failed_share: float = 0.5
    max_position_bias: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a decision depends on; ``essays`` are the usable ones, in the order of their items."""

    essays: tuple[Essay, ...]
    asked: Sequence[Asked]
    spending: Spending
    limits: Limits
    estimated_cost_usd: Decimal
    last_round: int
    is_cancelled: bool
    is_overdue: bool
    seed: int
    now: datetime
    rules: DecisionRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A fit as it is kept: abilities and errors in logits by usable essay, and how the gates stand."""

    comparisons: int
    theta: tuple[float, ...]
    standard_error: tuple[float, ...]
    tau: float
    eb_reliability: float
    ssr: float
    position_bias: JsonObject
    gates: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Look again when rounds up to ``due_round`` are settled, at the latest at ``check_at``."""

    due_round: int
    check_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeMore:
    """Have these pairs judged as the next round."""

    pairs: tuple[PlannedComparison, ...]
    measured: Measured | None
    check_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Judging is over: grade and publish."""

    reason: StopReason
    measured: Measured
    fitted: Fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """There is no ranking to publish."""

    reason: StopReason
    message: str


Decision = Wait | JudgeMore | Finish | Fail


def comparison_budget(limits: Limits, *, essays: int, rules: DecisionRules) -> int:
    """How many comparisons may be judged: what the request says, else this installation's share an essay."""
    if limits.max_comparisons is not None:
        return limits.max_comparisons
    return max(1, rules.comparisons_per_essay * essays // 2)


def decide(snapshot: Snapshot) -> Decision:
    """What to do now; asked twice of the same snapshot it says the same twice."""
    if snapshot.is_cancelled:
        return Fail(reason=StopReason.CANCELLED, message="the batch was cancelled")
    early = _too_many_failures(snapshot) or _still_awaited(snapshot)
    if early is not None:
        return early
    return _decide_on(snapshot, _evidence(snapshot))


def _too_many_failures(snapshot: Snapshot) -> Fail | None:
    states = Counter(asked.state for asked in snapshot.asked)
    failed, judged = states[ComparisonState.FAILED], states[ComparisonState.JUDGED]
    if failed + judged < len(snapshot.essays) or failed <= snapshot.rules.max_failed_share * (
        failed + judged
    ):
        return None
    return Fail(
        reason=StopReason.FAILED,
        message=f"{failed} of {failed + judged} comparisons could not be judged: see their error codes",
    )


def _still_awaited(snapshot: Snapshot) -> Wait | None:
    """Wait while a round before the last one has open comparisons, unless its time is over."""
    if snapshot.is_overdue or snapshot.now >= snapshot.limits.deadline:
        return None
    awaited = snapshot.last_round - 1
    if any(asked.state in OPEN and asked.round <= awaited for asked in snapshot.asked):
        return Wait(due_round=awaited, check_at=_patience_ends(snapshot))
    return None


def _patience_ends(snapshot: Snapshot) -> datetime:
    return min(snapshot.now + snapshot.rules.straggler_patience, snapshot.limits.deadline)


def _open(snapshot: Snapshot) -> int:
    return sum(asked.state in OPEN for asked in snapshot.asked)


def _evidence(snapshot: Snapshot) -> list[Asked]:
    """The answers that this decision may depend on: all, or those before the round still being judged."""
    everything = _open(snapshot) == 0 or snapshot.is_overdue
    last = snapshot.last_round if everything else snapshot.last_round - 1
    return [
        asked for asked in snapshot.asked if asked.state == ComparisonState.JUDGED and asked.round <= last
    ]


def _decide_on(snapshot: Snapshot, evidence: Sequence[Asked]) -> Decision:
    fitted = fit_evidence(snapshot.essays, evidence) if evidence else None
    verdict = evaluate_stop(_stop_inputs(snapshot, evidence, fitted))
    measured = None if fitted is None else _measured(fitted, evidence, verdict)
    if not verdict.stop:
        pairs = _next_round(snapshot, fitted)
        if pairs:
            return JudgeMore(pairs=pairs, measured=measured, check_at=_patience_ends(snapshot))
    if _open(snapshot) and not snapshot.is_overdue and snapshot.now < snapshot.limits.deadline:
        # What is being judged is paid for: it counts before the last word is said.
        return Wait(due_round=snapshot.last_round, check_at=_patience_ends(snapshot))
    if fitted is None or measured is None:
        return Fail(
            reason=StopReason.FAILED,
            message="no ranking: too few comparisons were judged to link all essays to each other",
        )
    return Finish(reason=StopReason(verdict.reason or StopReason.EXHAUSTED), measured=measured, fitted=fitted)


def _stop_inputs(snapshot: Snapshot, evidence: Sequence[Asked], fitted: Fitted | None) -> StopInputs:
    limits, rules, spending = snapshot.limits, snapshot.rules, snapshot.spending
    return StopInputs(
        eb_reliability=None if fitted is None else fitted.fit.eb_reliability,
        target_reliability=limits.target_reliability,
        least_compared=least_compared(snapshot.essays, evidence) if evidence else None,
        min_comparisons_per_item=rules.min_comparisons_per_essay,
        is_connected=fitted is not None,
        position_bias=None if fitted is None else largest_position_bias(fitted),
        max_position_bias=rules.max_position_bias,
        comparisons=_asked_and_not_lost(snapshot),
        max_comparisons=_budget(snapshot),
        cost=spending.committed(snapshot.estimated_cost_usd),
        next_cost=spending.per_comparison(snapshot.estimated_cost_usd),
        max_cost=limits.max_cost_usd,
        now=snapshot.now,
        deadline=limits.deadline,
    )


def _measured(fitted: Fitted, evidence: Sequence[Asked], verdict: StopVerdict) -> Measured:
    return Measured(
        comparisons=len(evidence),
        theta=tuple(float(ability) for ability in fitted.fit.theta),
        standard_error=tuple(float(error) for error in fitted.fit.standard_errors),
        tau=fitted.fit.tau,
        eb_reliability=fitted.fit.eb_reliability,
        ssr=fitted.ssr,
        position_bias=position_bias(fitted),
        gates={gate.name: _gate(gate) for gate in verdict.gates},
    )


def _gate(gate: Gate) -> JsonObject:
    return {"status": gate.status, "value": gate.value, "limit": gate.limit}


def _next_round(snapshot: Snapshot, fitted: Fitted | None) -> tuple[PlannedComparison, ...]:
    """Half as many pairs as essays (at first twice that), as far as the budgets go."""
    essays = len(snapshot.essays)
    wanted = essays if snapshot.last_round == 0 else max(1, essays // 2)
    count = min(wanted, _affordable(snapshot))
    if count <= 0:
        return ()
    seed = round_seed(snapshot.seed, snapshot.last_round + 1)
    return plan_round(snapshot.essays, snapshot.asked, fitted, count=count, seed=seed)


def _budget(snapshot: Snapshot) -> int:
    return comparison_budget(snapshot.limits, essays=len(snapshot.essays), rules=snapshot.rules)


def _asked_and_not_lost(snapshot: Snapshot) -> int:
    return sum(asked.state != ComparisonState.FAILED for asked in snapshot.asked)


def _affordable(snapshot: Snapshot) -> int:
    """How many more comparisons the budgets allow."""
    left = _budget(snapshot) - _asked_and_not_lost(snapshot)
    each = snapshot.spending.per_comparison(snapshot.estimated_cost_usd)
    if snapshot.limits.max_cost_usd is None or each == 0:
        return left
    money = snapshot.limits.max_cost_usd - snapshot.spending.committed(snapshot.estimated_cost_usd)
    return min(left, int(money / each))
