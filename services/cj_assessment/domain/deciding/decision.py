"""What to do next with a batch: one pure function of what is known, so that it may be asked at any time.

Rounds overlap by one: round k+1 is planned as of round k-1, from all comparisons that were settled by then, while k
is being judged. So judges are never idle, and yet the next pairs depend only on the answers, not on the order in
which they came: the same batch with the same answers takes the same course. Where round k-1 says that it is time to
stop, the open answers are waited for, and the decision is taken on all of them. A few answers that are late for
longer than ``DecisionRules.straggler_timeout`` are not waited for; they count when they come.

Judges that state margins are asked in few large rounds instead, planned from all answers that are there: which pairs
are asked hardly matters to them. The next round waits for six answers in seven, and for the last ones a little longer
than an answer usually takes.

A relaxed batch is judged through the vendors' batch APIs, which take up to a day for any number of pairs: it has three
rounds at most, and each waits for every answer of the one before it.

Every snapshot has a decision: what the measurement cannot compute is a reason in it, never an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from event_contracts import ErrorCode, StopReason

from cj_assessment.domain.comparison import PlannedComparison
from cj_assessment.domain.deciding.budget import is_budget_exhausted, next_cost_usd
from cj_assessment.domain.deciding.evidence import Evidence, Measured, Plan, Ranking
from cj_assessment.domain.deciding.participation import has_open_student_comparison
from cj_assessment.domain.deciding.problems import (
    FailureScope,
    JudgingFailure,
    most_common_failure,
    stopping_problem,
)
from cj_assessment.domain.deciding.snapshot import OPEN, Snapshot
from cj_assessment.domain.measuring import NoFit

UNLINKED: Final = "too few of its comparisons were judged to link it to the others"
_ESSAYS_NAMED: Final = 10
_LATE_SHARE: Final = 0.15
"""Of all comparisons: if at most this share is late, the next large round does not wait for it."""
_CLOSE_SHARE: Final = 0.35
"""Of all comparisons: if at most this share is late, re-check soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Decide again when rounds up to ``awaited_round`` are settled, at the latest at ``next_check_at``."""

    awaited_round: int
    next_check_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeMore:
    """Have these pairs judged as the next round."""

    pairs: tuple[PlannedComparison, ...]
    measured: Measured | None
    next_check_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Judging is over: publish. Without a ranking there was nothing to compare.

    ``measured`` is the ranking as it is kept. ``unranked`` says of every usable essay without a rank why it has none.
    ``problem`` says in words what kept judging from continuing, where something did.
    """

    reason: StopReason
    ranking: Ranking | None
    measured: Measured | None
    unranked: Mapping[str, str]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """There is no ranking to publish; ``message`` says why and what to do, ``code`` goes onto the wire."""

    reason: StopReason
    message: str
    code: ErrorCode = ErrorCode.CJ_ASSESSMENT_SERVICE_ERROR
    problem: JudgingFailure | None = None


Decision = Wait | JudgeMore | Finish | Fail


def decide(snapshot: Snapshot) -> Decision:
    """What to do now; the same snapshot always gets the same decision. Never raises."""
    evidence = Evidence(snapshot=snapshot)
    problem = stopping_problem(snapshot.asked, snapshot.judges, batch_wide=snapshot.batch_wide_codes)
    return (
        _nothing_to_compare(snapshot)
        or _fail_if_unrecoverable(snapshot, problem)
        or _no_student_left(evidence)
        or _rounds_awaited(evidence)
        or _continue_or_finish(evidence, problem)
    )


def _nothing_to_compare(snapshot: Snapshot) -> Finish | Fail | None:
    if all(essay.is_anchor for essay in snapshot.essays):
        return Fail(reason=StopReason.FAILED, message="no student's essay can be judged")
    if len(snapshot.essays) >= 2:
        return None
    reason = "there is no other essay and no anchor to compare it with"
    return Finish(
        reason=StopReason.EXHAUSTED,
        ranking=None,
        measured=None,
        unranked={essay.essay_id: reason for essay in snapshot.essays},
    )


def _fail_if_unrecoverable(snapshot: Snapshot, problem: JudgingFailure | None) -> Fail | None:
    """Fail when every further comparison would fail as well, or when too large a share has failed."""
    if problem is not None and problem.scope is FailureScope.BATCH and not snapshot.judged:
        return _fail(f"judging was stopped: {problem.words}", problem)
    failed, settled = snapshot.failed, snapshot.failed + len(snapshot.judged)
    if settled < len(snapshot.essays) or failed <= snapshot.rules.max_failed_share * settled:
        return None
    return _fail_with_most_common_cause(snapshot, f"{failed} of {settled} comparisons could not be judged")


def _no_student_left(evidence: Evidence) -> Wait | Fail | None:
    """End a batch in which only anchors take part, as soon as no answer on a student's essay can still come."""
    snapshot, takes_part = evidence.snapshot, evidence.participation
    if takes_part.has_students:
        return None
    if has_open_student_comparison(snapshot) and not _stop_waiting(evidence):
        return Wait(awaited_round=snapshot.last_round, next_check_at=snapshot.straggler_deadline)
    students = [essay.essay_id for essay in snapshot.essays if not essay.is_anchor]
    named = "; ".join(f"{name}: {takes_part.excluded[name]}" for name in students[:_ESSAYS_NAMED])
    more = f"; and {len(students) - _ESSAYS_NAMED} more" if len(students) > _ESSAYS_NAMED else ""
    return _fail_with_most_common_cause(snapshot, f"no student's essay could be judged ({named}{more})")


