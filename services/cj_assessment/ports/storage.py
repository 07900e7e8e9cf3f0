"""The service's database as the use cases see it: one transaction, and one repository per aggregate in it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
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
    StopReason,
    WireModel,
)

from cj_assessment.domain.assignments import Anchor, Instruction, StoredAnchor
from cj_assessment.domain.batch import Batch, BatchId, BatchRecord, Essay, JobId, Preparation
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
from cj_assessment.ports.administration import AdminChange
from cj_assessment.ports.values import BatchProblem, Due, EssayCounts, Progress, Recorded, Score, Usage


class Batches(Protocol):
    """Assessment batches, from their acceptance to their end."""

    async def add(self, batch: Batch, essays: Sequence[Essay]) -> bool:
        """Store a new batch; False when one with its batch id is there already."""
        ...

    async def record(self, batch_id: BatchId) -> BatchRecord | None:
        """A batch by the platform's id, from its columns alone."""
        ...

    async def read(self, job_id: JobId) -> Batch:
        """A batch with its judges and its request, whose list of essays is left out: they are stored separately.

        Raises ``ValueError`` where they cannot be parsed.
        """
        ...

    async def lock(self, job_id: JobId) -> BatchRecord | None:
        """The batch, locked until the transaction ends; None when another replica holds it or it has ended."""
        ...

    async def take_accepted(self, *, limit: int, lease: timedelta) -> Due[JobId]:
        """Batches to prepare; another replica sees them again after ``lease``."""
        ...

    async def take_judging(self, *, limit: int) -> Due[JobId]:
        """Batches to decide on: awaited rounds are settled, the time of the next check has come, or cancelled."""
        ...

    async def start_judging(self, job_id: JobId, preparation: Preparation) -> None:
        """Store the context of a locked batch, whose essays are stored, and let it be judged."""
        ...

    async def check_after(self, job_id: JobId, delay: timedelta) -> None:
        """Leave a batch alone for ``delay``."""
        ...

    async def wait_for_round(
        self, job_id: JobId, *, last_round: int, awaited_round: int, next_check_at: datetime
    ) -> None:
        """Decide on a locked batch again once rounds up to ``awaited_round`` are settled, or at ``next_check_at``."""
        ...

    async def end(
        self,
        job_id: JobId,
        *,
        state: AssessmentState,
        stop_reason: StopReason,
        result: WireModel | None,
        error: ErrorDetail | None,
        result_ref: str | None = None,
    ) -> None:
        """End a locked batch: nothing of it is judged.

        ``result_ref`` is the content id of a result that was too large to be published whole.
        """
        ...

    async def newest(
        self, *, state: AssessmentState | None, before: tuple[datetime, JobId] | None, limit: int
    ) -> Sequence[BatchRecord]:
        """Batches, the newest first; ``before`` is the place of one of them, and asks for those behind it."""
        ...

    async def cancel(self, batch_id: BatchId) -> bool:
        """Ask for a batch's end; False when there is no such batch or it has ended."""
        ...

    async def context(self, job_id: JobId) -> JudgeContext:
        """What every comparison of a batch has in common."""
        ...

    async def result(self, job_id: JobId) -> AssessmentResultV1 | None:
        """The published result, once there is one."""
        ...

    async def error(self, job_id: JobId) -> ErrorDetail | None:
        """Why the batch has failed, where it has."""
        ...

    async def report_problem(self, job_ids: Collection[JobId], *, code: str, message: str) -> None:
        """Store what keeps these batches waiting; their status shows it."""
        ...

    async def clear_problem(self, job_ids: Collection[JobId]) -> None:
        """These batches continue."""
        ...

    async def problem(self, job_id: JobId) -> BatchProblem | None:
        """What keeps a batch waiting: what was reported, a failing step, or failing judgements."""
        ...

    async def take_unreported(self, *, limit: int) -> Due[JobId]:
        """Ended batches whose consumption was not reported and of which nothing is outstanding."""
        ...

    async def ended(self, job_id: JobId) -> BatchRecord | None:
        """A batch that has ended; None for any other."""
        ...

    async def mark_reported(self, job_id: JobId, *, billed: int) -> int | None:
        """Note that ``billed`` comparisons are reported; returns how many of them are new, None if none is due."""
        ...

    async def reopen(self, job_id: JobId) -> bool:
        """Let a failed batch continue from what is stored of it; False for a batch that has not failed."""
        ...


