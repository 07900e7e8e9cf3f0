"""What is known of a batch at one moment: all that a decision depends on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final

from event_contracts import ComparisonState, GradeScale

from cj_assessment.domain.batch import Essay, Judge, Limits
from cj_assessment.domain.comparison import Asked
from cj_assessment.domain.measuring import StartingValues

OPEN: Final = frozenset({ComparisonState.PENDING, ComparisonState.SUBMITTED})
"""States of a comparison whose answer may still come."""


MIN_CHECK_INTERVAL: Final = timedelta(seconds=0.3)
RELAXED_CHECK_INTERVAL: Final = timedelta(hours=1)
STRAGGLER_FACTOR: Final = 1.2
"""Wait for late answers this many times the usual answer time before planning the next large round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a batch has cost and may still cost, in US dollars.

    ``reserved_usd`` is set aside for calls whose answers are outstanding, ``pending_usd`` for comparisons that
    wait to be sent; ``outstanding`` counts calls without an answer, ``answered`` judgements that were paid for.
    ``last_sent_at`` is when the last of them was sent, ``typical_answer`` how long half of the answers took.
    """

    cost_usd: Decimal
    reserved_usd: Decimal
    pending_usd: Decimal
    outstanding: int
    answered: int
    last_sent_at: datetime | None = None
    typical_answer: timedelta | None = None

    @property
    def committed_usd(self) -> Decimal:
        """What the batch will cost at most if nothing more is planned."""
        return self.cost_usd + self.reserved_usd + self.pending_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRules:
    """What holds for every batch of this installation.

    A batch without a limit of its own may ask for half of ``comparisons_per_essay`` × essays: each comparison has
    two. An essay is excluded after ``exclude_after`` failed comparisons and not a single judged one.
    ``max_position_bias`` bounds |b| in logits. ``min_straggler_timeout`` is for judges that state margins, whose
    rounds otherwise wait no longer for their last answers than ``STRAGGLER_FACTOR`` times a usual answer.
    """

    comparisons_per_essay: int
    min_comparisons_per_essay: int
    straggler_timeout: timedelta
    min_straggler_timeout: timedelta
    max_failed_share: float
    max_grade_change_share: float
    max_position_bias: float = 3.0
    exclude_after: int = 4


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A batch at one moment; ``essays`` are the usable ones, in the order of their items.

    ``asked`` is every comparison in the order they were planned. ``is_overdue`` says that the round has waited for
    its last answers long enough. ``start`` is the fit of the round before, where there is one.
    ``batch_wide_codes`` are error codes that the LLM Provider reported for this batch as stopping all of it, in
    addition to those that always do: a vendor that has not answered for minutes, for instance.
    """

    essays: tuple[Essay, ...]
    asked: Sequence[Asked]
    spending: Spending
    limits: Limits
    judges: tuple[Judge, ...]
    scale: GradeScale | None
    last_round: int
    is_overdue: bool
    seed: int
    now: datetime
    rules: DecisionRules
    start: StartingValues | None = None
    batch_wide_codes: frozenset[str] = frozenset()
    is_relaxed: bool = False

    @cached_property
    def states(self) -> Counter[str]:
        """Comparisons by state."""
        return Counter(pair.state for pair in self.asked)

    @cached_property
    def judged(self) -> tuple[Asked, ...]:
        """Comparisons with a winner."""
        return tuple(pair for pair in self.asked if pair.state == ComparisonState.JUDGED)

    @cached_property
    def is_graded(self) -> bool:
        """True where the judges say by how much the winner is better: then pairs hardly depend on the answers."""
        stated = sum(pair.margin is not None or pair.log_odds_a is not None for pair in self.judged)
        return 2 * stated > len(self.judged)

    @property
    def has_few_rounds(self) -> bool:
        """True where a round is large and all answers of the rounds before it are awaited."""
        return self.is_relaxed or self.is_graded

    @property
    def failed(self) -> int:
        """Comparisons that could not be judged."""
        return self.states[ComparisonState.FAILED]

    @property
    def unfailed(self) -> int:
        """Comparisons that are judged or may still be."""
        return len(self.judged) + self.open

    @property
    def open(self) -> int:
        """Comparisons whose answers may still come."""
        return sum(self.states[state] for state in OPEN)

    @property
    def is_past_deadline(self) -> bool:
        """True from the batch's deadline on."""
        return self.now >= self.limits.deadline

    @property
    def straggler_deadline(self) -> datetime:
        """How long to wait for the answers that are awaited now, or when to check for stragglers."""
        if self.is_relaxed:
            return min(self.now + RELAXED_CHECK_INTERVAL, self.limits.deadline)
        timeout = self._graded_straggler_timeout if self.is_graded else self.rules.straggler_timeout
        return min(self.now + timeout, self.limits.deadline)

    @property
    def early_check_at(self) -> datetime:
        """When to check again if only a few more answers are needed for the next large round."""
        usual = self.spending.typical_answer or timedelta(0)
        return min(self.now + max(MIN_CHECK_INTERVAL, usual / 4), self.limits.deadline)

    @property
    def _graded_straggler_timeout(self) -> timedelta:
        """The straggler timeout of judges that state margins: a multiple of their usual answer time."""
        usual = self.spending.typical_answer or timedelta(0)
        timeout = max(self.rules.min_straggler_timeout, usual * STRAGGLER_FACTOR)
        return min(timeout, self.rules.straggler_timeout)

    @property
    def straggler_timeout_passed(self) -> bool:
        """True when the last answers have been waited for long enough to continue without them."""
        if not self.is_graded:
            return self.is_overdue
        sent = self.spending.last_sent_at
        return sent is not None and self.now >= sent + self.rules.straggler_timeout

    def as_of(self, round_number: int) -> "Snapshot":
        """What was known when that round and those before it were settled, and nothing later."""
        return replace(
            self,
            asked=tuple(
                pair
                if pair.round <= round_number
                else pair._replace(state=ComparisonState.SUBMITTED, a_won=None, judge=None, error_code=None)
                for pair in self.asked
            ),
        )
