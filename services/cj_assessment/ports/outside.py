"""What the use cases need besides the database: texts, judges, the LLM Provider, and the workers of this process."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from event_contracts import (
    ContentServiceError,
    LLMConfigOverrides,
    PanelJudge,
    PromptBlock,
    SuiteError,
    TraceContext,
)

from cj_assessment.domain.batch import BatchId, Judge
from cj_assessment.domain.comparison import AttemptId
from cj_assessment.domain.contents import Fetched
from cj_assessment.ports.values import Recorded


class ContentRefused(ContentServiceError):
    """The content service will not take a text, such as for its size: sending it again changes nothing."""


class ContentStore(Protocol):
    """Where the texts of essays are kept: here, or in another service with the same two routes."""

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:
        """The texts by id; unknown ids are absent, and what cannot be fetched now has its reason."""
        ...

    async def store(self, body: bytes) -> str:
        """Keep a text and return its id.

        Raises ``ContentServiceError`` where that cannot be done now, and ``ContentRefused`` where it never can.
        """
        ...


class MessageLimits(Protocol):
    """How large messages to others may be."""

    async def max_message_bytes(self, topic: str) -> int:
        """Bytes that a message on the topic may have."""
        ...


class JudgeCatalogue(Protocol):
    """Which models can judge, and at what price."""

    def resolve(
        self, overrides: LLMConfigOverrides | None, *, panel: Sequence[PanelJudge] | None
    ) -> tuple[Judge, ...]:
        """The judges that a request gets; raises ``InvalidRequest`` naming the valid choices."""
        ...

    def with_max_cost(self, judge: Judge, overrides: LLMConfigOverrides, *, longest_prompt: int) -> Judge:
        """The judge with what one comparison may cost at most; ``longest_prompt`` is in bytes."""
        ...


class CallbackRules(Protocol):
    """Where results may be sent over HTTP."""

    def check(self, url: str) -> None:
        """Raise ``InvalidRequest`` unless results may be sent there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """One request to the LLM Provider."""

    attempt_id: AttemptId
    batch_id: BatchId
    essay_a_id: str
    essay_b_id: str
    blocks: tuple[PromptBlock, ...]
    overrides: LLMConfigOverrides
    correlation_id: UUID
    user_id: str
    org_id: str | None
    repetition: int
    max_cost_usd: Decimal | None
    allowed_regions: tuple[str, ...] | None = None
    is_relaxed: bool = False
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the LLM Provider refused a request; the refusal is final."""

    attempt_id: AttemptId
    error_code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The LLM Provider's answer to a call: accepted requests with their ids, and final refusals.

    A request in neither was not accepted now, for the reason in ``postponed``: it is sent again later.
    """

    accepted: Mapping[AttemptId, str]
    refused: Sequence[Refusal]
    postponed: Sequence[Refusal] = ()


class SubmissionRefused(SuiteError):
    """The LLM Provider refuses a call as a whole, for its size or its content: fewer comparisons may be accepted."""

    def __init__(self, message: str, *, error_code: str) -> None:
        super().__init__(message)
        self.error_code = error_code


class LlmProvider(Protocol):
    """The gateway to the judges."""

    async def submit(self, requests: Sequence[JudgeRequest]) -> Submitted:
        """Queue up to 500 comparisons.

        Raises ``SubmissionRefused`` where the call as a whole is refused, and ``Unavailable`` or
        ``ExternalServiceError`` when nothing can be submitted now.
        """
        ...

    async def withdraw(self, request_id: str) -> bool:
        """Cancel a request; one that has ended stays as it is.

        False: the LLM Provider does not know the request. Raises ``ExternalServiceError``.
        """
        ...


class ResultWatcher(Protocol):
    """Counts results, for the operators."""

    def watch(self, recorded: Recorded, *, error_codes: Iterable[str | None]) -> None:
        """Count a set of results; ``error_codes`` are those of the answers not seen before, None of a judgement."""
        ...


class PromptWatcher(Protocol):
    """Counts student prompts and rubrics that cannot be fetched, for operators."""

    def prompt_unavailable(self, reason: str) -> None:
        """Count one; ``reason`` is the error's code."""
        ...


class Wake(Protocol):
    """Wakes a worker of this process."""

    def __call__(self) -> None:
        """Wake it."""
        ...


class SetAsideReason(Protocol):
    """Why an item is no longer tried: its last error, and the number of attempts."""

    @property
    def error_code(self) -> str:
        """The code of the contract."""
        ...

    @property
    def message(self) -> str:
        """What went wrong."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        ...
