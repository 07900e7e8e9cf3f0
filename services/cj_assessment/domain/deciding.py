"""What to do next with a batch: one pure function of what is known, so that it may be asked at any time.

Rounds overlap by one: round k+1 is planned as of round k-1, from what became of all comparisons up to there, while
k is being judged. So judges are never idle, and yet the next pairs depend on what was answered only, not on which
answer came first: the same batch with the same answers takes the same course. Where round k-1 says that it is time
to stop, the last answers are waited for, and they have the last word. A few answers that are late for longer than
``DecisionRules.straggler_patience`` are not waited for; they count when they come.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from cj_measurement import Gate, Pair, PairingState, StopInputs, StopVerdict, evaluate_stop, plan_pairs
from event_contracts import (
    ComparisonState,
    ForecastView,
    GateStatus,
    GateView,
    GradeScale,
    JsonObject,
    StopReason,
)

from cj_assessment.domain.batch import Essay, Judge, Limits
from cj_assessment.domain.comparison import Asked, PlannedComparison
from cj_assessment.domain.measuring import (
    Fitted,
    Start,
    among,
    fit_evidence,
    grade_change_share,
    largest_group,
    largest_position_bias,
    least_compared,
    outlook,
    pairing_state,
    position_bias,
    round_seed,
    with_judges,
)

INDULGENCE = 5
OPEN = frozenset({ComparisonState.PENDING, ComparisonState.SUBMITTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a batch has cost and may still cost, in US dollars.

    ``reserved_usd`` is set aside for calls whose answers are outstanding, ``pending_usd`` for comparisons that
    wait to be sent; ``outstanding`` counts calls without an answer, ``answered`` judgements that were paid for.
    """

    cost_usd: Decimal
    reserved_usd: Decimal
    pending_usd: Decimal
    outstanding: int
    answered: int

    @property
    def committed_usd(self) -> Decimal:
        """What the batch will cost at most if nothing more is planned."""
        return self.cost_usd + self.reserved_usd + self.pending_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """What holds for every batch of this installation; an essay is dropped after that many vain comparisons."""

    comparisons_per_essay: int = 30
    min_comparisons_per_essay: int = 4
    straggler_patience: timedelta = timedelta(seconds=20)
    max_failed_share: float = 0.5
    max_position_bias: float = 3.0
    max_grade_change_share: float = 0.5
    drop_after: int = 4


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that a decision depends on; ``essays`` are the usable ones, in the order of their items.

    ``start`` is the fit of the round before, where there is one.
    """

    essays: tuple[Essay, ...]
    asked: Sequence[Asked]
    spending: Spending
    limits: Limits
    judges: tuple[Judge, ...]
    scale: GradeScale | None
    last_round: int
    is_cancelled: bool
    is_overdue: bool
    seed: int
    now: datetime
    rules: DecisionRules
    start: Start | None = None

    @cached_property
    def states(self) -> Counter[str]:
        """Comparisons by state."""
        return Counter(asked.state for asked in self.asked)

    @cached_property
    def judged(self) -> tuple[Asked, ...]:
        """Comparisons with a winner."""
        return tuple(asked for asked in self.asked if asked.state == ComparisonState.JUDGED)

    @property
    def open(self) -> int:
        """Comparisons whose answers may still come."""
        return sum(self.states[state] for state in OPEN)

    @property
    def round_size(self) -> int:
        """Comparisons of one round: every essay takes part once."""
        return max(1, len(self.active) // 2)

    @property
    def only_stragglers_are_open(self) -> bool:
        """True when patience is over and few answers are missing; a judge who is slow with all of them is no reason.

        Without the second condition a slow judge would be sent the whole budget before it has said anything.
        """
        return self.is_overdue and self.open <= max(1, self.round_size // 2)

    @property
    def time_is_over(self) -> bool:
        """True from the batch's deadline on."""
        return self.now >= self.limits.deadline

    @cached_property
    def dropped(self) -> Mapping[str, str]:
        """Essays that no judge will judge, each with the reason: they take no further part."""
        judged = _times(self.asked, ComparisonState.JUDGED)
        failed = _times(self.asked, ComparisonState.FAILED)
        return {
            essay.essay_id: f"none of its {failed[essay.item]} comparisons could be judged"
            for essay in self.essays
            if judged[essay.item] == 0 and failed[essay.item] >= self.rules.drop_after
        }

    @cached_property
    def active(self) -> tuple[Essay, ...]:
        """Essays that take part."""
        return tuple(essay for essay in self.essays if essay.essay_id not in self.dropped)

    @cached_property
    def budget(self) -> int:
        """How many comparisons may be judged."""
        return comparison_budget(self.limits, essays=len(self.essays), rules=self.rules)

    @property
    def asked_and_not_lost(self) -> int:
        """Comparisons that count against the budget: those that failed do not, up to a fifth of the budget.

        Without that end to indulgence a judge who refuses the same pair again and again would be asked for ever.
        """
        return len(self.asked) - min(self.states[ComparisonState.FAILED], self.budget // INDULGENCE)

    @property
    def next_cost_usd(self) -> Decimal:
        """What one more comparison may cost at most, whichever judge gets it."""
        return max((judge.cap_usd or Decimal(0) for judge in self.judges), default=Decimal(0))

    @property
    def typical_cost_usd(self) -> Decimal | None:
        """What a comparison costs: as paid so far, else as expected of the judges; None without known prices."""
        if any(judge.expected_cost_usd is None for judge in self.judges):
            return None
        if self.spending.answered > 0:
            return self.spending.cost_usd / self.spending.answered
        return sum(
            (
                Decimal(judge.share) * judge.expected_cost_usd
                for judge in self.judges
                if judge.expected_cost_usd
            ),
            Decimal(0),
        )

    @property
    def is_stuck(self) -> bool:
        """True when comparisons wait to be sent and there is no money to send one.

        Told from what was read of the money alone, at one moment: the comparisons were read at another.
        """
        spending, cap = self.spending, self.limits.max_cost_usd
        if cap is None or spending.outstanding > 0 or spending.pending_usd == 0:
            return False
        return spending.cost_usd + spending.reserved_usd + self.next_cost_usd > cap


def _times(asked: Sequence[Asked], state: ComparisonState) -> Counter[int]:
    return Counter(item for pair in asked if pair.state == state for item in (pair.slot_a, pair.slot_b))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A fit as it is kept: abilities and errors in logits by ranked essay, how the gates stand, and an outlook.

    There is no outlook on a batch that has ended.
    """

    comparisons: int
    theta: tuple[float, ...]
    standard_error: tuple[float, ...]
    tau: float
    eb_reliability: float
    ssr: float | None
    ssr_prime: float | None
    position_bias: JsonObject
    gates: Mapping[str, GateView]
    forecast: ForecastView | None = None


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


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Essays on one scale, in the order of ``fitted``, and the comparisons that put them there."""

    essays: tuple[Essay, ...]
    evidence: tuple[Asked, ...]
    fitted: Fitted
    measured: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Judging is over: grade and publish. Without a ranking there was nothing to compare.

    ``unranked`` says of every essay that was judged in vain why it has no rank.
    """

    reason: StopReason
    ranking: Ranking | None
    unranked: Mapping[str, str]


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
    early = _nothing_to_compare(snapshot) or _too_many_failures(snapshot) or _still_awaited(snapshot)
    if early is not None:
        return early
    return _decide_on(snapshot)


def _nothing_to_compare(snapshot: Snapshot) -> Finish | None:
    if len(snapshot.essays) >= 2:
        return None
    reason = "there is no other essay and no anchor to compare it with"
    return Finish(
        reason=StopReason.EXHAUSTED,
        ranking=None,
        unranked={essay.essay_id: reason for essay in snapshot.essays},
    )


def _too_many_failures(snapshot: Snapshot) -> Fail | None:
    failed = snapshot.states[ComparisonState.FAILED]
    settled = failed + snapshot.states[ComparisonState.JUDGED]
    if settled < len(snapshot.essays) or failed <= snapshot.rules.max_failed_share * settled:
        return None
    return Fail(
        reason=StopReason.FAILED,
        message=f"{failed} of {settled} comparisons could not be judged; {_commonest_error(snapshot)}",
    )


def _commonest_error(snapshot: Snapshot) -> str:
    codes = Counter(asked.error_code for asked in snapshot.asked if asked.error_code is not None)
    code, times = codes.most_common(1)[0] if codes else ("no reason is on record", 0)
    return f"most often ({times}): {code}"


def _still_awaited(snapshot: Snapshot) -> Wait | None:
    """Wait while a round before the last one has open comparisons, unless its time is over."""
    if _must_say_now(snapshot):
        return None
    awaited = snapshot.last_round - 1
    if any(asked.state in OPEN and asked.round <= awaited for asked in snapshot.asked):
        return Wait(due_round=awaited, check_at=_patience_ends(snapshot))
    return None


def _patience_ends(snapshot: Snapshot) -> datetime:
    return min(snapshot.now + snapshot.rules.straggler_patience, snapshot.limits.deadline)


def _decide_on(snapshot: Snapshot) -> Decision:
    if not _must_say_now(snapshot):
        decision = _go_on(as_of(snapshot, round_number=snapshot.last_round - 1))
        if decision is not None:
            return decision
        if snapshot.open:
            # What is being judged is paid for: it counts before the last word is said.
            return Wait(due_round=snapshot.last_round, check_at=_patience_ends(snapshot))
    return _go_on(snapshot) or _finish(snapshot)


def _must_say_now(snapshot: Snapshot) -> bool:
    return snapshot.only_stragglers_are_open or snapshot.time_is_over or snapshot.is_stuck


def as_of(snapshot: Snapshot, *, round_number: int) -> Snapshot:
    """What was known when that round and those before it were settled, and nothing later."""
    return replace(
        snapshot,
        asked=tuple(
            asked
            if asked.round <= round_number
            else asked._replace(state=ComparisonState.SUBMITTED, a_won=None, judge=None, error_code=None)
            for asked in snapshot.asked
        ),
    )


def _go_on(snapshot: Snapshot) -> JudgeMore | None:
    """The next round; None where it is time to stop, or where nothing is left to ask or to pay with."""
    fitted = fit_evidence(snapshot.active, snapshot.judged, start=snapshot.start)
    verdict = _verdict(snapshot, fitted)
    if verdict.stop or snapshot.is_stuck or len(snapshot.active) < 2:
        return None
    state = pairing_state(snapshot.active, snapshot.asked, fitted)
    planned = _next_round(snapshot, state)
    if not planned:
        return None
    measured = None
    if fitted is not None:
        measured = replace(
            _measured(fitted, snapshot.judged, verdict), forecast=_forecast(snapshot, state, planned)
        )
    pairs = with_judges(planned, snapshot.active, snapshot.asked, judges=snapshot.judges)
    return JudgeMore(pairs=pairs, measured=measured, check_at=_patience_ends(snapshot))


def _finish(snapshot: Snapshot) -> Finish | Fail:
    """Rank all essays that the comparisons link to each other, and name the others."""
    linked, evidence = snapshot.active, snapshot.judged
    if not evidence:
        return _fail_without_evidence(snapshot)
    fitted = fit_evidence(linked, evidence, start=snapshot.start)
    verdict = _verdict(snapshot, fitted)
    if fitted is None:
        linked = largest_group(linked, evidence)
        evidence = among(linked, evidence)
        fitted = fit_evidence(linked, evidence)
    assert fitted is not None, "two essays that were compared are linked"
    measured = _measured(fitted, evidence, verdict)
    return Finish(
        reason=StopReason.BUDGET_COST if snapshot.is_stuck else StopReason(verdict.reason or "exhausted"),
        ranking=Ranking(essays=linked, evidence=evidence, fitted=fitted, measured=measured),
        unranked={**snapshot.dropped, **_apart(snapshot.active, linked)},
    )


def _fail_without_evidence(snapshot: Snapshot) -> Fail:
    each, cap = snapshot.next_cost_usd, snapshot.limits.max_cost_usd
    if cap is not None and cap < each:
        return Fail(
            reason=StopReason.BUDGET_COST,
            message=f"max_cost_usd of {cap} does not pay for one comparison, which may cost up to {each}: raise it",
        )
    return Fail(
        reason=StopReason.FAILED,
        message=f"no ranking: no two essays were compared; {_commonest_error(snapshot)}",
    )


def _apart(active: Sequence[Essay], linked: Sequence[Essay]) -> dict[str, str]:
    inside = {essay.item for essay in linked}
    reason = "too few of its comparisons were judged to link it to the others"
    return {essay.essay_id: reason for essay in active if essay.item not in inside}


def _forecast(snapshot: Snapshot, state: PairingState, planned: Sequence[Pair]) -> ForecastView:
    return outlook(
        state,
        planned,
        target_reliability=snapshot.limits.target_reliability,
        cost_usd=snapshot.typical_cost_usd,
    )


def _verdict(snapshot: Snapshot, fitted: Fitted | None) -> StopVerdict:
    limits, rules, evidence = snapshot.limits, snapshot.rules, snapshot.judged
    return evaluate_stop(
        StopInputs(
            eb_reliability=None if fitted is None else fitted.fit.eb_reliability,
            target_reliability=limits.target_reliability,
            least_compared=least_compared(snapshot.active, evidence) if evidence else None,
            min_comparisons_per_item=rules.min_comparisons_per_essay,
            is_connected=fitted is not None,
            position_bias=None if fitted is None else largest_position_bias(fitted),
            max_position_bias=rules.max_position_bias,
            comparisons=snapshot.asked_and_not_lost,
            max_comparisons=snapshot.budget,
            cost=snapshot.spending.committed_usd,
            next_cost=snapshot.next_cost_usd,
            max_cost=limits.max_cost_usd,
            now=snapshot.now,
            deadline=limits.deadline,
            grade_change_share=_grade_change_share(snapshot, fitted),
            max_grade_change_share=rules.max_grade_change_share,
        )
    )


def _grade_change_share(snapshot: Snapshot, fitted: Fitted | None) -> float | None:
    """Asked for once the reliability is reached: before that it decides nothing."""
    if fitted is None or fitted.fit.eb_reliability < snapshot.limits.target_reliability:
        return None
    return grade_change_share(snapshot.active, fitted=fitted, scale=snapshot.scale, seed=snapshot.seed)


def _measured(fitted: Fitted, evidence: Sequence[Asked], verdict: StopVerdict) -> Measured:
    return Measured(
        comparisons=len(evidence),
        theta=tuple(float(ability) for ability in fitted.fit.theta),
        standard_error=tuple(float(error) for error in fitted.fit.standard_errors),
        tau=fitted.fit.tau,
        eb_reliability=fitted.fit.eb_reliability,
        ssr=fitted.classical.ssr if fitted.classical else None,
        ssr_prime=fitted.classical.ssr_prime if fitted.classical else None,
        position_bias=position_bias(fitted),
        gates={gate.name: _gate(gate) for gate in verdict.gates},
    )


def _gate(gate: Gate) -> GateView:
    return GateView(status=GateStatus(gate.status), value=gate.value, limit=gate.limit)


def _next_round(snapshot: Snapshot, state: PairingState) -> tuple[Pair, ...]:
    """Half as many pairs as essays (at first twice that), as far as the budgets go."""
    wanted = len(snapshot.active) if snapshot.last_round == 0 else snapshot.round_size
    seed = round_seed(snapshot.seed, snapshot.last_round + 1)
    return plan_pairs(state, count=min(wanted, _affordable(snapshot)), seed=seed)


def _affordable(snapshot: Snapshot) -> int:
    """How many more comparisons the budgets allow."""
    left = snapshot.budget - snapshot.asked_and_not_lost
    each = snapshot.next_cost_usd
    if snapshot.limits.max_cost_usd is None or each == 0:
        return left
    money = snapshot.limits.max_cost_usd - snapshot.spending.committed_usd
    return min(left, int(money / each))
