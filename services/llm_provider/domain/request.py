"""A request to judge one pair: its prompt, its judge, its place in the queue, and where its result goes."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NewType
from uuid import UUID

from event_contracts import (
    ComparisonRequest,
    JsonObject,
    PromptBlock,
    PromptTarget,
    SourceService,
    judge_identity,
    prompt_sha256_for,
)
from event_contracts.judging import ANSWER_SCHEMA

from llm_provider.domain.fairness import Lane

QueueId = NewType("QueueId", UUID)

SERVICE = SourceService.LLM_PROVIDER
CHARACTERS_PER_TOKEN = 4
FRAME_TOKENS = 1_000
"""What a vendor adds to a prompt for the answer's schema, at most."""


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


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a judge is shown: system text, and the user's blocks in order."""

    system: str
    blocks: tuple[PromptBlock, ...]

    @cached_property
    def user(self) -> str:
        """The user's blocks as one text."""
        return "\n\n".join(block.content for block in self.user_blocks)

    @cached_property
    def user_blocks(self) -> tuple[PromptBlock, ...]:
        """The blocks that are not system text."""
        return tuple(block for block in self.blocks if block.target is PromptTarget.USER_CONTENT)

    @property
    def characters(self) -> int:
        """The length of all that the judge reads."""
        return len(self.system) + len(self.user)

    @classmethod
    def of(cls, blocks: Sequence[PromptBlock], *, system_override: str | None = None) -> "Prompt":
        """From blocks; ``system_override`` replaces what they say to the system, if need be by nothing."""
        said = "\n\n".join(block.content for block in blocks if block.target is PromptTarget.SYSTEM)
        return cls(system=said if system_override is None else system_override, blocks=tuple(blocks))


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

    def __post_init__(self) -> None:
        lowest = min(
            self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h, self.reasoning
        )
        if lowest < 0:
            raise ValueError(f"tokens cannot be negative: {self}")


class Place(StrEnum):
    """Where a request is: the first five are open, the others are how it ended."""

    WAITING = "waiting"
    LATER = "later"
    CALLING = "calling"
    RELAXED = "relaxed"
    BATCHED = "batched"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """A request as it was accepted. ``sample`` tells repetitions of one prompt apart.

    ``is_relaxed``: it waits for the vendor's batch API; ``reports_batch_expiry``: what the vendor does not get round
    to there ends with an error, instead of being judged live.
    """

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
    batch_id: str | None
    metadata: JsonObject
    priority: int
    requested_at: datetime
    not_before: datetime
    expires_at: datetime
    is_relaxed: bool
    reports_batch_expiry: bool
    max_cost_usd: Decimal | None

    @property
    def lane(self) -> Lane:
        """Whose turn it takes: its batch's, else its user's, else its own."""
        return Lane(
            provider=self.parameters.provider,
            model=self.parameters.model,
            priority=self.priority,
            caller=self.batch_id or self.user_id or str(self.queue_id),
        )

    @property
    def estimated_input(self) -> int:
        """Tokens that the prompt is likely to have."""
        return math.ceil(self.prompt.characters / CHARACTERS_PER_TOKEN)

    @property
    def most_usage(self) -> Usage:
        """Tokens that one call may use at most: no token is shorter than a byte.

        All that is read is written to a cache as well where the model bills that.
        """
        most = len(self.prompt.system.encode()) + len(self.prompt.user.encode()) + FRAME_TOKENS
        written = most if self.parameters.cache_breakpoints else 0
        for_an_hour = any(block.ttl == "1h" for block in self.prompt.blocks)
        return Usage(
            input=most,
            output=self.parameters.max_tokens,
            cache_write=written,
            cache_write_1h=written if for_an_hour else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A request that a worker has taken: what was tried before, and what its next call has been granted.

    ``attempts`` counts calls, this one included; ``failures`` those that count against the request.
    """

    request: JudgeRequest
    attempts: int
    failures: int = 0
    spent_usd: Decimal = Decimal(0)
    price_known: bool = True
    last_error_code: str | None = None
    reserved_input: int = 0
    reserved_output: int = 0

    @property
    def queue_id(self) -> QueueId:
        """The request's id."""
        return self.request.queue_id


def new_prompt(request: ComparisonRequest) -> Prompt:
    """The prompt that a request carries: its blocks, else its plain form."""
    overrides = request.llm_config_overrides
    blocks = request.prompt_blocks or (
        PromptBlock(target=PromptTarget.USER_CONTENT, content=request.user_prompt),
    )
    return Prompt.of(blocks, system_override=overrides.system_prompt_override if overrides else None)


def digest(prompt: Prompt, parameters: JudgeParameters) -> str:
    """``prompt_sha256``: identity of everything that determines the judgement."""
    return prompt_sha256_for(
        _identity(parameters),
        system_text=prompt.system,
        user_blocks=[block.content for block in prompt.user_blocks],
    )


@lru_cache
def _identity(parameters: JudgeParameters) -> bytes:
    return judge_identity(
        answer_schema=ANSWER_SCHEMA,
        provider=parameters.provider,
        model=parameters.model,
        parameters=parameters.as_json(),
    )


def canonical_body(request: ComparisonRequest) -> str:
    """A request's body as one text that is the same whenever it asks for the same; the key is no part of it.

    What is at its default is left out, so that a field that is added to the contract changes no identity.
    """
    fields = request.model_dump_json(exclude={"idempotency_key", "metadata"}, exclude_defaults=True)
    return fields + json.dumps(request.metadata, sort_keys=True, separators=(",", ":"))


def body_sha256(body: str) -> str:
    """Identity of a canonical body: the same key with another body is a mistake of the caller."""
    return hashlib.sha256(body.encode()).hexdigest()
