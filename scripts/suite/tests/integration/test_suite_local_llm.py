"""A small batch through a real model on this machine; only where CJ_LOCAL_LLM is set (``make test-local-llm``)."""

import math
import os
from collections import Counter
from datetime import timedelta
from itertools import combinations, pairwise
from pathlib import Path
from uuid import UUID

import pytest
import suite
from cj_measurement import Comparisons, MeasurementError, fit
from event_contracts import LLMComparisonResultV1, LLMConfigOverrides, Winner
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import Results, memory_bus, serving, settings_for, submit
from suite.tests.local_llm import MODEL, local_llm

ESSAYS = sorted((Path(suite.__file__).parent / "sample_assignment" / "essays").glob("*.txt"))
COMPARISONS = 6
GRADED_ESSAYS, GRADED_WORDS = 5, 40
WAIT_TIMEOUT_SECONDS = 1_800
INSTRUCTIONS = (
    "You compare two essays. Answer with one JSON object: winner is Essay A or Essay B, justification is one short"
    " sentence, confidence is a number from 1 to 5."
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "CJ_LOCAL_LLM" not in os.environ,
        reason="downloads llama.cpp and a model: set CJ_LOCAL_LLM, or make test-local-llm",
    ),
]


async def arriving(
    results: Results, count: int, capsys: pytest.CaptureFixture[str]
) -> list[LLMComparisonResultV1]:
    """All results; each that comes is a line on the screen."""
    received: list[LLMComparisonResultV1] = []
    for number in range(1, count + 1):
        received = await results.waits_for(number, seconds=WAIT_TIMEOUT_SECONDS)
        latest = received[number - 1]
        said = latest.winner or (latest.error_detail and latest.error_detail.error_code)
        with capsys.disabled():
            print(
                f"local model: {number} of {count}, {latest.response_time_ms / 1_000:.1f} s, {said}",
                flush=True,
            )
    return received


async def test_a_real_model_judges_a_small_batch_end_to_end(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
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
            limits={"openai_compatible": {"concurrency": 1}},
            call_timeout=timedelta(minutes=5),
            expires_after=timedelta(minutes=30),
            first_retry_delay=timedelta(seconds=0.1),
            max_attempts=2,
        )
        async with serving(settings, bus=bus) as client:
            answer = await submit(client, items)
            received = await arriving(results, COMPARISONS, capsys)
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


async def test_a_real_model_states_margins_and_the_evidence_test_says_what_they_tell(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = LLMConfigOverrides(
        provider_override="openai_compatible",
        model_override=MODEL,
        temperature_override=0.0,
        max_tokens_override=120,
        system_prompt_override=f"{INSTRUCTIONS} margin is slightly better, clearly better or far better.",
    )
    texts = [" ".join(path.read_text("utf-8").split()[:GRADED_WORDS]) for path in ESSAYS[:GRADED_ESSAYS]]
    pairs = list(combinations(range(GRADED_ESSAYS), 2))
    items = [comparison(texts[first], texts[second], overrides=overrides) for first, second in pairs]
    bus, results = memory_bus()
    async with local_llm() as address:
        settings = settings_for(
            database_url,
            openai_compatible_url=address,
            openai_compatible_token_probabilities=True,
            limits={"openai_compatible": {"concurrency": 1}},
            call_timeout=timedelta(minutes=5),
            expires_after=timedelta(minutes=30),
            first_retry_delay=timedelta(seconds=0.1),
            max_attempts=2,
        )
        async with serving(settings, bus=bus) as client:
            answer = await submit(client, items)
            received = await arriving(results, len(items), capsys)

    place = {
        item.accepted.queue_id: pair for item, pair in zip(answer.items, pairs, strict=True) if item.accepted
    }
    votes = [(place[UUID(result.request_id)], result) for result in received if result.winner]
    with capsys.disabled():
        print(f"\nlocal model: {len(votes)} votes of {len(items)}; {evidence(votes)}")
    assert votes
    assert all(result.margin in (1, 2, 3) for _, result in votes)
    for _, result in votes:
        assert result.log_odds_a is not None
        assert (result.log_odds_a.value > 0) == (
            result.winner is Winner.ESSAY_A
        ) or result.log_odds_a.value == 0


def evidence(votes: list[tuple[tuple[int, int], LLMComparisonResultV1]]) -> str:
    """What the evidence test says of margins and of log-odds, each by itself, with its lead in nats."""
    said = []
    margins = [result.margin for _, result in votes]
    log_odds = [result.log_odds_a.value if result.log_odds_a else math.nan for _, result in votes]
    for name, levels in (("margins", {"margin": margins}), ("log-odds", {"log_odds": log_odds})):
        first, second = zip(*(pair for pair, _ in votes), strict=True)
        won = [result.winner is Winner.ESSAY_A for _, result in votes]
        try:
            fitted = fit(Comparisons.of(GRADED_ESSAYS, first, second, won, **levels), allow_disconnected=True)
        except MeasurementError as error:
            said.append(f"{name}: {error}")
            continue
        said += [f"{name}: lead {found.lead} nats, {found.words}" for found in fitted.levels]
    return "; ".join(said)
