"""The LLM provider's contracts: comparison requests, their results, and the events about calls and costs."""

import json
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationError, field_validator, model_validator

from event_contracts.base import WireModel
from event_contracts.errors import CallbackMissing, ErrorCode, ErrorDetail, InvalidCallback, InvalidRequest
from event_contracts.fields import (
    INVALID_IDENTIFIER,
    MAX_REGIONS,
    Count,
    Flag,
    Identifier,
    Int,
    JsonObject,
    LongText,
    Money,
    Name,
    Number,
    Region,
    Sha256Hex,
    Text,
    UtcDatetime,
    is_identifier,
)
from event_contracts.judging import LABEL_A, LABEL_B, MAX_JUSTIFICATION
from event_contracts.trace_context import TraceContext, Traceparent, Tracestate

MAX_COMPARISONS_PER_SUBMISSION: Final = 500
MAX_PROMPT_BLOCKS: Final = 100
JUDGEMENT_FIELDS: Final = frozenset({"winner", "justification", "confidence", "margin", "log_odds_a"})
"""What an answer with a winner has, and an error has not."""

OLD_ERROR_WINNER: Final = "Error"
MAX_REQUEST_METADATA: Final = 100_000
MAX_SUBMISSION_BYTES: Final = 16 * 1024 * 1024
"""Of the body of one call that brings several comparisons; a caller cuts its submissions by it."""


class LLMProvider(StrEnum):
    """Who can judge; `mock` is the simulated judge, `replay` answers with recorded decisions."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"
    OPENAI_COMPATIBLE = "openai_compatible"
    REPLAY = "replay"


class ReasoningEffort(StrEnum):
    """How much a model should think before it answers."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class OutputVerbosity(StrEnum):
    """How wordy a model's answer may be."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class LLMConfigOverrides(WireModel):
    """What the caller wants instead of the service's defaults; null is "the default", 0.0 is a value."""

    model_override: Name | None = None
    provider_override: Name | None = None
    temperature_override: Annotated[Number, Field(ge=0, le=2)] | None = None
    max_tokens_override: Annotated[Int, Field(gt=0)] | None = None
    system_prompt_override: LongText | None = None
    judge_rubric_override: LongText | None = None
    reasoning_effort: ReasoningEffort | None = None
    output_verbosity: OutputVerbosity | None = None

    @field_validator("provider_override")
    @classmethod
    def _lower_case(cls, provider: str | None) -> str | None:
        """Peers write it in capitals as well."""
        return None if provider is None else provider.lower()


class Winner(StrEnum):
    """The essay that the judge preferred, by the label that it saw."""

    ESSAY_A = LABEL_A
    ESSAY_B = LABEL_B


