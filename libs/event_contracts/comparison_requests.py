"""Requests to the LLM Provider to judge comparisons, one or several in a call, and how they stand."""

import json
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from event_contracts.base import WireModel
from event_contracts.comparison_results import LLMComparisonResultV1
from event_contracts.errors import CallbackMissing, ErrorDetail, InvalidCallback
from event_contracts.fields import (
    INVALID_IDENTIFIER,
    MAX_REGIONS,
    Count,
    Flag,
    Int,
    JsonObject,
    LongText,
    Money,
    Name,
    Number,
    Region,
    Text,
    UtcDatetime,
    is_identifier,
)
from event_contracts.trace_context import TraceContext, Traceparent, Tracestate

MAX_COMPARISONS_PER_SUBMISSION: Final = 500
MAX_PROMPT_BLOCKS: Final = 100
MAX_REQUEST_METADATA: Final = 100_000
MAX_SUBMISSION_BYTES: Final = 16 * 1024 * 1024
"""Of the body of one call that brings several comparisons; callers split submissions to stay below it."""


class LLMProvider(StrEnum):
    """Who can judge; `mock` is the simulated judge, `replay` answers with recorded decisions.

    A new provider is not added here but in the model manifest: fields take its name as text. These names are those
    that the platform knows and those that the suite's own code tells apart.
    """

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
        """Other services may send upper case."""
        return None if provider is None else provider.lower()


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
    """What becomes of a relaxed request that the vendor did not process in time: a live call, or an error."""

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

    Older callers send `essay_a` and `essay_b` along with a prompt without the essays. Without `correlation_id` the
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
    def _check_metadata(cls, metadata: JsonObject) -> JsonObject:
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
            raise CallbackMissing("give a callback_topic, a callback_url, or both: the result is sent there")
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
    """One answer per item, in the order of the request."""

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
