"""Judges of every vendor, set against the fake vendors; and the calls that they are asked to make."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx2
from event_contracts import JsonObject, PromptBlock, PromptTarget
from llm_provider.adapters.vendors.anthropic.batches import AnthropicBatches
from llm_provider.adapters.vendors.anthropic.messages import AnthropicJudge, anthropic_access
from llm_provider.adapters.vendors.google.batches import GoogleBatches
from llm_provider.adapters.vendors.google.generate_content import GoogleJudge, google_access
from llm_provider.adapters.vendors.openai.batches import OpenAiBatches
from llm_provider.adapters.vendors.openai.responses import OpenAiJudge, openai_access
from llm_provider.adapters.vendors.openai_compatible.judge import OpenAiCompatibleJudge, server_access
from llm_provider.adapters.vendors.openrouter.judge import OpenRouterJudge, openrouter_access
from llm_provider.domain.requests.prompt import JudgeParameters, Prompt, digest
from llm_provider.ports import BatchJudge, Judge, JudgeCall
from llm_provider.tests.vendors.fake_vendors import KEY, Answer, FakeVendors, Scenario, always, fake_vendors

MODELS: Final = {
    "anthropic": "claude-haiku-5-5",
    "openai": "gpt-6-luna",
    "google": "gemini-3.8-flash",
    "openrouter": "anthropic/claude-haiku-5.5",
    "openai_compatible": "llama-3",
}
VENDORS: Final = tuple(MODELS)
BATCH_VENDORS: Final = ("anthropic", "openai", "google")

SECRET_TEXT: Final = "Mormors hemliga recept"
"""A part of an essay that no error and no log may repeat."""

SYSTEM: Final = PromptBlock(target=PromptTarget.SYSTEM, content="You compare essays.", cacheable=True)
TASK: Final = PromptBlock(target=PromptTarget.USER_CONTENT, content="The task: write.", cacheable=True)
ESSAYS: Final = PromptBlock(
    target=PromptTarget.USER_CONTENT, content=f"Essay A: {SECRET_TEXT}. Essay B: Katt."
)
PROMPT: Final = Prompt.of((SYSTEM, TASK, ESSAYS))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A judge, and the vendor that it asks."""

    judge: Judge
    vendors: FakeVendors

    @property
    def sent(self) -> JsonObject:
        """The body of the latest call."""
        return self.vendors.received[-1].body


def call(vendor: str, *, prompt: Prompt = PROMPT, **changes: Any) -> JudgeCall:
    """A call to a vendor's model; ``changes`` are of its parameters."""
    parameters = JudgeParameters(
        provider=vendor,
        model=MODELS[vendor],
        temperature=None,
        max_tokens=1024,
        reasoning_effort=None,
        output_verbosity=None,
        structured_output="json_schema",
    )
    parameters = replace(parameters, **changes)
    return JudgeCall(
        prompt=prompt,
        prompt_sha256=digest(prompt, parameters),
        parameters=parameters,
        sample=0,
        attempt=1,
    )


def judge_of(vendor: str, client: httpx2.AsyncClient, *, base_url: str, key: str = KEY) -> Judge:
    """A vendor's judge at another address than the vendor's."""
    match vendor:
        case "anthropic":
            return AnthropicJudge(client, access=anthropic_access(key, base_url))
        case "openai":
            return OpenAiJudge(client, access=openai_access(key, base_url))
        case "google":
            return GoogleJudge(client, access=google_access(key, base_url))
        case "openrouter":
            return OpenRouterJudge(client, access=openrouter_access(key, base_url))
        case _:
            return OpenAiCompatibleJudge(client, access=server_access(base_url, key=key))


def batches_of(vendor: str, client: httpx2.AsyncClient, *, base_url: str) -> BatchJudge:
    """A vendor's batch API at another address than the vendor's."""
    match vendor:
        case "anthropic":
            return AnthropicBatches(client, access=anthropic_access(KEY, base_url))
        case "openai":
            return OpenAiBatches(client, access=openai_access(KEY, base_url))
        case _:
            return GoogleBatches(client, access=google_access(KEY, base_url))


def plain_client() -> httpx2.AsyncClient:
    """A client that reads no certificates, as nothing here is encrypted: that takes a tenth of a second."""
    return httpx2.AsyncClient(verify=False)


@asynccontextmanager
async def asking(
    vendor: str,
    scenario: Scenario = always(Answer()),  # noqa: B008 - it holds no state
    *,
    key: str = KEY,
) -> AsyncIterator[Asked]:
    """A judge of a vendor that answers as the scenario says."""
    async with fake_vendors(scenario) as vendors, plain_client() as client:
        yield Asked(judge=judge_of(vendor, client, base_url=vendors.url(vendor), key=key), vendors=vendors)


async def sent_to(vendor: str, **changes: Any) -> JsonObject:
    async with asking(vendor) as asked:
        await asked.judge.judge(call(vendor, **changes))
        return asked.sent
