"""A small batch through a real model on this machine; only where CJ_LOCAL_LLM is set (``make test-local-llm``)."""

import os
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import suite
from event_contracts import LLMConfigOverrides
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit
from suite.local_llm import MODEL, local_llm

ESSAYS = sorted((Path(suite.__file__).parent / "sample_assignment" / "essays").glob("*.txt"))
COMPARISONS = 6

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "CJ_LOCAL_LLM" not in os.environ,
        reason="compiles llama.cpp: set CJ_LOCAL_LLM, or make test-local-llm",
    ),
]


async def test_a_real_model_judges_a_small_batch_end_to_end(database_url: str) -> None:
    overrides = LLMConfigOverrides(
        provider_override="openai_compatible", model_override=MODEL, temperature_override=0.0
    )
    texts = [path.read_text("utf-8") for path in ESSAYS[: COMPARISONS + 1]]
    items = [comparison(first, second, overrides=overrides) for first, second in pairwise(texts)]
    bus, results = memory_bus()
    async with local_llm() as address:
        settings = settings_for(
            database_url,
            openai_compatible_url=address,
            limits={"openai_compatible": {"concurrency": 1}},
            call_timeout=timedelta(minutes=5),
            expires_after=timedelta(minutes=30),
            first_pause=timedelta(seconds=0.1),
            max_attempts=2,
        )
        async with serving(settings, bus=bus) as client:
            answer = await submit(client, items)
            received = await results.waits_for(COMPARISONS, seconds=1_200)
            costs = (await client.get("/api/v1/costs")).json()["total"]

    assert all(item.accepted for item in answer.items)
    assert len({result.request_id for result in received}) == COMPARISONS
    assert {result.model for result in received} == {MODEL}
    assert all(result.token_usage.prompt_tokens > 100 for result in received)
    votes = [result for result in received if result.winner is not None]
    print([(result.winner, result.confidence, result.justification) for result in votes])
    assert len(votes) >= COMPARISONS / 2, "the server holds the model to the schema"
    assert costs["calls"] >= COMPARISONS
