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
from cj_assessment.domain.measuring import Start

OPEN: Final = frozenset({ComparisonState.PENDING, ComparisonState.SUBMITTED})
"""States of a comparison whose answer may still come."""


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
    """What holds for every batch of this installation.

    Without a limit of its own a batch may ask for ``comparisons_per_essay`` times its essays, halved. An essay is
    excluded after ``exclude_after`` failed comparisons and not a single judged one. ``max_position_bias`` bounds |b|
    in logits.
    """

    comparisons_per_essay: int
    min_comparisons_per_essay: int
    straggler_patience: timedelta
    max_failed_share: float
    max_grade_change_share: float
    max_position_bias: float = 3.0
    exclude_after: int = 4


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A batch at one moment; ``essays`` are the usable ones, in the order of their items.

    ``asked`` is every comparison in the order they were planned. ``is_overdue`` says that the round has waited for
    its last answers long enough. ``start`` is the fit of the round before, where there is one.
    ``batch_wide_codes`` are error codes that the LLM Provider reported for this batch as stopping all of it, beside
    those that always do: a vendor that was given up after minutes without an answer, for instance.
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
    batch_wide_codes: frozenset[str] = frozenset()

    @cached_property
    def states(self) -> Counter[str]:
        """Comparisons by state."""
        return Counter(pair.state for pair in self.asked)

    @cached_property
    def judged(self) -> tuple[Asked, ...]:
        """Comparisons with a winner."""
        return tuple(pair for pair in self.asked if pair.state == ComparisonState.JUDGED)

    @property
    def failed(self) -> int:
        """Comparisons that could not be judged."""
        return self.states[ComparisonState.FAILED]

    @property
    def open(self) -> int:
        """Comparisons whose answers may still come."""
        return sum(self.states[state] for state in OPEN)

    @property
    def time_is_over(self) -> bool:
        """True from the batch's deadline on."""
        return self.now >= self.limits.deadline

    @property
    def patience_ends(self) -> datetime:
        """Until when the answers that are awaited now are waited for."""
        return min(self.now + self.rules.straggler_patience, self.limits.deadline)

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