class Essays(Protocol):
    """The essays of batches, anchors among them."""

    async def put(self, job_id: JobId, essays: Sequence[Essay]) -> None:
        """Store essays, or what is known of them now."""
        ...

    async def requested(self, job_id: JobId) -> tuple[Essay, ...]:
        """The students' essays as they were requested, in that order."""
        ...

    async def requested_ids(self, job_id: JobId) -> Sequence[str]:
        """The ids of the students' essays, in the order of the request."""
        ...

    async def delete_from_index(self, job_id: JobId, item: int) -> None:
        """Delete the essays from this item on: leftovers of a preparation that was repeated."""
        ...

    async def of_batch(self, job_id: JobId) -> tuple[Essay, ...]:
        """The essays of a batch by item, without their texts."""
        ...

    async def counts(self, job_id: JobId) -> EssayCounts:
        """How many essays a batch has, for the status view."""
        ...

    async def texts(self, wanted: Collection[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], str]:
        """The texts of these essays (batch and item)."""
        ...


class Comparisons(Protocol):
    """The comparisons of batches."""

    async def asked(self, job_id: JobId) -> Sequence[Asked]:
        """Every comparison of a batch in the order they were planned."""
        ...

    async def spending(self, job_id: JobId) -> Spending:
        """What the batch has cost, and how many answers are outstanding."""
        ...

    async def stopping_codes(self, job_id: JobId) -> frozenset[str]:
        """Error codes that the LLM Provider reported as stopping every comparison by their judge."""
        ...

    async def progress(self, job_id: JobId) -> Progress:
        """Counts and cost for the status view."""
        ...

    async def add_round(
        self, job_id: JobId, *, number: int, pairs: Sequence[PlannedComparison], caps: Sequence[Decimal]
    ) -> None:
        """Plan a round of a locked batch; ``caps`` says what each judge of the panel may cost at most (US dollars)."""
        ...

    async def page(self, batch: BatchRecord, *, after: int, limit: int) -> ComparisonPage:
        """Comparisons of a batch beyond the id ``after``, in the order they were planned."""
        ...


class Attempts(Protocol):
    """The attempts to have comparisons judged."""

    async def take_waiting(self, *, limit: int) -> Due[JobId]:
        """Batches with comparisons to send."""
        ...

    async def start(
        self, job_ids: Collection[JobId], *, limit: int, policy: AttemptPolicy
    ) -> Sequence[UnsentAttempt]:
        """Give pending comparisons an attempt each, batches in turn; the caller sends them within the lease."""
        ...

    async def take_unsent(
        self, job_ids: Collection[JobId], *, limit: int, policy: AttemptPolicy
    ) -> Sequence[UnsentAttempt]:
        """Attempts that were started and never acknowledged; the caller sends them within a lease of its own."""
        ...

    async def release(self, attempts: Collection[AttemptId]) -> None:
        """Give up the leases of attempts that were not sent: they are sent at the next opportunity."""
        ...

    async def mark_sent(self, request_ids: Mapping[AttemptId, str], *, policy: AttemptPolicy) -> None:
        """The LLM Provider has accepted these attempts under these ids."""
        ...

    async def mark_refused(self, refusals: Mapping[AttemptId, tuple[str, str]]) -> None:
        """The LLM Provider refuses these attempts, each with code and message: their comparisons fail."""
        ...

    async def record(self, answers: Sequence[Answer]) -> Recorded:
        """Store answers of attempts that had none and settle their comparisons; say what the others were."""
        ...

    async def take_overdue(self, *, limit: int) -> Due[AttemptId]:
        """Attempts whose answer is overdue."""
        ...

    async def request_ids(self, attempts: Collection[AttemptId]) -> Mapping[AttemptId, str | None]:
        """The request ids of those attempts that are still without an answer."""
        ...

    async def expire(
        self, attempts: Collection[AttemptId], *, lost: Collection[AttemptId], policy: AttemptPolicy
    ) -> None:
        """Stop waiting for these attempts. The ``lost`` ones are asked again, where the policy has an attempt left."""
        ...

    async def take_withdrawable(self, *, limit: int, lease: timedelta) -> Due[AttemptId]:
        """Outstanding attempts of batches that have ended; another replica sees them again after ``lease``."""
        ...

    async def mark_withdrawn(self, attempts: Collection[AttemptId]) -> None:
        """The LLM Provider was told that these are no longer needed."""
        ...

    async def usage(self, job_id: JobId) -> Usage:
        """What a batch has used."""
        ...

    async def job_id_of(self, attempt: AttemptId) -> JobId | None:
        """The batch of an attempt."""
        ...


