"""Judges one pair through a provider that only a copy of the suite's sources knows; a program for a test."""

import asyncio
import json
import sys

from event_contracts import LLMConfigOverrides
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit


async def judge(database_url: str) -> None:
    """Print the result of one comparison."""
    bus, results = memory_bus()
    overrides = LLMConfigOverrides(provider_override="scratch", model_override="scratch-1")
    async with serving(settings_for(database_url, scratch_api_key="a-key"), bus=bus) as client:
        await submit(client, [comparison(overrides=overrides)])
        (result,) = await results.waits_for(1)
    print(json.dumps({"winner": result.winner, "provider": result.provider, "model": result.model}))


if __name__ == "__main__":
    asyncio.run(judge(sys.argv[1]))
