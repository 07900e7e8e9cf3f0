"""A request to judge one pair: its prompt, its judge, where its result goes, and how it ends."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NewType
from uuid import UUID

from event_contracts import (
    ComparisonRequest,
    ErrorDetail,
    JsonObject,
    LLMComparisonResultV1,
    PromptBlock,
    PromptTarget,
    SourceService,
    SuiteError,
    TokenUsage,
    prompt_sha256,
    usd,
)
from event_contracts.judging import ANSWER_SCHEMA

from llm_provider.domain.answer import Verdict

QueueId = NewType("QueueId", UUID)

SERVICE = SourceService.LLM_PROVIDER
MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeParameters:
    """The model that will judge and what it is called with; None is the model's own default.

    ``cache_breakpoints``: the model bills what it writes to its cache, and must be told where the part of a
    prompt ends that other calls share; without it such a model writes, and bills, every whole prompt.
    ``no_reasoning``: how the manifest says this model is told not to reason, where the effort is ``none``.
    """

    provider: str
    model: str
    temperature: float | None
    max_tokens: int
    reasoning_effort: str | None
    output_verbosity: str | None
    structured_output: str
    cache_breakpoints: bool = False
    no_reasoning: str | None = None

    def as_json(self) -> JsonObject:
        """The parameters that determine a judgement, besides provider and model."""
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning_effort": self.reasoning_effort,
            "output_verbosity": self.output_verbosity,
            "structured_output": self.structured_output,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a judge is shown: system text, and the user's blocks in order."""

    system: str
    blocks: tuple[PromptBlock, ...]

    @property
    def user(self) -> str:
        """The user's blocks as one text."""
        return "\n\n".join(block.content for block in self.user_blocks)

    @property
    def user_blocks(self) -> tuple[PromptBlock, ...]:
        """The blocks that are not system text."""
        return tuple(block for block in self.blocks if block.target is PromptTarget.USER_CONTENT)

    @classmethod
    def of(cls, blocks: Sequence[PromptBlock], *, system_override: str | None = None) -> "Prompt":
        """From blocks; ``system_override`` replaces what they say to the system."""
        said = "\n\n".join(block.content for block in blocks if block.target is PromptTarget.SYSTEM)
        return cls(system=system_override or said, blocks=tuple(blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """A request in the queue. ``sample`` tells repetitions of one prompt apart."""

    queue_id: QueueId
    idempotency_key: str
    body_sha256: str
    prompt: Prompt
    prompt_sha256: str
    parameters: JudgeParameters
    sample: int
    callback_topic: str | None
    callback_url: str | None
    correlation_id: UUID
    user_id: str | None
    metadata: JsonObject
    requested_at: datetime
    expires_at: datetime
    attempts: int = 0
    spent_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed call is tried again, and how long a request may live."""

    max_attempts: int = 5
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=2)
    expires_after: timedelta = timedelta(minutes=12)

    def pause(self, attempt: int) -> timedelta:
        """Pause after the n-th attempt (from 1), without a word from the vendor."""
        return min(self.first_pause * (1 << min(attempt - 1, MAX_DOUBLINGS)), self.longest_pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call.

    ``input`` counts all that was read: fresh, read from a cache and written to one. ``cache_write`` counts what
    was written for five minutes or for an hour, ``cache_write_1h`` the part that was written for an hour.
    ``output`` counts all that was written, ``reasoning`` the part that was thought and not shown.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One real call to a judge and how it ended: a verdict or an error."""

    request: JudgeRequest
    started_at: datetime
    ended_at: datetime
    model: str
    usage: Usage
    cost_usd: Decimal
    price_list: str
    verdict: Verdict | None
    error: SuiteError | None
    retry_after: timedelta | None = None

    @property
    def response_time_ms(self) -> int:
        """Time that the call took."""
        return max(0, round((self.ended_at - self.started_at).total_seconds() * 1000))


def new_prompt(request: ComparisonRequest) -> Prompt:
    """The prompt that a request carries: its blocks, else its plain form."""
    overrides = request.llm_config_overrides
    blocks = request.prompt_blocks or (
        PromptBlock(target=PromptTarget.USER_CONTENT, content=request.user_prompt),
    )
    return Prompt.of(blocks, system_override=overrides.system_prompt_override if overrides else None)


def digest(prompt: Prompt, parameters: JudgeParameters) -> str:
    """``prompt_sha256``: identity of everything that determines the judgement."""
    return prompt_sha256(
        system_text=prompt.system,
        user_blocks=[block.content for block in prompt.user_blocks],
        answer_schema=ANSWER_SCHEMA,
        provider=parameters.provider,
        model=parameters.model,
        parameters=parameters.as_json(),
    )


def body_sha256(request: ComparisonRequest) -> str:
    """Identity of a request's body: the same key with another body is a mistake of the caller."""
    body = request.model_dump(mode="json", exclude={"idempotency_key"})
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def result_of(call: Call, *, now: datetime) -> LLMComparisonResultV1:
    """The one callback of a request whose last call this was; its cost is that of all its calls."""
    return _result(
        call.request,
        now=now,
        model=call.model,
        verdict=call.verdict,
        error=None if call.error is None else _detail(call.request, call.error),
        usage=call.usage,
        cost_usd=call.request.spent_usd + call.cost_usd,
        response_time_ms=call.response_time_ms,
    )


def expiry_of(request: JudgeRequest, error: SuiteError, *, now: datetime) -> LLMComparisonResultV1:
    """The callback of a request that was not answered in time."""
    return _result(
        request,
        now=now,
        model=request.parameters.model,
        verdict=None,
        error=_detail(request, error),
        usage=Usage(),
        cost_usd=request.spent_usd,
        response_time_ms=0,
    )


def _detail(request: JudgeRequest, error: SuiteError) -> ErrorDetail:
    return error.detail(service=SERVICE, operation="judge", correlation_id=request.correlation_id)


def _result(
    request: JudgeRequest,
    *,
    now: datetime,
    model: str,
    verdict: Verdict | None,
    error: ErrorDetail | None,
    usage: Usage,
    cost_usd: Decimal,
    response_time_ms: int,
) -> LLMComparisonResultV1:
    return LLMComparisonResultV1(
        request_id=str(request.queue_id),
        correlation_id=request.correlation_id,
        winner=verdict.winner if verdict else None,
        justification=verdict.justification if verdict else None,
        confidence=verdict.confidence if verdict else None,
        error_detail=error,
        provider=request.parameters.provider,
        model=model,
        response_time_ms=response_time_ms,
        token_usage=TokenUsage(
            prompt_tokens=usage.input,
            completion_tokens=usage.output,
            total_tokens=usage.input + usage.output,
        ),
        cost_estimate=usd(cost_usd),
        requested_at=request.requested_at,
        completed_at=now,
        request_metadata={
            **request.metadata,
            "prompt_sha256": request.prompt_sha256,
            "resolved_provider": request.parameters.provider,
            "resolved_model": request.parameters.model,
            "cache_read_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
    )