def _rounds_awaited(evidence: Evidence) -> Wait | None:
    """Wait while a round before the last one has open comparisons, unless its time is over.

    For judges that state margins, wait for every round, since rounds are few and large, but not for the last answers
    of each.
    """
    snapshot = evidence.snapshot
    if _stop_waiting(evidence):
        return None
    awaited = snapshot.last_round - (0 if snapshot.has_few_rounds else 1)
    open_count = sum(pair.state in OPEN and pair.round <= awaited for pair in snapshot.asked)
    is_late = snapshot.is_graded and snapshot.is_overdue and not snapshot.is_relaxed
    if open_count == 0 or (is_late and _few_are_late(snapshot, open_count)):
        return None
    is_close = is_late and open_count <= _CLOSE_SHARE * len(snapshot.asked)
    return Wait(
        awaited_round=awaited,
        next_check_at=snapshot.early_check_at if is_close else snapshot.straggler_deadline,
    )


def _few_are_late(snapshot: Snapshot, open_count: int) -> bool:
    return open_count <= _LATE_SHARE * len(snapshot.asked)


def _continue_or_finish(evidence: Evidence, problem: JudgingFailure | None) -> Decision:
    """Judge another round where the evidence of the settled rounds, or then of all answers, has a plan for one."""
    snapshot = evidence.snapshot
    if not _stop_waiting(evidence):
        settled = (
            evidence
            if snapshot.has_few_rounds
            else Evidence(snapshot=snapshot.as_of(snapshot.last_round - 1))
        )
        if problem is None and isinstance(settled.plan, Plan):
            return JudgeMore(
                pairs=settled.plan.pairs,
                measured=settled.measured_with_forecast,
                next_check_at=snapshot.straggler_deadline,
            )
        if snapshot.open:
            # What is being judged is paid for: it counts before judging ends.
            return Wait(awaited_round=snapshot.last_round, next_check_at=snapshot.straggler_deadline)
        evidence = settled if snapshot.has_few_rounds else replace(evidence, earlier=settled)
    if problem is None and isinstance(evidence.plan, Plan):
        return JudgeMore(
            pairs=evidence.plan.pairs,
            measured=evidence.measured_with_forecast,
            next_check_at=snapshot.straggler_deadline,
        )
    return _end(evidence, problem)


def _stop_waiting(evidence: Evidence) -> bool:
    snapshot = evidence.snapshot
    return _only_stragglers_are_open(evidence) or snapshot.is_past_deadline or is_budget_exhausted(snapshot)


def _only_stragglers_are_open(evidence: Evidence) -> bool:
    """True when the straggler timeout has passed and few answers are missing; a generally slow judge is not enough.

    Without the second condition a slow judge would be sent the whole budget before it has answered once.
    """
    snapshot = evidence.snapshot
    return (
        not snapshot.is_relaxed
        and snapshot.straggler_timeout_passed
        and snapshot.open <= max(1, evidence.participation.round_size // 2)
    )


def _end(evidence: Evidence, problem: JudgingFailure | None) -> Finish | Fail:
    """Rank all essays that the comparisons link to each other, and name the others."""
    snapshot, ranking = evidence.snapshot, evidence.final_ranking
    if isinstance(ranking, NoFit):
        return _fail_without_ranking(snapshot, ranking, problem)
    gone, reached = is_budget_exhausted(snapshot), evidence.verdict.reason
    unplanned = None if isinstance(evidence.plan, Plan) else evidence.plan.error
    return Finish(
        reason=StopReason.BUDGET_COST if gone else StopReason(reached or StopReason.EXHAUSTED),
        ranking=ranking,
        measured=evidence.measured(ranking),
        unranked={**evidence.participation.excluded, **_unlinked(evidence, ranking)},
        problem=unplanned if problem is None else problem.words,
    )


def _unlinked(evidence: Evidence, ranking: Ranking) -> dict[str, str]:
    ranked = {essay.item for essay in ranking.essays}
    return {essay.essay_id: UNLINKED for essay in evidence.participation.essays if essay.item not in ranked}


def _fail_without_ranking(snapshot: Snapshot, no_fit: NoFit, problem: JudgingFailure | None) -> Fail:
    if not no_fit.reason.more_comparisons_help:
        return Fail(
            reason=StopReason.FAILED,
            message=f"no scores could be computed from {len(snapshot.judged)} comparisons: {no_fit.message}",
            code=ErrorCode.CJ_SCORE_CONVERGENCE_FAILED,
        )
    each, cap = next_cost_usd(snapshot), snapshot.limits.max_cost_usd
    if cap is not None and cap < each:
        return Fail(
            reason=StopReason.BUDGET_COST,
            message=f"max_cost_usd of {cap} does not cover one comparison, which may cost up to {each}: raise it",
        )
    if problem is not None:
        return _fail(f"judging was stopped: {problem.words}", problem)
    return _fail_with_most_common_cause(snapshot, f"no ranking: {no_fit.message}")


def _fail_with_most_common_cause(snapshot: Snapshot, what: str) -> Fail:
    """Fail with what happened and, where comparisons failed, with their most frequent reason."""
    problem = most_common_failure(snapshot.asked, snapshot.judges)
    return _fail(what if problem is None else f"{what}; {problem.words}", problem)


def _fail(message: str, problem: JudgingFailure | None) -> Fail:
    return Fail(reason=StopReason.FAILED, message=message, problem=problem)