class TokenUsage(WireModel):
    """Tokens that a call was billed for."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class JudgementProvenance(WireModel):
    """What `request_metadata` says about a result: which essays, batch and prompt, which model answered."""

    essay_a_id: Identifier
    essay_b_id: Identifier
    bos_batch_id: Identifier
    prompt_sha256: Sha256Hex
    resolved_provider: Name | None = None
    resolved_model: Name | None = None
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0


Margin = Annotated[Int, Field(ge=1, le=3)]
"""How much better the winner is: 1 slightly, 2 clearly, 3 far."""

MAX_LOG_ODDS: Final = 1_000


class LogOdds(WireModel):
    """What the probabilities of an answer's tokens say: the logarithm of how much likelier slot A was than B.

    `tokens` are those of A and B, among the `top_k` likeliest ones; where one of them was not among these, `value` is
    a bound (`censored`). `constrained`: a grammar left only these answers; `before_reasoning`: the winner was written
    before any reasons. `temperature` is the call's, null for the model's own.
    """

    value: Annotated[Number, Field(ge=-MAX_LOG_ODDS, le=MAX_LOG_ODDS)]
    tokens: Annotated[tuple[Name, ...], Field(max_length=2)]
    top_k: Annotated[Int, Field(ge=1, le=100)]
    censored: Flag
    constrained: Flag
    before_reasoning: Flag
    temperature: Number | None = None


class LLMComparisonResultV1(WireModel):
    """The one callback of a comparison request: a winner with its reasons or an error, never both or neither.

    `request_metadata` is what the caller sent, verbatim, plus prompt_sha256, resolved_provider, resolved_model and
    the numbers of cached tokens. Other services' results on the same topic may lack them: `provenance()` tells.
    `margin` and `log_odds_a` say how far the winner is ahead, where the judge says so.
    A winner `Error`, which older peers write, is read as an error.
    """

    request_id: Name
    correlation_id: UUID
    winner: Winner | None = None
    justification: Annotated[Text, Field(max_length=MAX_JUSTIFICATION)] | None = None
    confidence: Annotated[Number, Field(ge=1, le=5)] | None = None
    margin: Margin | None = None
    log_odds_a: LogOdds | None = None
    error_detail: ErrorDetail | None = None
    provider: Name
    model: Name
    response_time_ms: Count
    token_usage: TokenUsage
    cost_estimate: Money
    requested_at: UtcDatetime
    completed_at: UtcDatetime
    trace_id: Text | None = None
    request_metadata: JsonObject = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _error_is_no_winner(cls, data: object) -> object:
        if not isinstance(data, dict) or data.get("winner") != OLD_ERROR_WINNER:
            return data
        error = data.get("error_detail") or {
            "error_code": ErrorCode.LLM_PROVIDER_SERVICE_ERROR,
            "message": "the judge gave no judgement, and no reason",
            "correlation_id": data.get("correlation_id"),
            "timestamp": data.get("completed_at"),
            "service": data.get("provider"),
            "operation": "judge",
        }
        kept = {name: value for name, value in data.items() if name not in JUDGEMENT_FIELDS}
        return {**kept, "error_detail": error}

    @model_validator(mode="after")
    def _winner_or_error(self) -> Self:
        if (self.winner is None) == (self.error_detail is None):
            raise ValueError("needs exactly one of winner and error_detail")
        reasons = (self.justification, self.confidence)
        if self.winner is not None and None in reasons:
            raise ValueError("a winner needs justification and confidence")
        if self.winner is None and (*reasons, self.margin, self.log_odds_a) != (None,) * 4:
            raise ValueError("an error has neither justification nor confidence nor a margin")
        return self

    def provenance(self) -> JudgementProvenance:
        """What caller and service wrote into `request_metadata`; InvalidRequest where it is not complete."""
        try:
            return JudgementProvenance.model_validate(self.request_metadata)
        except ValidationError as error:
            raise InvalidRequest.of(error) from error


class LLMRequestStartedV1(WireModel):
    """A call to a provider began."""

    provider: Name
    request_type: Literal["comparison"] = "comparison"
    correlation_id: UUID
    user_id: Name | None = None
    metadata: JsonObject = Field(default_factory=dict)


class LLMRequestCompletedV1(LLMRequestStartedV1):
    """A call to a provider ended, well or not."""

    success: Flag
    response_time_ms: Count
    error_message: Text | None = None
    token_usage: TokenUsage | None = None
    cost_estimate: Money | None = None


class ProviderFailureType(StrEnum):
    """How a provider failed."""

    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    SERVICE_UNAVAILABLE = "service_unavailable"


class LLMProviderFailureV1(WireModel):
    """A provider did not do its work."""

    provider: Name
    failure_type: ProviderFailureType
    correlation_id: UUID
    error_details: Text
    circuit_breaker_opened: Flag = False
    metadata: JsonObject = Field(default_factory=dict)


class LLMCostTrackingV1(WireModel):
    """What one call cost, and whom to bill."""

    correlation_id: UUID
    provider: Name
    model: Name
    request_type: Literal["comparison"] = "comparison"
    cost_estimate_usd: Money
    token_usage: TokenUsage
    user_id: Name | None = None
    organization_id: Name | None = None
    service_name: Name
    request_timestamp: UtcDatetime
    response_time_ms: Count
    metadata: JsonObject = Field(default_factory=dict)


class CostAlertType(StrEnum):
    """Which limit was reached."""

    DAILY_LIMIT = "daily_limit"
    MONTHLY_LIMIT = "monthly_limit"
    RATE_SPIKE = "rate_spike"


class LLMCostAlertV1(WireModel):
    """Spending reached a limit."""

    alert_type: CostAlertType
    provider: Name
    current_cost: Money
    threshold: Money
    period: Name
    metadata: JsonObject = Field(default_factory=dict)


class PromptTarget(StrEnum):
    """Which part of the prompt a block belongs to."""

    SYSTEM = "system"
    USER_CONTENT = "user_content"


class PromptBlock(WireModel):
    """A piece of a prompt; cacheable blocks come first and may be kept by the vendor for `ttl`."""

    target: PromptTarget
    content: Annotated[LongText, Field(min_length=1)]
    cacheable: Flag = False
    ttl: Literal["5m", "1h"] = "5m"


PromptBlocks = Annotated[tuple[PromptBlock, ...], Field(min_length=1, max_length=MAX_PROMPT_BLOCKS)]


class Latency(StrEnum):
    """How soon a caller wants its result: as soon as it can be had, or within a day at the batch price."""

    LIVE = "live"
    RELAXED = "relaxed"


class BatchExpiry(StrEnum):
    """What becomes of a relaxed request that the vendor did not get round to: a live call, or an error."""

    RETRY_LIVE = "retry_live"
    REPORT = "report"


class ComparisonRequest(WireModel):
    """POST /api/v1/comparison; where `prompt_blocks` are given they are sent instead of `user_prompt`.

    Requests of a higher `priority` are judged first. None is judged before `not_before`, and one that has no result
    at `expires_at` ends with an error. A `relaxed` request goes through the vendor's batch API where its model has
    one; elsewhere it is judged like a live one.

    `max_cost_usd` caps what all calls for this request may cost together: a call that might go beyond it is not
    made, and the request ends with LLM_COST_LIMIT_EXCEEDED. A judge whose endpoint is not in one of `allowed_regions`
    is refused.

    Older callers send `essay_a` and `essay_b` beside a prompt without the essays. Without `correlation_id` the
    service makes one. `traceparent` and `tracestate` name the trace of this comparison where it is another one than
    that of the HTTP request; they are no part of what is asked.
    """

    user_prompt: Annotated[LongText, Field(min_length=1)]
    essay_a: Annotated[LongText, Field(min_length=1)] | None = None
    essay_b: Annotated[LongText, Field(min_length=1)] | None = None
    prompt_blocks: PromptBlocks | None = None
    callback_topic: Text | None = None
    callback_url: Text | None = None
    llm_config_overrides: LLMConfigOverrides | None = None
    correlation_id: UUID | None = None
    user_id: Name | None = None
    max_cost_usd: Money | None = None
    priority: Annotated[Int, Field(ge=0, le=9)] = 0
    not_before: UtcDatetime | None = None
    expires_at: UtcDatetime | None = None
    latency: Latency = Latency.LIVE
    on_batch_expiry: BatchExpiry = BatchExpiry.RETRY_LIVE
    allowed_regions: Annotated[tuple[Region, ...], Field(min_length=1, max_length=MAX_REGIONS)] | None = None
    metadata: JsonObject = Field(default_factory=dict)
    traceparent: Traceparent | None = None
    tracestate: Tracestate | None = None

    @property
    def trace(self) -> TraceContext | None:
        """The span that the comparison continues."""
        return TraceContext.of(self.traceparent, self.tracestate)

    @field_validator("metadata")
    @classmethod
    def _check_callback(cls, metadata: JsonObject) -> JsonObject:
        """The result repeats all of it, in a message of limited size, and its batch id becomes a key."""
        if len(json.dumps(metadata)) > MAX_REQUEST_METADATA:
            raise ValueError(f"has more than {MAX_REQUEST_METADATA} characters as JSON")
        batch_id = metadata.get("bos_batch_id")
        if isinstance(batch_id, str) and not is_identifier(batch_id):
            raise ValueError(f"bos_batch_id {INVALID_IDENTIFIER}")
        return metadata

    def require_callback(self, allowed_topics: Collection[str]) -> None:
        """Raise CallbackMissing or InvalidCallback unless the result has a place to go that is allowed."""
        if self.callback_topic is None and self.callback_url is None:
            raise CallbackMissing("name a callback_topic, a callback_url, or both: the result is sent there")
        if self.callback_topic is not None and self.callback_topic not in allowed_topics:
            raise InvalidCallback(f"callback_topic must be one of: {', '.join(sorted(allowed_topics))}")


class ComparisonAccepted(WireModel):
    """202: the comparison is in the queue, and one callback will follow."""

    queue_id: UUID
    status: Literal["queued"] = "queued"
    message: Text
    estimated_wait_minutes: Count | None = None


class ComparisonBatchItem(ComparisonRequest):
    """One comparison of a call that brings several; `idempotency_key` stands for the single call's header."""

    idempotency_key: Name | None = None


