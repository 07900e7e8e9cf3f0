"""What the memory store holds: plain rows, and a clock that tests can put forward."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from cj_assessment.domain.assignments import Instruction, StoredAnchor
from cj_assessment.domain.batch import Batch, BatchId, Essay, JobId
from cj_assessment.domain.comparison import Answer, AttemptId, PlannedComparison
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.ports import BatchProblem, Score
from cj_assessment.ports.administration import AdminChange
from event_contracts import AssessmentResultV1, ComparisonState, ErrorDetail, EventEnvelope


@dataclass
class BatchRow:
    """A batch; one that ``is_unreadable`` has a request that cannot be parsed."""

    batch: Batch
    requested: tuple[Essay, ...]
    next_check_at: datetime
    awaited_round: int = 0
    context: JudgeContext | None = None
    result: AssessmentResultV1 | None = None
    result_ref: str | None = None
    error: ErrorDetail | None = None
    problem: BatchProblem | None = None
    reported_at: datetime | None = None
    reported: int = 0
    is_unreadable: bool = False


@dataclass
class ComparisonRow:
    """A comparison."""

    id: int
    job_id: JobId
    round: int
    planned: PlannedComparison
    cap_usd: Decimal
    state: ComparisonState = ComparisonState.PENDING
    attempts: int = 0
    a_won: bool | None = None
    margin: int | None = None
    confidence: float | None = None
    log_odds_a: float | None = None
    log_odds: str | None = None
    judge: str | None = None
    error_code: str | None = None
    judged_at: datetime | None = None


@dataclass
class AttemptRow:
    """An attempt; ``answer`` is what was recorded of it."""

    id: AttemptId
    comparison: ComparisonRow
    number: int
    reserved_usd: Decimal
    send_not_before: datetime
    deadline: datetime
    withdraw_not_before: datetime
    request_id: str | None = None
    outcome: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    ended_at: datetime | None = None
    withdrawn_at: datetime | None = None
    answer: Answer | None = None

    @property
    def cost_usd(self) -> Decimal:
        return self.answer.cost_usd if self.answer else Decimal(0)


@dataclass
class State:
    """Everything that is stored."""

    batches: dict[JobId, BatchRow] = field(default_factory=dict)
    essays: dict[JobId, dict[int, Essay]] = field(default_factory=dict)
    comparisons: dict[int, ComparisonRow] = field(default_factory=dict)
    attempts: dict[AttemptId, AttemptRow] = field(default_factory=dict)
    scores: dict[JobId, list[Score]] = field(default_factory=dict)
    decisions: list[tuple[str, Score]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    anchors: dict[str, list[StoredAnchor]] = field(default_factory=dict)
    instructions: list[tuple[str | None, Instruction]] = field(default_factory=list)
    claimed: set[tuple[str, UUID]] = field(default_factory=set)
    sent: list[tuple[EventEnvelope[Any], str | None]] = field(default_factory=list)
    failing: dict[tuple[str, str], BatchProblem] = field(default_factory=dict)
    audit: list[AdminChange] = field(default_factory=list)
    ids: int = 0

    def row_of(self, batch_id: BatchId) -> BatchRow | None:
        return next((row for row in self.batches.values() if row.batch.batch_id == batch_id), None)

    def is_retryable_sql(self, worker: str, key: object) -> bool:
        return (worker, str(key)) not in self.failing

    def comparisons_of(self, job_id: JobId) -> list[ComparisonRow]:
        return [row for row in self.comparisons.values() if row.job_id == job_id]

    def attempts_of(self, job_id: JobId) -> list[AttemptRow]:
        return [row for row in self.attempts.values() if row.comparison.job_id == job_id]


@dataclass
class Clock:
    """The time of the store."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def rest_until(moments: list[datetime], now: datetime) -> float | None:
    """Seconds until the first of these."""
    return max((min(moments) - now).total_seconds(), 0.2) if moments else None


Now = Callable[[], datetime]
