"""What the repositories answer: counts, sums and keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

from event_contracts import ForecastView, GateView

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Generic[KeyT]):
    """Keys of what is due now, and the seconds until more will be: 0 for immediately, None when that is not known."""

    keys: Sequence[KeyT]
    rest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EssayCounts:
    """Essays of a batch: of students, anchors, and how many of both can be judged."""

    students: int
    anchors: int
    usable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts of a batch's comparisons, and what they have cost (US dollars)."""

    pending: int
    submitted: int
    judged: int
    failed: int
    abandoned: int
    cost_usd: Decimal
    prices_known: bool
    last_judged_at: datetime | None

    @classmethod
    def nothing_asked(cls) -> "Progress":
        """The progress of a batch without a single comparison."""
        return cls(
            pending=0,
            submitted=0,
            judged=0,
            failed=0,
            abandoned=0,
            cost_usd=Decimal(0),
            prices_known=True,
            last_judged_at=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProblem:
    """What keeps an open batch waiting, since when, and how many comparisons it concerns.

    ``is_judging``: it is the judging that fails, and ``code`` is the LLM Provider's; otherwise a step of it fails.
    """

    code: str
    message: str
    since: datetime
    comparisons: int
    is_judging: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a batch has used: comparisons that were paid for, and requests whose cost is not known yet."""

    billed: int
    outstanding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The latest fit of a batch: abilities and errors by item, reliabilities, and what was decided."""

    number: int
    comparisons: int
    theta: tuple[float, ...]
    standard_error: tuple[float, ...]
    tau: float
    eb_reliability: float
    ssr: float | None
    ssr_prime: float | None
    gates: Mapping[str, GateView]
    forecast: ForecastView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The outcome of recording a set of answers.

    ``repeated`` had an answer already, ``unknown`` belong to no attempt, ``mismatched`` name an attempt of another
    request, batch or pair. ``late`` are recorded as paid for, but their batch had ended: they change nothing else.
    """

    new: int = 0
    repeated: int = 0
    unknown: int = 0
    mismatched: int = 0
    late: int = 0
