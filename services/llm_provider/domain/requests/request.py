"""A request to judge one pair: its prompt, its judge, its state in the queue, and where its result goes."""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

from event_contracts import (
    MAX_SCHEMA_TOKENS,
    TRACEPARENT,
    TRACESTATE,
    ComparisonRequest,
    JsonObject,
    NotFound,
    SourceService,
    TraceContext,
)

from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.requests.fair_turns import Lane
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt

QueueId = NewType("QueueId", UUID)

SERVICE = SourceService.LLM_PROVIDER
CHARACTERS_PER_TOKEN = 4


def request_not_found(queue_id: QueueId) -> NotFound:
    """The error of a request that is not there."""
    return NotFound(
        f"there is no request {queue_id}: check the id; a request is gone some time after it has ended"
    )


class QueueState(StrEnum):
    """Where a request is in the queue: the first five are open, the others are how it ended."""

    WAITING = "waiting"
    DELAYED = "delayed"
    CALLING = "calling"
    AWAITING_BATCH = "awaiting_batch"
    IN_BATCH = "in_batch"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN_STATES: Final = (
    QueueState.WAITING,
    QueueState.DELAYED,
    QueueState.CALLING,
    QueueState.AWAITING_BATCH,
    QueueState.IN_BATCH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """A request as it was accepted. ``sample`` numbers the repetitions of one prompt.

    ``is_relaxed``: it waits for the vendor's batch API; ``reports_batch_expiry``: if the vendor's batch job ends
    without judging it, it ends with an error instead of being judged live.
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
    trace: TraceContext | None = None

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
    def first_state(self) -> QueueState:
        """The state in which it joins the queue."""
        if self.is_relaxed:
            return QueueState.AWAITING_BATCH
        return QueueState.DELAYED if self.not_before > self.requested_at else QueueState.WAITING

    @property
    def estimated_input(self) -> int:
        """Tokens that the prompt is likely to have."""
        return math.ceil(self.prompt.characters / CHARACTERS_PER_TOKEN)

    @property
    def max_usage(self) -> Usage:
        """Tokens that one call may use at most: no token is shorter than a byte.

        Where the model bills writes to its cache, everything that is read is counted as written as well.
        """
        most = len(self.prompt.system.encode()) + len(self.prompt.user.encode()) + MAX_SCHEMA_TOKENS
        written = most if self.parameters.cache_breakpoints else 0
        for_an_hour = any(block.ttl == "1h" for block in self.prompt.blocks)
        return Usage(
            input=most,
            output=self.parameters.max_tokens,
            cache_write=written,
            cache_write_1h=written if for_an_hour else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedRequest:
    """A request that a worker holds: what was tried before, and what its next call was granted.

    ``attempts`` numbers its leases, this one included; ``paid_calls`` counts earlier calls that were billed or may
    have been; ``failures`` counts failed calls, without those that met a rate limit. ``failing_since`` is when the
    first call failed because its vendor was unavailable.
    """

    request: JudgeRequest
    attempts: int
    failures: int = 0
    paid_calls: int = 0
    failing_since: datetime | None = None
    spent_usd: Decimal = Decimal(0)
    price_known: bool = True
    last_error_code: str | None = None
    last_error_message: str | None = None
    cancel_requested: bool = False
    reserved_input: int = 0
    reserved_output: int = 0

    @property
    def queue_id(self) -> QueueId:
        """The request's id."""
        return self.request.queue_id


def canonical_body(request: ComparisonRequest) -> str:
    """A request's body as one text that is the same whenever it asks for the same; without its key and its trace.

    Fields at their defaults are left out, so that adding a field to the contract does not change identities.
    """
    fields = request.model_dump_json(
        exclude={"idempotency_key", "metadata", TRACEPARENT, TRACESTATE}, exclude_defaults=True
    )
    return fields + json.dumps(request.metadata, sort_keys=True, separators=(",", ":"))


def body_sha256(body: str) -> str:
    """Identity of a canonical body: the same key with another body is a mistake of the caller."""
    return hashlib.sha256(body.encode()).hexdigest()
