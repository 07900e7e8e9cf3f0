"""From a caller's overrides to the vendor's wire and back: the whole service, with a vendor at the end of it."""

from typing import Any, Final

import pytest
from event_contracts import LLMConfigOverrides, Winner
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit
from llm_provider.tests.vendors.fake_vendors import KEY, FakeVendors, fake_vendors
from llm_provider.tests.vendors.published_types import REQUESTS

ASKED: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {"model_override": "claude-sonnet-5-5", "reasoning_effort": "none"},
    "openai": {"model_override": "gpt-6-luna", "reasoning_effort": "none", "temperature_override": 0.0},
    "google": {"model_override": "gemini-3.8-flash", "reasoning_effort": "low"},
    "openrouter": {"model_override": "anthropic/claude-haiku-5.5", "reasoning_effort": "low"},
    "openai_compatible": {"model_override": "llama-3", "temperature_override": 0.0},
}
SENT: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {"thinking": {"type": "between_tools"}, "max_tokens": 300},
    "openai": {
        "reasoning": {"effort": "none"},
        "temperature": 0.0,
        "max_output_tokens": 300,
        "prompt_cache_options": {"mode": "explicit"},
    },
    "google": {"store": False},
    "openrouter": {"reasoning": {"effort": "low"}, "max_tokens": 300},
    "openai_compatible": {"temperature": 0.0, "max_tokens": 300},
}


def addresses(vendors: FakeVendors) -> dict[str, object]:
    """Settings that lead every vendor's calls to the fake ones."""
    hosted = ("anthropic", "openai", "google", "openrouter")
    return {
        **{f"{vendor}_api_key": KEY for vendor in hosted},
        **{f"{vendor}_url": vendors.url(vendor) for vendor in hosted},
        "openai_compatible_url": vendors.url("openai_compatible"),
    }


@pytest.mark.parametrize("vendor", ASKED)
async def test_what_a_caller_asks_for_reaches_the_vendor_and_its_verdict_the_caller(
    vendor: str, database_url: str
) -> None:
    overrides = LLMConfigOverrides.model_validate(
        {"provider_override": vendor, "max_tokens_override": 300, **ASKED[vendor]}
    )
    bus, results = memory_bus()
    async with (
        fake_vendors() as vendors,
        serving(settings_for(database_url, **addresses(vendors)), bus=bus) as client,
    ):
        await submit(client, [comparison(overrides=overrides)])
        (result,) = await results.waits_for(1)
        body = vendors.received[-1].body

    REQUESTS[vendor](body)
    assert {name: body[name] for name in SENT[vendor]} == SENT[vendor]
    assert result.winner is Winner.ESSAY_A
    assert result.provider == vendor
    assert result.token_usage.total_tokens > 0
