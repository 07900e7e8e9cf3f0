"""What identifies a request and its prompt, and how soon a failed call is made again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from event_contracts import ComparisonRequest, LLMConfigOverrides, PromptBlock, PromptTarget
from hypothesis import given
from hypothesis import strategies as st
from llm_provider.domain.calls.retrying import RetryPolicy
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt, digest, new_prompt
from llm_provider.domain.requests.request import canonical_body
from llm_provider.tests.building import blocks, comparison, parameters

PROMPT = Prompt.of(blocks("one", "two"))


@pytest.mark.parametrize(
    "changed",
    [
        replace(parameters(), model="another"),
        replace(parameters(), provider="replay"),
        replace(parameters(), temperature=0.0),
        replace(parameters(), max_tokens=1),
        replace(parameters(), reasoning_effort="low"),
        replace(parameters(), output_verbosity="low"),
        replace(parameters(), structured_output="tool"),
    ],
)
def test_every_parameter_is_part_of_the_prompts_identity(changed: JudgeParameters) -> None:
    assert digest(PROMPT, changed) != digest(PROMPT, parameters())


def test_the_order_of_the_essays_and_the_system_text_are_part_of_it_too() -> None:
    swapped = Prompt.of(blocks("two", "one"))
    instructed = Prompt.of(blocks("one", "two"), system_override="Judge the spelling only.")

    assert len({digest(prompt, parameters()) for prompt in (PROMPT, swapped, instructed)}) == 3


def test_caller_and_batch_are_not_part_of_the_prompts_identity() -> None:
    mine = comparison("one", "two", batch="mine", user_id="me")
    yours = comparison("one", "two", batch="yours", user_id="you")

    assert digest(new_prompt(mine), parameters()) == digest(new_prompt(yours), parameters())


def test_caching_is_not_part_of_the_prompts_identity() -> None:
    uncached = tuple(block.model_copy(update={"cacheable": False}) for block in blocks("one", "two"))

    assert digest(Prompt.of(uncached), parameters()) == digest(PROMPT, parameters())


def test_a_system_override_takes_the_place_of_the_blocks_system_text() -> None:
    overrides = LLMConfigOverrides(system_prompt_override="Judge the spelling only.")

    prompt = new_prompt(comparison(overrides=overrides))

    assert prompt.system == "Judge the spelling only."


def test_a_system_override_may_be_nothing() -> None:
    prompt = new_prompt(comparison(overrides=LLMConfigOverrides(system_prompt_override="")))

    assert prompt.system == ""


def test_a_plain_prompt_is_sent_where_no_blocks_are_given() -> None:
    request = comparison().model_copy(update={"prompt_blocks": None, "user_prompt": "Compare: …"})

    assert new_prompt(request) == Prompt(
        system="", blocks=(PromptBlock(target=PromptTarget.USER_CONTENT, content="Compare: …"),)
    )


def test_a_body_is_the_same_whatever_its_key_and_different_when_anything_else_is() -> None:
    item = comparison(key="one")
    other = item.model_copy(update={"metadata": {**item.metadata, "bos_batch_id": "other"}})
    plain = ComparisonRequest.model_validate(item.model_dump(exclude={"idempotency_key"}))

    assert canonical_body(item) == canonical_body(item.model_copy(update={"idempotency_key": "two"}))
    assert canonical_body(item) == canonical_body(plain)
    assert canonical_body(item) != canonical_body(other)


def test_a_request_that_is_repeated_in_another_trace_is_the_same_request() -> None:
    item = comparison(key="one")
    traced = item.model_copy(
        update={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": "school=1"}
    )

    assert canonical_body(item) == canonical_body(traced)


def test_a_body_is_the_same_in_whatever_order_its_metadata_comes() -> None:
    item = comparison()
    turned = item.model_copy(update={"metadata": dict(reversed(item.metadata.items()))})

    assert canonical_body(item) == canonical_body(turned)


@given(st.integers(1, 10_000))
def test_retry_delays_double_and_never_exceed_the_longest(attempt: int) -> None:
    policy = RetryPolicy(first_retry_delay=timedelta(seconds=1), max_retry_delay=timedelta(minutes=2))

    delay = policy.retry_delay(attempt)

    assert delay == min(timedelta(seconds=2.0 ** min(attempt - 1, 30)), timedelta(minutes=2))
