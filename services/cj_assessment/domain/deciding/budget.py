"""What a batch may still spend, in comparisons and in US dollars."""

from decimal import Decimal
from typing import Final

from cj_assessment.domain.batch import Limits
from cj_assessment.domain.deciding.snapshot import DecisionRules, Snapshot

FAILURE_ALLOWANCE: Final = 5
"""Failed comparisons do not count against the budget, up to one in this many of it.

Without that limit a judge that refuses the same pair again and again would be asked without end."""


def comparison_budget(limits: Limits, *, essays: int, rules: DecisionRules) -> int:
    """How many comparisons may be judged: what the request says, else this installation's share per essay."""
    if limits.max_comparisons is not None:
        return limits.max_comparisons
    return max(1, rules.comparisons_per_essay * essays // 2)


def budget_of(snapshot: Snapshot) -> int:
    """How many comparisons of this batch may be judged."""
    return comparison_budget(snapshot.limits, essays=len(snapshot.essays), rules=snapshot.rules)


def counted_comparisons(snapshot: Snapshot) -> int:
    """Comparisons that count against the budget."""
    return len(snapshot.asked) - min(snapshot.failed, budget_of(snapshot) // FAILURE_ALLOWANCE)


def affordable_comparisons(snapshot: Snapshot) -> int:
    """How many more comparisons both budgets allow."""
    left = budget_of(snapshot) - counted_comparisons(snapshot)
    each = next_cost_usd(snapshot)
    if snapshot.limits.max_cost_usd is None or each == 0:
        return left
    return min(left, int((snapshot.limits.max_cost_usd - snapshot.spending.committed_usd) / each))


def next_cost_usd(snapshot: Snapshot) -> Decimal:
    """What one more comparison may cost at most, whichever judge gets it."""
    return max((judge.cap_usd or Decimal(0) for judge in snapshot.judges), default=Decimal(0))


def typical_cost_usd(snapshot: Snapshot) -> Decimal | None:
    """What a comparison costs: as paid so far, else as expected of the judges; None without known prices."""
    if any(judge.expected_cost_usd is None for judge in snapshot.judges):
        return None
    if snapshot.spending.answered > 0:
        return snapshot.spending.cost_usd / snapshot.spending.answered
    expected = (Decimal(judge.share) * (judge.expected_cost_usd or 0) for judge in snapshot.judges)
    return sum(expected, Decimal(0))


def is_budget_exhausted(snapshot: Snapshot) -> bool:
    """True when comparisons wait to be sent and there is no money to send one.

    Computed from the spending alone, which was read at one moment: the comparisons were read at another.
    """
    spending, cap = snapshot.spending, snapshot.limits.max_cost_usd
    if cap is None or spending.outstanding > 0 or spending.pending_usd == 0:
        return False
    return spending.cost_usd + spending.reserved_usd + next_cost_usd(snapshot) > cap
