"""A comparison of two essays and the attempts to have it judged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, NewType
from uuid import UUID

from cj_measurement import Reason
from event_contracts import ComparisonState, InvalidRequest, LLMComparisonResultV1, Winner

from cj_assessment.domain.batch import BatchId, JobId

ComparisonId = NewType("ComparisonId", int)
AttemptId = NewType("AttemptId", UUID)
"""Identity of one attempt, random, kept with its row; also its idempotency key at the LLM Provider."""


class Asked(NamedTuple):
    """A comparison and its state; slots are items of the batch. A tuple: thousands are read for each decision.

    ``chosen_by`` is the reason of the version that planned it: a newer one may have reasons that are not known here.
    """

    round: int
    slot_a: int
    slot_b: int
    state: ComparisonState
    a_won: bool | None
    judge: str | None
    error_code: str | None = None
    assigned: int = 0
    chosen_by: str | None = None
    margin: int | None = None
    confidence: float | None = None
    log_odds_a: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedComparison:
    """A pair to be judged: ``repetition`` counts how often this ordered pair was asked before.

    ``assigned`` is the index of its judge in the batch's panel.
    """

    slot_a: int
    slot_b: int
    repetition: int
    chosen_by: Reason
    assigned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPolicy:
    """How often a comparison is sent to the LLM Provider, and how long an answer may take.

    The LLM Provider owns the retries of calls: an error that it reports is final. A second attempt is made only where
    it has lost the first request.
    """

    max_attempts: int
    answer_timeout: timedelta
    relaxed_answer_timeout: timedelta = timedelta(hours=28)
    resend_after: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentAttempt:
    """An attempt that the LLM Provider has not acknowledged yet; ``text_bytes`` are those of both essays."""

    attempt_id: AttemptId
    batch_id: BatchId
    job_id: JobId
    item_a: int
    item_b: int
    essay_a_id: str
    essay_b_id: str
    repetition: int
    assigned: int
    text_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for an attempt: a winner, or an error code.

    ``stops_batch``: the LLM Provider says that every comparison by this judge would fail. An answer counts only where
    the request, the batch and both essays are those of the attempt. ``margin`` (1 to 3) and ``log_odds_a`` say how
    far the winner is ahead; ``log_odds`` is all that came with the latter, as JSON.
    """

    attempt_id: AttemptId
    request_id: str
    batch_id: BatchId
    essay_a_id: str
    essay_b_id: str
    event_id: UUID
    winner: Winner | None
    justification: str | None
    confidence: float | None
    margin: int | None
    log_odds_a: float | None
    log_odds: str | None
    error_code: str | None
    error_message: str | None
    stops_batch: bool
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    price_known: bool
    response_time_ms: int
    prompt_sha256: str
    ended_at: datetime


def read_answer(result: LLMComparisonResultV1, *, event_id: UUID) -> Answer | None:
    """The answer that a result carries; None where it does not name an attempt: the topic is shared with others."""
    try:
        provenance = result.provenance()
        attempt_id = AttemptId(UUID(str(result.request_metadata.get("attempt_id"))))
    except (InvalidRequest, ValueError):
        return None
    error = result.error_detail
    return Answer(
        attempt_id=attempt_id,
        request_id=result.request_id,
        batch_id=BatchId(provenance.bos_batch_id),
        essay_a_id=provenance.essay_a_id,
        essay_b_id=provenance.essay_b_id,
        event_id=event_id,
        winner=result.winner,
        justification=result.justification,
        confidence=result.confidence,
        margin=result.margin,
        log_odds_a=result.log_odds_a.value if result.log_odds_a else None,
        log_odds=result.log_odds_a.model_dump_json() if result.log_odds_a else None,
        error_code=error.error_code if error else None,
        error_message=error.message if error else None,
        stops_batch=error is not None and error.details.get("stops_batch") is True,
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
