"""A small batch through a real model on this machine; only where CJ_LOCAL_LLM is set (``make test-local-llm``)."""

import os
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import suite
from event_contracts import LLMConfigOverrides
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit
from suite.embedded.local_llm import MODEL, local_llm

ESSAYS = sorted((Path(suite.__file__).parent / "sample_assignment" / "essays").glob("*.txt"))
COMPARISONS = 6
INSTRUCTIONS = (
    "You compare two essays. Answer with one JSON object: winner is Essay A or Essay B, justification is one short"
    " sentence, confidence is a number from 1 to 5."
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "CJ_LOCAL_LLM" not in os.environ,
        reason="compiles llama.cpp: set CJ_LOCAL_LLM, or make test-local-llm",
    ),
]


async def test_a_real_model_judges_a_small_batch_end_to_end(database_url: str) -> None:
    overrides = LLMConfigOverrides(
        provider_override="openai_compatible",
        model_override=MODEL,
        temperature_override=0.0,
        max_tokens_override=200,
        system_prompt_override=INSTRUCTIONS,
    )
    texts = [path.read_text("utf-8") for path in ESSAYS[: COMPARISONS + 1]]
    items = [comparison(first, second, overrides=overrides) for first, second in pairwise(texts)]
    bus, results = memory_bus()
    async with local_llm() as address:
        settings = settings_for(
            database_url,
            openai_compatible_url=address,
            openai_compatible_output="json_object_with_schema",
            limits={"openai_compatible": {"concurrency": 1}},
            call_timeout=timedelta(minutes=5),
            expires_after=timedelta(minutes=30),
            first_retry_delay=timedelta(seconds=0.1),
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
    outcomes = Counter("vote" if result.winner else str(result.error_detail) for result in received)
    assert outcomes["vote"] > 0, outcomes
    assert all(
        result.winner or (result.error_detail and result.error_detail.error_code == "LLM_INVALID_RESPONSE")
        for result in received
    ), "a small model may ramble until it is cut off; then that is not a vote"
    assert costs["calls"] >= COMPARISONS
