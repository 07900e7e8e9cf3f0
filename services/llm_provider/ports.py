"""What the use cases need from outside, one Protocol each."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from event_contracts import (
    EventEnvelope,
    LLMConfigOverrides,
    LLMCostAlertV1,
    RequestStatus,
    SuiteError,
)

from llm_provider.domain.announcing import Announcement
from llm_provider.domain.calls import Call, Ended
from llm_provider.domain.jobs import Job, JobId, JobPolicy
from llm_provider.domain.limits import BreakerNews, LimitReading, Limits
from llm_provider.domain.metering import Settlement
from llm_provider.domain.money import Cost
from llm_provider.domain.request import JudgeParameters, JudgeRequest, Place, Prompt, QueueId, Taken, Usage
from llm_provider.domain.spending import CostQuery, MeterView, PauseView, PeriodCost, Total


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """An idempotency key that was used before."""

    queue_id: QueueId
    body_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """A request whose call is made again after ``pause``; ``cost`` is what the failed one cost."""

    taken: Taken
    pause: timedelta
    cost: Cost
    counts: bool
    error_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """Open requests, counted up to what was asked for, and what the models that were asked for take by the minute."""

    open: int
    requests_per_minute: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCount:
    """Open requests of one provider in one place."""

    provider: str
    place: Place
    requests: int


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

    async def take(self, *, provider: str, worker: UUID, limit: int) -> Sequence[Taken]:
        """Lease a provider's next requests, as many as the meters grant; the worker must renew the lease."""
        ...

    async def renew(self, worker: UUID) -> int:
        """Prolong the leases of all that a worker has taken; returns how many there are."""
        ...

    async def release(self, worker: UUID) -> None:
        """End the leases of a worker that stops; its requests are called for again."""
        ...

    async def give_back(self, taken: Sequence[Taken], *, worker: UUID) -> None:
        """Undo a take: nobody was called."""
        ...

    async def return_due(self, *, limit: int) -> int:
        """Let requests wait for their turn whose time has come, or whose worker is dead; returns how many."""
        ...

    async def end(self, ended: Sequence[Ended]) -> None:
        """Store results and send the callbacks of requests that have none yet; the others stay as they are."""
        ...

    async def postpone(self, postponed: Sequence[Postponed]) -> None:
        """Let requests wait for later, unless another worker has them by now."""
        ...

    async def take_expired(self, *, limit: int) -> Sequence[Taken]:
        """Requests whose time is over and that nobody is calling for; locked until the transaction ends."""
        ...

    async def lock_open(self, queue_id: QueueId) -> Taken | None:
        """A request that has not ended, locked until the transaction ends."""
        ...

    async def status(self, queue_id: QueueId) -> RequestStatus | None:
        """How a request stands."""
        ...

    async def forget_prompts(self, *, older_than: timedelta) -> int:
        """Delete the prompts of requests that ended that long ago; returns how many."""
        ...

    async def counts(self) -> Sequence[PlaceCount]:
        """How many requests are open, by provider and place."""
        ...

    async def open_models(self) -> Sequence[tuple[str, str]]:
        """(provider, model) of all that is open."""
        ...


class Meters(Protocol):
    """What may be called now, shared by all workers and replicas: one meter for each model and key."""

    async def set_limits(self, limits: Mapping[tuple[str, str], Limits]) -> None:
        """Make the meters of (provider, model), or give them these limits if they are there."""
        ...

    async def add_missing(self, limits: Mapping[tuple[str, str], Limits]) -> None:
        """Make the meters of (provider, model) that are not there yet."""
        ...

    async def hold(self, *, provider: str, model: str, pause: timedelta) -> None:
        """Let nobody call the model for ``pause``."""
        ...

    async def settle(self, *, provider: str, settlements: Sequence[Settlement]) -> Sequence[BreakerNews]:
        """Learn from calls; returns how the breaker of each model stands now."""
        ...

    async def views(self) -> Sequence[MeterView]:
        """How every model may be called."""
        ...

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        """Let nobody call a provider until further notice."""
        ...

    async def resume(self, provider: str) -> None:
        """End a pause; one that is not there is no error."""
        ...

    async def pauses(self) -> Sequence[PauseView]:
        """Who has been paused."""
        ...


class Books(Protocol):
    """What was called and paid."""

    async def record(self, calls: Sequence[Call]) -> None:
        """Write down calls and add them to the totals; a call that is on record already changes nothing.

        It locks the totals, so it is the last thing to ask of a transaction.
        """
        ...

    async def totals(self, query: CostQuery) -> Sequence[Total]:
        """Sums over calls, the dearest first."""
        ...

    async def period_costs(self) -> Sequence[PeriodCost]:
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

    async def take_due(self, *, lease: timedelta) -> Job | None:
        """A job that is due for its next step; another worker sees it again after ``lease``."""
        ...

    async def open_items(self, job_id: JobId) -> Sequence[Taken]:
        """The requests of a job that have not ended."""
        ...

    async def items(self, job_id: JobId, queue_ids: Sequence[QueueId]) -> Sequence[Taken]:
        """Those of these requests that are in the job, ended or not."""
        ...

    async def submitting(self, job_id: JobId) -> None:
        """Note that the vendor is about to be given the job."""
        ...

    async def submitted(self, job_id: JobId, *, vendor_job_id: str, poll_after: timedelta) -> None:
        """Note that the vendor has it."""
        ...

    async def look_again(self, job_id: JobId, *, after: timedelta) -> None:
        """Let it rest."""
        ...

    async def close(self, job_id: JobId, *, reason: str | None) -> None:
        """Note that it has ended; with a ``reason``, that it failed as a whole."""
        ...


