"""What the tests of the LLM Provider send and call: comparisons, prompts, calls."""

from collections.abc import Mapping
from uuid import UUID, uuid4

from event_contracts import (
    ComparisonBatchItem,
    JsonObject,
    LLMConfigOverrides,
    PromptBlock,
    PromptTarget,
    Topic,
    fence_pair,
)
from llm_provider.domain.request import JudgeParameters, Prompt, digest
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


def parameters(provider: str = "mock", model: str = "simulated-judge-1") -> JudgeParameters:
    """A judge and its parameters."""
    return JudgeParameters(
        provider=provider,
        model=model,
        temperature=None,
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
