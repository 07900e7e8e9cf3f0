"""The service's database: the queue, the meters, the ledger, batch jobs, and what is sent."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from event_contracts import EventEnvelope, LLMCostAlertV1, RequestStatus

from llm_provider.domain.batch_job import Job, JobId, JobPolicy
from llm_provider.domain.calls.announcements import Announcement
from llm_provider.domain.calls.call import Call, EndedRequest
from llm_provider.domain.calls.settlement import Settlement
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.costs.spending import CostQuery, MeterView, PauseView, PeriodCost, Total
from llm_provider.domain.limits import BreakerChange, Limits
from llm_provider.domain.requests.request import JudgeRequest, LeasedRequest, QueueId, QueueState

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """An idempotency key that was used before."""

    queue_id: QueueId
    body_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedRequest:
    """A request whose failed call is repeated after ``delay``."""

    call: Call
    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """Open requests, counted up to what was asked for, and the requests per minute that their models take."""

    open: int
    requests_per_minute: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCount:
    """Open requests of one provider in one state, and the age of the oldest."""

    provider: str
    state: QueueState
    requests: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A row that cannot be read as a request, and why."""

    queue_id: QueueId
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Requests as far as they can be read; one unreadable row keeps no other from being read."""

    requests: Sequence[LeasedRequest] = ()
    unreadable: Sequence[Unreadable] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Generic[KeyT]):
    """Keys of what is due now, and the seconds until more will be: 0 for immediately, None when that is not known."""

    keys: Sequence[KeyT]
    rest_seconds: float | None


class Queue(Protocol):
    """The durable queue: every request is in it from its acceptance to its one callback, and afterwards."""

    async def depth(self, *, at_most: int, models: Sequence[tuple[str, str]]) -> QueueDepth:
        """How many requests are open, counted up to ``at_most``; ``models`` are (provider, model)."""
        ...

    async def known_keys(self, keys: Sequence[str]) -> Mapping[str, KnownKey]:
        """What is on record for each of these idempotency keys, as far as they were used before."""
        ...

    async def add(self, requests: Sequence[JudgeRequest]) -> Mapping[str, KnownKey]:
        """Queue the requests, each behind its own lane's; returns, by key, what is on record for each."""
        ...

    async def take(
        self, *, provider: str, worker: UUID, limit: int, among: Sequence[QueueId] | None = None
    ) -> Rows:
        """Lease a provider's next requests, as many as the meters grant; the worker must renew the leases.

        With ``among``, only those of these requests. Requests that could not be taken before wait or are set aside.
        """
        ...

    async def next_waiting(self, *, provider: str, limit: int) -> Sequence[QueueId]:
        """The requests that ``take`` looks at next."""
        ...

    async def next_grant_seconds(self, *, provider: str) -> float | None:
        """Seconds until a meter may grant a call again (0: now); None when no request of the provider waits."""
        ...

    async def renew(self, held: Sequence[LeasedRequest], *, worker: UUID) -> None:
        """Prolong the leases of these requests, as far as the worker still has them."""
        ...

    async def release(self, held: Sequence[LeasedRequest], *, worker: UUID) -> None:
        """End the leases of a worker that stops while it calls; the requests are called for again."""
        ...

    async def return_unused(self, leased: Sequence[LeasedRequest], *, worker: UUID) -> None:
        """Undo a take: no call was made."""
        ...

    async def due_to_return(self, *, limit: int, max_attempts: int) -> Due[QueueId]:
        """Requests whose retry delay or start time is over, or whose worker's lease has run out."""
        ...

    async def return_to_queue(self, queue_ids: Sequence[QueueId], *, max_attempts: int) -> None:
        """Let those of these requests wait for their turn that are still due."""
        ...

    async def due_to_end(self, *, limit: int, max_attempts: int) -> Due[QueueId]:
        """Requests without a call in progress that are expired, cancelled, or lost ``max_attempts`` calls."""
        ...

    async def due_to_give_up(self, *, outage_timeout: timedelta, limit: int) -> Due[QueueId]:
        """Requests that have waited for ``outage_timeout`` for a model that answers no call."""
        ...

    async def lock_due_to_end(
        self, queue_ids: Sequence[QueueId], *, max_attempts: int
    ) -> Sequence[LeasedRequest]:
        """Those of these requests that are still due to end, locked, as ``lock_for_end`` reads them."""
        ...

    async def lock_waiting(self, queue_ids: Sequence[QueueId]) -> Sequence[LeasedRequest]:
        """Those of these requests that still wait for a call, locked, as ``lock_for_end`` reads them."""
        ...

    async def lock_for_end(self, queue_id: QueueId) -> LeasedRequest | None:
        """A request that has not ended, locked; parts that cannot be read and are not needed for its end are empty."""
        ...

    async def cancelled(self, queue_ids: Sequence[QueueId]) -> frozenset[QueueId]:
        """Those of these requests that their callers cancelled during the call; locked."""
        ...

    async def request_cancel(self, queue_id: QueueId) -> bool:
        """Note that a request is no longer wanted; True when a call for it is in progress."""
        ...

    async def end(self, ended: Sequence[EndedRequest]) -> None:
        """Store results and send the callbacks of requests that have none yet; the others stay as they are."""
        ...

    async def delay(self, delayed: Sequence[DelayedRequest]) -> None:
        """Add up failed calls and let their requests wait, unless another worker has them by now."""
        ...

    async def status(self, queue_id: QueueId) -> RequestStatus | None:
        """The state of a request, for its caller."""
        ...

    async def counts(self) -> Sequence[StateCount]:
        """How many requests are open, by provider and state."""
        ...

    async def open_models(self) -> Sequence[tuple[str, str]]:
        """(provider, model) of all open requests."""
        ...


