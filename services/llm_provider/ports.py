"""What the use cases need from outside, one Protocol each."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from event_contracts import (
    EventEnvelope,
    LLMComparisonResultV1,
    LLMConfigOverrides,
    RequestStatus,
    SuiteError,
)

from llm_provider.domain.limits import LimitReading
from llm_provider.domain.request import Call, JudgeParameters, JudgeRequest, Prompt, QueueId, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A request that has its result, and the calls' events that go with it."""

    queue_id: QueueId
    result: LLMComparisonResultV1
    callback: EventEnvelope[LLMComparisonResultV1]
    callback_topic: str | None
    callback_url: str | None
    announcements: Sequence[EventEnvelope[Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """A request whose call failed and that is tried again after ``pause``; ``cost_usd`` is what it cost."""

    queue_id: QueueId
    pause: timedelta
    cost_usd: Decimal
    error_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One real call for the books."""

    queue_id: QueueId
    attempt: int
    provider: str
    model: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    usage: Usage
    cost_usd: Decimal
    price_list: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """An idempotency key that was used before."""

    queue_id: QueueId
    body_sha256: str


class Transaction(Protocol):
    """One unit of work on the service's database."""

    async def waiting(self, *, at_most: int) -> int:
        """How many requests wait for their result, counted up to ``at_most``."""
        ...

    async def known_keys(self, keys: Sequence[str]) -> Mapping[str, KnownKey]:
        """What is on record for each of these idempotency keys, as far as they were used before."""
        ...

    async def add_requests(self, requests: Sequence[JudgeRequest]) -> Mapping[str, KnownKey]:
        """Queue the requests; returns, by idempotency key, what is on record for each."""
        ...

    async def take(self, *, provider: str, limit: int, lease: timedelta) -> Sequence[JudgeRequest]:
        """A provider's requests to judge now; another worker sees them again after ``lease``."""
        ...

    async def record_calls(self, calls: Sequence[CallRecord]) -> None:
        """Write down what was called and paid."""
        ...

    async def finish(self, finished: Sequence[Finished]) -> int:
        """Store results and send callbacks of requests that have none; returns how many that were."""
        ...

    async def postpone(self, postponed: Sequence[Postponed]) -> None:
        """Put requests back into the queue for later."""
        ...

    async def take_expired(self, *, limit: int) -> Sequence[JudgeRequest]:
        """Requests whose time is over and that nobody is judging; locked until the transaction ends."""
        ...

    async def status(self, queue_id: QueueId) -> RequestStatus | None:
        """How a request stands."""
        ...

    async def forget_prompts(self, *, older_than: timedelta) -> int:
        """Delete the prompts of requests that ended that long ago; returns how many."""
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


class Catalogue(Protocol):
    """Which judges there are, which of them this installation can reach, and what they cost."""

    def resolve(self, overrides: LLMConfigOverrides | None) -> JudgeParameters:
        """Model and parameters for a request; raises ``InvalidRequest`` naming the valid choices."""
        ...

    def cost(self, *, provider: str, model: str, usage: Usage) -> tuple[Decimal, str]:
        """Price of a call in US dollars, and the price list it comes from."""
        ...


class CallbackRules(Protocol):
    """Where results may be sent over HTTP."""

    def check(self, url: str) -> None:
        """Raise ``InvalidRequest`` unless results may be sent there."""
        ...


class Wake(Protocol):
    """Lets a worker of this process look for work at once."""

    def __call__(self) -> None:
        """Wake it."""
        ...


class Pause(Protocol):
    """Sleeps until there is work."""

    def wake(self) -> None:
        """End the sleep."""
        ...

    async def wait(self, seconds: float) -> None:
        """Sleep until woken, at most this long."""
        ...


class CallWatcher(Protocol):
    """Counts calls, for the operators."""

    def watch(self, call: Call) -> None:
        """Count one call."""
        ...