class Outbox(Protocol):
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
    def books(self) -> Books:
        """The books."""
        ...

    @property
    def jobs(self) -> Jobs:
        """The batch jobs."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What is sent."""
        ...


class Store(Protocol):
    """The service's database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of work: committed at the end, rolled back on any error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCall:
    """What a judge gets to see: the prompt and the parameters, no id and no metadata.

    ``sample`` and ``attempt`` only seed judges that are simulated or replayed.
    """

    prompt: Prompt
    prompt_sha256: str
    parameters: JudgeParameters
    sample: int
    attempt: int


class Ending(StrEnum):
    """Why a model stopped writing."""

    COMPLETE = "complete"
    CUT_OFF = "cut_off"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReply:
    """What a judge sent back, not yet read; it is billed whatever it says.

    ``enforces_length``: the vendor holds an answer to the schema's lengths, so that a longer text is an error and
    not merely wordy.
    """

    text: str
    model: str
    usage: Usage
    ending: Ending = Ending.COMPLETE
    limits: tuple[LimitReading, ...] = ()
    vendor_request_id: str | None = None
    enforces_length: bool = False


class Judge(Protocol):
    """Somebody who can compare two essays.

    Raises ``JudgeError``: what the vendor refused or could not do, and whether to try again.
    """

    async def judge(self, call: JudgeCall) -> JudgeReply:
        """Put the prompt to the model."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One call of a vendor's batch job; ``custom_id`` (64 characters at most) comes back with its outcome."""

    custom_id: str
    call: JudgeCall


class BatchJobState(StrEnum):
    """Where a vendor's batch job is."""

    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJobView:
    """What a vendor says of a batch job; ``reason`` only where it failed as a whole."""

    state: BatchJobState
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """How one item of a job ended: a reply, or the error that kept it from one (``JudgeTimeout`` if it expired)."""

    custom_id: str
    reply: JudgeReply | None
    error: SuiteError | None


class BatchJudge(Protocol):
    """A vendor's batch API: cheaper, and slower. Raises ``JudgeError`` as ``Judge`` does."""

    async def submit(self, items: Sequence[BatchItem]) -> str:
        """Send a job; returns the vendor's id of it."""
        ...

    async def view(self, job_id: str) -> BatchJobView:
        """Ask how a job stands."""
        ...

    def outcomes(self, job_id: str) -> AsyncIterator[BatchOutcome]:
        """The outcomes of a job that has ended, one for each item that the vendor answers for."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Ask the vendor to stop a job; what it has answered is still billed and can be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiringModel:
    """A model that its vendor will soon refuse."""

    provider: str
    model: str
    days_left: int


class Catalogue(Protocol):
    """Which judges there are, which of them this installation can reach, and what they cost."""

    def resolve(self, overrides: LLMConfigOverrides | None) -> JudgeParameters:
        """Model and parameters for a request; raises ``InvalidRequest`` naming the valid choices."""
        ...

    def limits(self, *, provider: str, model: str) -> Limits:
        """How a model may be called, as far as anybody knows before its vendor has said so."""
        ...

    def has_batch_api(self, *, provider: str, model: str) -> bool:
        """True where relaxed requests can go through the vendor's batch API."""
        ...

    def cost(self, *, provider: str, model: str, usage: Usage, at: datetime, in_batch: bool = False) -> Cost:
        """What a call costs that was made at ``at``."""
        ...

    def models(self) -> Sequence[tuple[str, str]]:
        """(provider, model) of all that can be called here and is known by name."""
        ...

    def retiring(self, *, within_days: int) -> Sequence[RetiringModel]:
        """Models that can be called here, but not for much longer."""
        ...


class AdminGate(Protocol):
    """Lets administrators in, and nobody else."""

    async def admit(self, authorization: str | None) -> str:
        """Who asks, from the Authorization header.

        Raises ``NotAuthenticated``, ``NotAuthorized``, or ``Unavailable`` where that cannot be told now.
        """
        ...


class ProviderSwitch(Protocol):
    """The operator's switch for each provider; raises ``NotFound`` for one that there is not."""

    async def pause(self, provider: str, *, by: str, reason: str) -> None:
        """Let nobody call a provider until further notice."""
        ...

    async def resume(self, provider: str, *, by: str) -> None:
        """Let it be called again."""
        ...


class CallbackRules(Protocol):
    """Where results may be sent over HTTP."""

    def check(self, url: str) -> None:
        """Raise ``InvalidRequest`` unless results may be sent there."""
        ...


class Wake(Protocol):
    """Lets workers of this process look for work at once."""

    def __call__(self, *providers: str) -> None:
        """Wake those of these providers; all of them where none is named."""
        ...


class Pause(Protocol):
    """Sleeps until there is work."""

    def wake(self) -> None:
        """End the sleep."""
        ...

    async def wait(self, seconds: float) -> None:
        """Sleep until woken, at most this long."""
        ...


class Pulse(Protocol):
    """Tells the operators that a worker is alive."""

    def beat(self) -> None:
        """A step was completed."""
        ...

    def silent_seconds(self) -> float:
        """Seconds since the last completed step."""
        ...


class StateWatcher(Protocol):
    """Shows the operators how the service stands."""

    def watch(
        self,
        *,
        counts: Sequence[PlaceCount],
        meters: Sequence[MeterView],
        retiring: Sequence[RetiringModel],
    ) -> None:
        """Take the place of what was shown before."""
        ...


class CallWatcher(Protocol):
    """Counts calls, for the operators."""

    def watch(self, call: Call) -> None:
        """Count one call."""
        ...