class Meters(Protocol):
    """What may be called now, shared by all workers and replicas: one meter for each model and key."""

    async def set_limits(self, limits: Mapping[tuple[str, str], Limits]) -> None:
        """Make the meters of (provider, model), or give them these limits if they are there."""
        ...

    async def add_missing(self, limits: Mapping[tuple[str, str], Limits]) -> None:
        """Make the meters of (provider, model) that are not there yet."""
        ...

    async def hold(self, *, provider: str, model: str, for_time: timedelta) -> None:
        """Grant no calls to the model for this time."""
        ...

    async def settle(self, *, provider: str, settlements: Sequence[Settlement]) -> Sequence[BreakerChange]:
        """Learn from calls; returns the state of each model's breaker."""
        ...

    async def views(self) -> Sequence[MeterView]:
        """How every model may be called."""
        ...

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        """Grant no calls to a provider until further notice."""
        ...

    async def resume(self, provider: str) -> None:
        """End a pause, if there is one."""
        ...

    async def pauses(self) -> Sequence[PauseView]:
        """Which providers are paused."""
        ...


class Ledger(Protocol):
    """What was called and paid."""

    async def record(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Write down calls; returns those that were not on record yet."""
        ...

    async def add_to_totals(self, calls: Sequence[Call]) -> None:
        """Add calls that are newly on record to the totals, whose rows stay locked until the transaction ends."""
        ...

    async def totals(self, query: CostQuery) -> Sequence[Total]:
        """Sums over calls, the most expensive first."""
        ...

    async def over_limit(self, limits: CostLimits) -> Sequence[str]:
        """Providers that have spent more than a limit and whose alert was not raised yet."""
        ...

    async def period_costs(self, providers: Sequence[str]) -> Sequence[PeriodCost]:
        """What was spent today and this month, by provider."""
        ...

    async def today(self) -> Mapping[str, Total]:
        """Today's sums, by provider."""
        ...

    async def claim_alert(self, alert: LLMCostAlertV1) -> bool:
        """True the first time that this alert is raised in its period."""
        ...


class Jobs(Protocol):
    """Vendors' batch jobs, and the requests that are collected for them."""

    async def collect(self, *, provider: str, policy: JobPolicy) -> Job | None:
        """Make a job of a provider's relaxed requests to one model; None where it is too early for one."""
        ...

    async def seconds_until_collection(self, *, provider: str, policy: JobPolicy) -> float | None:
        """Seconds until the first relaxed request has waited long enough for a job; None if there is none."""
        ...

    async def due(self, *, limit: int) -> Sequence[JobId]:
        """Jobs that are due for their next step."""
        ...

    async def lease(self, job_id: JobId, *, lease: timedelta) -> bool:
        """Lease a job that is due; False when another worker has it."""
        ...

    async def seconds_until_due(self) -> float | None:
        """Seconds until the next job is due; None if there is none."""
        ...

    async def read(self, job_id: JobId) -> Job:
        """A job."""
        ...

    async def open_items(self, job_id: JobId) -> Rows:
        """The requests of a job that have not ended."""
        ...

    async def is_wanted(self, job_id: JobId) -> bool:
        """True while a request of the job is neither cancelled nor expired."""
        ...

    async def items(self, job_id: JobId, queue_ids: Sequence[QueueId]) -> Rows:
        """Those of these requests that are in the job, ended or not."""
        ...

    async def submitting(self, job_id: JobId) -> None:
        """Note that the vendor is about to be given the job."""
        ...

    async def submitted(self, job_id: JobId, *, vendor_job_id: str, poll_after: timedelta) -> None:
        """Note that the vendor has it."""
        ...

    async def look_again(self, job_id: JobId, *, after: timedelta) -> None:
        """Postpone its next step."""
        ...

    async def close(self, job_id: JobId, *, reason: str | None) -> None:
        """Note that it has ended; with a ``reason``, that it failed as a whole."""
        ...


class EventOutbox(Protocol):
    """Events that leave with the transaction."""

    def announce(self, events: Sequence[Announcement | EventEnvelope[LLMCostAlertV1]]) -> None:
        """Send each to its own topic."""
        ...


class Transaction(Protocol):
    """One unit of work on the service's database."""

    @property
    def queue(self) -> Queue:
        """The queue."""
        ...

    @property
    def meters(self) -> Meters:
        """The meters."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        ...

    @property
    def jobs(self) -> Jobs:
        """The batch jobs."""
        ...

    @property
    def outbox(self) -> EventOutbox:
        """What is sent."""
        ...


class Store(Protocol):
    """The service's database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of work: committed at the end, rolled back on any error."""
        ...
