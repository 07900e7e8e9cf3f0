"""A comparison of two essays and the attempts to have it judged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, NewType
from uuid import UUID, uuid5

from event_contracts import ErrorCode, InvalidRequest, LLMComparisonResultV1, Winner

from cj_assessment.domain.batch import BatchId, JobId

ComparisonId = NewType("ComparisonId", int)
AttemptId = NewType("AttemptId", UUID)
"""Identity of one attempt; also its idempotency key at the LLM Provider."""

_ATTEMPTS = UUID("6e4b1a1e-58d4-4a4c-8f0a-8b1f5a3d2c90")


class Asked(NamedTuple):
    """A comparison as it stands; slots are items of the batch. A tuple: thousands are read for each decision."""

    round: int
    slot_a: int
    slot_b: int
    state: str
    a_won: bool | None
    judge: str | None
    error_code: str | None = None
    assigned: int = 0
    chosen_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedComparison:
    """A pair to be judged: ``repetition`` counts how often this ordered pair was asked before.

    ``assigned`` is the place of its judge in the batch's panel.
    """

    slot_a: int
    slot_b: int
    repetition: int
    chosen_by: str
    assigned: int


RETRYABLE: Final = frozenset(
    {
        ErrorCode.CIRCUIT_BREAKER_OPEN,
        ErrorCode.CONNECTION_ERROR,
        ErrorCode.LLM_INVALID_RESPONSE,
        ErrorCode.LLM_PARSING_ERROR,
        ErrorCode.LLM_PROVIDER_RATE_LIMIT,
        ErrorCode.LLM_PROVIDER_TIMEOUT,
        ErrorCode.LLM_PROVIDER_UNAVAILABLE,
        ErrorCode.LLM_QUEUE_FULL,
        ErrorCode.RATE_LIMIT,
        ErrorCode.SERVICE_UNAVAILABLE,
        ErrorCode.TIMEOUT,
    }
)
"""Errors after which the same comparison may well succeed later; after any other it fails at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """How patient the service is with one comparison."""

    max_attempts: int = 3
    answer_within: timedelta = timedelta(minutes=10)
    first_pause: timedelta = timedelta(seconds=2)
    resend_after: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentAttempt:
    """An attempt that the LLM Provider has not acknowledged yet."""

    attempt_id: AttemptId
    batch_id: BatchId
    job_id: JobId
    item_a: int
    item_b: int
    repetition: int
    assigned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for an attempt: a winner, or an error code."""

    attempt_id: AttemptId
    batch_id: BatchId
    event_id: UUID
    winner: Winner | None
    justification: str | None
    confidence: float | None
    error_code: str | None
    error_message: str | None
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    price_known: bool
    response_time_ms: int
    prompt_sha256: str
    ended_at: datetime


def attempt_id(comparison: ComparisonId, number: int) -> AttemptId:
    """The id of a comparison's n-th attempt: the same after a crash as before it."""
    return AttemptId(uuid5(_ATTEMPTS, f"{comparison}:{number}"))


def read_answer(result: LLMComparisonResultV1, *, event_id: UUID) -> Answer:
    """The answer that a result carries; raises ``InvalidRequest`` when it is not one of ours."""
    provenance = result.provenance()
    error = result.error_detail
    return Answer(
        attempt_id=_attempt_of(result),
        batch_id=BatchId(provenance.bos_batch_id),
        event_id=event_id,
        winner=result.winner,
        justification=result.justification,
        confidence=result.confidence,
        error_code=error.error_code if error else None,
        error_message=error.message if error else None,
        provider=result.provider,
        model=result.model,
        prompt_tokens=result.token_usage.prompt_tokens,
        completion_tokens=result.token_usage.completion_tokens,
        cost_usd=result.cost_estimate,
        price_known=result.request_metadata.get("price_known") is not False,
        response_time_ms=result.response_time_ms,
        prompt_sha256=provenance.prompt_sha256,
        ended_at=result.completed_at,
    )


def _attempt_of(result: LLMComparisonResultV1) -> AttemptId:
    try:
        return AttemptId(UUID(str(result.request_metadata["attempt_id"])))
    except (KeyError, ValueError) as error:
        raise InvalidRequest("request_metadata.attempt_id must be the UUID that was sent") from error
