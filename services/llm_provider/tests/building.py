"""What the tests of the LLM Provider send and call: comparisons, prompts, calls."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from event_contracts import (
    ComparisonBatchItem,
    JsonObject,
    LLMConfigOverrides,
    PromptBlock,
    PromptTarget,
    SuiteError,
    Topic,
    Winner,
    fence_pair,
)
from llm_provider.domain.calls.answer import Verdict
from llm_provider.domain.calls.call import NO_COST, Call
from llm_provider.domain.costs.cost import Cost
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt, digest
from llm_provider.domain.requests.request import JudgeRequest, LeasedRequest, QueueId
from llm_provider.ports import JudgeCall
from pydantic import JsonValue

RESULTS = Topic.LLM_COMPARISON_RESULT
NOTHING: Mapping[str, JsonValue] = {}


def blocks(text_a: str, text_b: str) -> tuple[PromptBlock, ...]:
    """A prompt as the CJ Assessment service writes it: instructions, then two fenced texts."""
    pair = fence_pair(text_a, text_b)
    user = [pair.essay_a, pair.essay_b, "Which essay is better?"]
    return (
        PromptBlock(target=PromptTarget.SYSTEM, content="You compare two essays.", cacheable=True),
        *(PromptBlock(target=PromptTarget.USER_CONTENT, content=content) for content in user),
    )


def comparison(
    text_a: str = "The first essay.",
    text_b: str = "The second essay.",
    *,
    batch: str = "batch-1",
    key: str | None = None,
    callback_topic: str | None = RESULTS,
    callback_url: str | None = None,
    overrides: LLMConfigOverrides | None = None,
    metadata: Mapping[str, JsonValue] = NOTHING,
    correlation_id: UUID | None = None,
    user_id: str = "teacher-1",
) -> ComparisonBatchItem:
    """One comparison request."""
    return ComparisonBatchItem(
        idempotency_key=key,
        user_prompt="Which essay is better?",
        prompt_blocks=blocks(text_a, text_b),
        callback_topic=callback_topic,
        callback_url=callback_url,
        llm_config_overrides=overrides,
        correlation_id=correlation_id or uuid4(),
        user_id=user_id,
        metadata={"essay_a_id": "a", "essay_b_id": "b", "bos_batch_id": batch, **metadata},
    )


def json_body(item: ComparisonBatchItem) -> JsonObject:
    """A comparison as JSON."""
    body: JsonObject = item.model_dump(mode="json", exclude_none=True)
    return body


def parameters(
    provider: str = "mock", model: str = "simulated-judge-1", temperature: float | None = None
) -> JudgeParameters:
    """A judge and its parameters."""
    return JudgeParameters(
        provider=provider,
        model=model,
        temperature=temperature,
        max_tokens=1024,
        reasoning_effort=None,
        output_verbosity=None,
        structured_output="json_schema",
    )


def judge_call(
    text_a: str = "The first essay.",
    text_b: str = "The second essay.",
    *,
    sample: int = 0,
    attempt: int = 1,
) -> JudgeCall:
    """A call on two texts."""
    prompt = Prompt.of(blocks(text_a, text_b))
    return JudgeCall(
        prompt=prompt,
        prompt_sha256=digest(prompt, parameters()),
        parameters=parameters(),
        sample=sample,
        attempt=attempt,
    )


def judge_request(
    text_a: str = "The first essay.",
    *,
    batch: str | None = "batch-1",
    user: str | None = "teacher-1",
    priority: int = 0,
    model: str = "simulated-judge-1",
    wait: timedelta = timedelta(0),
    life: timedelta = timedelta(minutes=12),
    is_relaxed: bool = False,
    max_cost_usd: Decimal | None = None,
    reports_batch_expiry: bool = False,
    temperature: float | None = None,
) -> JudgeRequest:
    """A request as the queue has it; ``wait`` and ``life`` count from now."""
    prompt, now, queue_id = Prompt.of(blocks(text_a, "The second essay.")), datetime.now(UTC), uuid4()
    judged_by = parameters(model=model, temperature=temperature)
    return JudgeRequest(
        queue_id=QueueId(queue_id),
        idempotency_key=str(queue_id),
        body_sha256="0" * 64,
        prompt=prompt,
        prompt_sha256=digest(prompt, judged_by),
        parameters=judged_by,
        sample=0,
        callback_topic=RESULTS,
        callback_url=None,
        correlation_id=uuid4(),
        user_id=user,
        batch_id=batch,
        metadata={"essay_a_id": "a", "essay_b_id": "b", "bos_batch_id": batch},
        priority=priority,
        requested_at=now,
        not_before=now + wait,
        expires_at=now + life,
        is_relaxed=is_relaxed,
        reports_batch_expiry=reports_batch_expiry,
        max_cost_usd=max_cost_usd,
    )


def call_of(
    leased: LeasedRequest,
    *,
    error: SuiteError | None = None,
    usage: Usage | None = None,
    cost: Cost = NO_COST,
    retry_after: timedelta | None = None,
    limits: tuple[LimitReading, ...] = (),
    seconds: float = 1.0,
    in_batch: bool = False,
) -> Call:
    """A call that ended now: answered, unless there is an error."""
    now = datetime.now(UTC)
    verdict = Verdict(winner=Winner.ESSAY_A, justification="It is better.", confidence=4)
    return Call(
        leased=leased,
        started_at=now - timedelta(seconds=seconds),
        ended_at=now,
        model=leased.request.parameters.model,
        usage=usage if usage is not None or error is not None else Usage(input=100, output=10),
        cost=cost,
        outcome=error or verdict,
        retry_after=retry_after,
        limits=limits,
        in_batch=in_batch,
    )
