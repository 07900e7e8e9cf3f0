"""What the use cases need from outside, one Protocol each."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    ComparisonPage,
    ErrorDetail,
    EventEnvelope,
    ForecastView,
    GateView,
    LLMConfigOverrides,
    PanelJudge,
    PromptBlock,
    WireModel,
)

from cj_assessment.domain.batch import (
    Anchor,
    Batch,
    BatchId,
    Essay,
    Fetched,
    Instruction,
    JobId,
    Judge,
    Preparation,
)
from cj_assessment.domain.comparison import (
    Answer,
    Asked,
    AttemptId,
    AttemptPolicy,
    PlannedComparison,
    UnsentAttempt,
)
from cj_assessment.domain.deciding import Measured, Spending
from cj_assessment.domain.prompt import JudgeContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the LLM Provider refused a request for good."""

    attempt_id: AttemptId
    error_code: str
    message: str


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
    """What became of a batch of answers: ``repeated`` had one already, ``unknown`` belong to no attempt.

    ``late`` are recorded as paid for, but their batch was over: they change nothing else.
    """

    new: int
    repeated: int
    unknown: int
    late: int


class Transaction(Protocol):
    """One unit of work on the service's database; everything in it happens, or nothing."""

    async def claim_events(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        """Record events as handled; return those that never were before."""
        ...

    async def announce(
        self, events: Sequence[EventEnvelope[Any]], *, callback_url: str | None = None
    ) -> None:
        """Send the events to their topics, and to ``callback_url`` as well, after the commit."""
        ...

    async def put_content(self, *, storage_id: str, body: bytes) -> None:
        """Keep a text; the same text twice is kept once."""
        ...

    async def contents(self, storage_ids: Sequence[str]) -> Mapping[str, bytes]:
        """The texts that are kept here, by id; unknown ids are absent."""
        ...

    async def put_anchor(self, anchor: Anchor, *, assignment_id: str) -> int:
        """Register or replace the anchor of that label; return its number."""
        ...

    async def anchors(self, assignment_id: str) -> Sequence[Anchor]:
        """All anchors of an assignment, by label."""
        ...

    async def instruction(self, *, assignment_id: str | None, course_id: str) -> Instruction | None:
        """The assignment's instruction, else the course's, else None."""
        ...

    async def add_batch(self, batch: Batch, essays: Sequence[Essay]) -> bool:
        """Store a new batch; False when one with its batch id is there already."""
        ...

    async def batch(self, batch_id: BatchId) -> Batch | None:
        """A batch by the platform's id."""
        ...

    async def essays(self, job_id: JobId) -> tuple[Essay, ...]:
        """The essays of a batch by item, without their texts."""
        ...

    async def count_essays(self, job_id: JobId) -> EssayCounts:
        """How many essays a batch has, for the status view."""
        ...

    async def essays_with_texts(self, job_id: JobId) -> tuple[Essay, ...]:
        """The essays of a batch by item."""
        ...

    async def take_accepted(self, *, limit: int, lease: timedelta) -> Sequence[Batch]:
        """Batches to prepare; another replica sees them again after ``lease``."""
        ...

    async def lock_batch(self, job_id: JobId) -> Batch | None:
        """The batch, locked until the transaction ends; None when another replica holds it or it has ended."""
        ...

    async def start_judging(self, job_id: JobId, preparation: Preparation) -> None:
        """Store texts and context of a locked batch and let it be judged."""
        ...

    async def due_batches(self, *, limit: int) -> Sequence[JobId]:
        """Batches being judged whose awaited rounds are settled, or that are to be looked at again."""
        ...

    async def asked(self, job_id: JobId) -> Sequence[Asked]:
        """Every comparison of a batch in the order they were planned."""
        ...

    async def spending(self, job_id: JobId) -> Spending:
        """What the batch has cost, and how many answers are outstanding."""
        ...

    async def progress(self, job_id: JobId) -> Progress:
        """Counts and cost for the status view."""
        ...

    async def add_round(
        self, job_id: JobId, *, number: int, pairs: Sequence[PlannedComparison], caps: Sequence[Decimal]
    ) -> None:
        """Plan a round of a locked batch; ``caps`` says what each judge of the panel may cost at most (US dollars)."""
        ...

    async def wait_for_round(
        self, job_id: JobId, *, last_round: int, due_round: int, check_at: datetime
    ) -> None:
        """Look at a locked batch again when rounds up to ``due_round`` are settled, at the latest at ``check_at``."""
        ...

    async def add_score(self, job_id: JobId, measured: Measured, *, decision: str) -> None:
        """Keep a fit with what was decided on it."""
        ...

    async def latest_score(self, job_id: JobId) -> Score | None:
        """The newest fit."""
        ...

    async def end_batch(
        self,
        job_id: JobId,
        *,
        state: AssessmentState,
        stop_reason: str,
        result: WireModel | None,
        error: ErrorDetail | None,
    ) -> None:
        """End a locked batch: nothing of it is judged any more."""
        ...

    async def context(self, job_id: JobId) -> JudgeContext:
        """What every comparison of a batch has in common."""
        ...

    async def result(self, job_id: JobId) -> AssessmentResultV1 | None:
        """The published result, once there is one."""
        ...

    async def comparisons_page(self, batch: Batch, *, after: int, limit: int) -> ComparisonPage:
        """Comparisons of a batch beyond the id ``after``, in the order they were planned."""
        ...

    async def cancel(self, batch_id: BatchId) -> bool:
        """Ask for a batch's end; False when there is no such batch or it has ended."""
        ...

    async def start_attempts(self, *, limit: int, policy: AttemptPolicy) -> Sequence[UnsentAttempt]:
        """Give pending comparisons an attempt each, batches in turn; the caller sends them within the lease."""
        ...

    async def take_unsent(self, *, limit: int, policy: AttemptPolicy) -> Sequence[UnsentAttempt]:
        """Attempts that somebody started and never sent; the caller sends them within a lease of its own."""
        ...

    async def mark_sent(self, request_ids: Mapping[AttemptId, str]) -> None:
        """The LLM Provider has accepted these attempts under these ids."""
        ...

    async def mark_refused(self, refusals: Sequence[Refusal]) -> None:
        """The LLM Provider refuses these attempts for good: their comparisons fail."""
        ...

    async def record_answers(self, answers: Sequence[Answer], *, policy: AttemptPolicy) -> Recorded:
        """Store answers of attempts that had none and settle their comparisons; say what the others were."""
        ...

    async def take_withdrawn(self, *, limit: int) -> Mapping[AttemptId, str]:
        """Outstanding attempts of batches that are over, with their ids at the LLM Provider; locked until the end."""
        ...

    async def mark_withdrawn(self, attempts: Sequence[AttemptId]) -> None:
        """The LLM Provider knows that nobody waits for these any more."""
        ...

    async def expire_attempts(self, *, limit: int, policy: AttemptPolicy) -> int:
        """Give up waiting for overdue attempts; their comparisons get another or fail."""
        ...


class Store(Protocol):
    """The service's database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of work: committed at the end, rolled back on any error."""
        ...


class ContentStore(Protocol):
    """Where the texts of essays are kept: here, or in another service with the same two routes."""

    async def fetch(self, storage_ids: Sequence[str]) -> Fetched:
        """The texts by id; unknown ids are absent, and what cannot be had now has its reason."""
        ...


class JudgeCatalogue(Protocol):
    """Which models can judge, and at what price."""

    def resolve(
        self, overrides: LLMConfigOverrides | None, *, panel: Sequence[PanelJudge] | None
    ) -> tuple[Judge, ...]:
        """The judges that a request gets; raises ``InvalidRequest`` naming the valid choices."""
        ...

    def capped(self, judge: Judge, overrides: LLMConfigOverrides, *, longest_prompt: int) -> Judge:
        """The judge with what one comparison may cost at most; ``longest_prompt`` is in bytes."""
        ...


class CallbackRules(Protocol):
    """Where results may be sent over HTTP."""

    def check(self, url: str) -> None:
        """Raise ``InvalidRequest`` unless results may be sent there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOrder:
    """One request to the LLM Provider."""

    attempt_id: AttemptId
    batch_id: BatchId
    essay_a_id: str
    essay_b_id: str
    blocks: tuple[PromptBlock, ...]
    overrides: LLMConfigOverrides
    correlation_id: UUID
    user_id: str
    repetition: int
    max_cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What the LLM Provider said to a call: accepted orders with their ids, and refusals for good."""

    accepted: Mapping[AttemptId, str]
    refused: Sequence[Refusal]


class LlmProvider(Protocol):
    """The gateway to the judges."""

    async def submit(self, orders: Sequence[ComparisonOrder]) -> Submitted:
        """Queue up to 500 comparisons; raises ``Unavailable`` or ``ExternalServiceError`` when it cannot now."""
        ...

    async def withdraw(self, request_id: str) -> None:
        """Take a request back; one that has ended stays as it is. Raises ``ExternalServiceError``."""
        ...


class ResultWatcher(Protocol):
    """Counts results, for the operators."""

    def watch(self, recorded: Recorded) -> None:
        """Count a batch of results."""
        ...


class Wake(Protocol):
    """Lets a worker of this process look for work at once."""

    def __call__(self) -> None:
        """Wake it."""
        ...
