"""Who can compare two essays: judges that are called live, and vendors' batch APIs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from event_contracts import LogOdds, SuiteError

from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt


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
    """Why a model stopped writing; ``broken_off``: with an unrecognised finish reason."""

    COMPLETE = "complete"
    CUT_OFF = "cut_off"
    REFUSAL = "refusal"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReply:
    """What a judge sent back, not yet read; it is billed whatever it says.

    ``log_odds_a``: how much likelier slot A was, where the vendor gives the probabilities of its tokens.
    ``enforces_length``: the vendor holds an answer to the schema's lengths, so that a longer text is an error.
    """

    text: str
    model: str
    usage: Usage
    ending: Ending = Ending.COMPLETE
    limits: tuple[LimitReading, ...] = ()
    vendor_request_id: str | None = None
    enforces_length: bool = False
    log_odds_a: LogOdds | None = None


class Judge(Protocol):
    """Compares two essays.

    Raises ``JudgeError``: what the vendor rejected or could not do, and whether to try again.
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
    """The state of a vendor's batch job."""

    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJobView:
    """What a vendor says about a batch job; ``reason`` only where it failed as a whole."""

    state: BatchJobState
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """How one item of a job ended: a reply, or the error instead of one (``JudgeTimeout`` if it expired)."""

    custom_id: str
    result: JudgeReply | SuiteError


class BatchJudge(Protocol):
    """A vendor's batch API: cheaper, and slower. Raises ``JudgeError`` as ``Judge`` does."""

    async def submit(self, items: Sequence[BatchItem]) -> str:
        """Send a job; returns the vendor's id of it."""
        ...

    async def view(self, job_id: str) -> BatchJobView:
        """Ask for a job's state."""
        ...

    def outcomes(self, job_id: str) -> AsyncIterator[BatchOutcome]:
        """The outcomes of a job that has ended, one for each item that the vendor answers for."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Ask the vendor to stop a job; what it has answered is still billed and can be read."""
        ...
