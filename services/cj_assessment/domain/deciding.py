"""What to do next with a batch: one pure function of what is known, so that it may be asked at any time.

Rounds overlap by one: round k+1 is planned from all answers of rounds up to k-1, while k is being judged. So
judges are never idle, and yet the next pairs depend on what was answered only, not on which answer came first:
the same batch with the same answers takes the same course. A round whose last answers are late for longer than
``DecisionRules.straggler_patience`` is planned without them; they count when they come.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import cj_measurement as measurement
from event_contracts import ComparisonState, JsonObject, StopReason

from cj_assessment.domain.batch import Essay, Limits
from cj_assessment.domain.comparison import PlannedComparison

OPEN = frozenset({ComparisonState.PENDING, ComparisonState.SUBMITTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A comparison as it stands; slots are items of the batch."""

    round: int
    slot_a: int
    slot_b: int
    state: str
    a_won: bool | None
    judge: str | None


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
    fit: "measurement.Fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """There is no ranking to publish."""

    reason: StopReason
    message: str


Decision = Wait | JudgeMore | Finish | Fail
