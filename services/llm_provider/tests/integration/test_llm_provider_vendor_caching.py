"""Vendors cache the part of a prompt that calls share, and bill for nothing else."""

import pytest
from event_contracts import JsonObject, PromptBlock, PromptTarget
from llm_provider.domain.requests.prompt import Prompt
from llm_provider.tests.vendors.bodies import NOWHERE, at, texts
from llm_provider.tests.vendors.calling import ESSAYS, SYSTEM, TASK, sent_to
from llm_provider.tests.vendors.published_types import REQUESTS


async def test_anthropic_may_cache_what_calls_share_and_nothing_else() -> None:
    body = await sent_to("anthropic")

    assert body["system"] == [
        {"type": "text", "text": SYSTEM.content, "cache_control": {"type": "ephemeral", "ttl": "5m"}}
    ]
    assert at(body, ("messages", 0, "content")) == [
        {"type": "text", "text": f"{TASK.content}\n\n", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        {"type": "text", "text": ESSAYS.content},
    ]


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "openrouter"])
async def test_a_prompt_of_which_nothing_is_shared_has_no_breakpoint_and_no_empty_text(vendor: str) -> None:
    fresh = [block.model_copy(update={"cacheable": False}) for block in (SYSTEM, TASK, ESSAYS)]

    body = await sent_to(vendor, prompt=Prompt.of(fresh), cache_breakpoints=True)

    assert "cache_control" not in str(body)
    assert "prompt_cache_breakpoint" not in str(body)
    assert "" not in list(texts(body))
    REQUESTS[vendor](body)


@pytest.mark.parametrize(
    ("model", "mark", "options"),
    [
        ("anthropic/claude-haiku-5.5", {"cache_control": {"type": "ephemeral", "ttl": "5m"}}, NOWHERE),
        ("openai/gpt-6-luna", {"prompt_cache_breakpoint": {"mode": "explicit"}}, {"mode": "explicit"}),
    ],
)
async def test_openrouter_is_told_what_calls_share_in_the_words_of_the_models_vendor(
    model: str, mark: JsonObject, options: object
) -> None:
    body = await sent_to("openrouter", cache_breakpoints=True, model=model)

    shared, own = at(body, ("messages", 1, "content", 0)), at(body, ("messages", 1, "content", 1))
    assert shared == {"type": "text", "text": f"{TASK.content}\n\n", **mark}
    assert own == {"type": "text", "text": ESSAYS.content}
    assert at(body, ("prompt_cache_options",)) == options


async def test_a_breakpoint_lives_as_long_as_what_comes_after_it() -> None:
    task = TASK.model_copy(update={"ttl": "1h"})

    body = await sent_to("anthropic", prompt=Prompt.of((SYSTEM, task, ESSAYS)))

    assert at(body, ("system", 0, "cache_control", "ttl")) == "1h"
    assert at(body, ("messages", 0, "content", 0, "cache_control", "ttl")) == "1h"


async def test_a_request_has_two_breakpoints_at_most_however_many_blocks_may_be_cached() -> None:
    blocks = [
        PromptBlock(target=target, content=f"{target} {number}", cacheable=True)
        for target in (PromptTarget.SYSTEM, PromptTarget.USER_CONTENT)
        for number in range(9)
    ]

    body = await sent_to("anthropic", prompt=Prompt.of((*blocks, ESSAYS)))

    assert str(body).count("cache_control") == 2


async def test_a_model_of_openais_that_bills_cache_writes_writes_what_calls_share_and_nothing_else() -> None:
    body = await sent_to("openai", cache_breakpoints=True)

    assert body["prompt_cache_options"] == {"mode": "explicit"}
    marked = [at(body, ("input", index, "content", 0, "prompt_cache_breakpoint")) for index in (0, 1)]
    assert marked == [{"mode": "explicit"}] * 2
    assert at(body, ("input", 1, "content", 1)) == {"type": "input_text", "text": ESSAYS.content}
    REQUESTS["openai"](body)


async def test_calls_that_share_a_prefix_share_a_cache_and_others_do_not() -> None:
    other = SYSTEM.model_copy(update={"content": "You compare letters."})
    second = ESSAYS.model_copy(update={"content": "Essay A: Sol. Essay B: Måne."})

    keys = [
        (await sent_to("openai", prompt=Prompt.of(blocks)))["prompt_cache_key"]
        for blocks in ((SYSTEM, TASK, ESSAYS), (SYSTEM, TASK, second), (other, TASK, ESSAYS))
    ]

    assert keys[0] == keys[1] != keys[2]