class ComparisonBatchRequest(WireModel):
    """POST /api/v1/comparisons: up to 500 comparisons in one call."""

    comparisons: Annotated[
        tuple[ComparisonBatchItem, ...], Field(min_length=1, max_length=MAX_COMPARISONS_PER_SUBMISSION)
    ]


class ComparisonItemAnswer(WireModel):
    """The answer to one comparison of several: accepted, or the error that the single call would have got."""

    accepted: ComparisonAccepted | None = None
    error: ErrorDetail | None = None

    @model_validator(mode="after")
    def _accepted_or_error(self) -> Self:
        if (self.accepted is None) == (self.error is None):
            raise ValueError("needs exactly one of accepted and error")
        return self


class ComparisonBatchAnswer(WireModel):
    """One answer an item, in the order of the request."""

    items: Annotated[tuple[ComparisonItemAnswer, ...], Field(max_length=MAX_COMPARISONS_PER_SUBMISSION)]


class ErasureAnswer(WireModel):
    """DELETE /admin/v1/batches/{id} at the LLM Provider: requests of the batch that no longer hold text.

    `outstanding` have a call in progress or were not told yet that they are not wanted: ask again.
    """

    erased: Count
    outstanding: Count


class RequestState(StrEnum):
    """Where a judge request is; the last four are final."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class LastError(WireModel):
    """The latest failure of a request that is still open, or why its model cannot be called now."""

    error_code: Name
    message: Text


class RequestStatus(WireModel):
    """GET /api/v1/requests/{queue_id}.

    `cancel_requested_at`: its caller took it back during a call; it ends as soon as that call has ended.
    """

    queue_id: UUID
    status: RequestState
    correlation_id: UUID
    attempts: Count
    requested_at: UtcDatetime
    completed_at: UtcDatetime | None = None
    provider: Name | None = None
    model: Name | None = None
    cancel_requested_at: UtcDatetime | None = None
    last_error: LastError | None = None
    result: LLMComparisonResultV1 | None = None