class Scores(Protocol):
    """The fits of batches, each with what was decided on it."""

    async def add(self, job_id: JobId, measured: Measured, *, decision: str) -> None:
        """Keep a fit with what was decided on it."""
        ...

    async def latest(self, job_id: JobId) -> Score | None:
        """The newest fit."""
        ...


class Contents(Protocol):
    """Texts that were posted to this service."""

    async def put(self, *, storage_id: str, body: bytes) -> None:
        """Keep a text; the same text twice is kept once."""
        ...

    async def read(self, storage_ids: Collection[str]) -> Mapping[str, bytes]:
        """The texts that are kept here, by id; unknown ids are absent."""
        ...

    async def sizes(self, storage_ids: Collection[str]) -> Mapping[str, int]:
        """The sizes in bytes of the texts that are kept here, by id."""
        ...


class Anchors(Protocol):
    """Anchor essays and instructions of assignments and courses."""

    async def put(self, anchor: Anchor, *, assignment_id: str) -> int:
        """Register or replace the anchor of that label; return its number."""
        ...

    async def for_assignment(self, assignment_id: str) -> Sequence[StoredAnchor]:
        """All anchors of an assignment, by label."""
        ...

    async def audit(self, change: AdminChange) -> None:
        """Note a change with the transaction that makes it."""
        ...

    async def remove(self, number: int) -> None:
        """Delete an anchor; its text stays where texts are kept."""
        ...

    async def instruction(self, *, assignment_id: str | None, course_id: str | None) -> Instruction | None:
        """The assignment's own instruction, else that of this very course, else None."""
        ...


class Events(Protocol):
    """Events that come in and go out with the transaction."""

    async def claim(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        """Record events as handled; return those that never were before."""
        ...

    def announce(self, events: Sequence[EventEnvelope[Any]], *, callback_url: str | None = None) -> None:
        """Send the events to their topics, and to ``callback_url`` as well, after the commit.

        Raises ``InvalidRequest`` for a URL that nothing can be sent to.
        """
        ...


class Transaction(Protocol):
    """One unit of work on the service's database; everything in it happens, or nothing."""

    @property
    def batches(self) -> Batches:
        """Batches."""
        ...

    @property
    def essays(self) -> Essays:
        """Essays of batches."""
        ...

    @property
    def comparisons(self) -> Comparisons:
        """Comparisons of batches."""
        ...

    @property
    def attempts(self) -> Attempts:
        """Attempts at comparisons."""
        ...

    @property
    def scores(self) -> Scores:
        """Fits of batches."""
        ...

    @property
    def contents(self) -> Contents:
        """Texts."""
        ...

    @property
    def anchors(self) -> Anchors:
        """Anchors and instructions."""
        ...

    @property
    def events(self) -> Events:
        """Events."""
        ...


class Store(Protocol):
    """The service's database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of work: committed at the end, rolled back on any error."""
        ...
