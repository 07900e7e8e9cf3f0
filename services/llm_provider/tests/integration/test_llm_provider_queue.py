"""The queue keeps what it has accepted: through failures, restarts, lost workers and expired waits."""

import asyncio
from datetime import timedelta

import httpx2
from event_contracts import ComparisonBatchAnswer, LLMComparisonResultV1
from llm_provider.tests.building import comparison
from llm_provider.tests.serving import memory_bus, serving, settings_for, submit
from service_kit.tests.waiting import read_until


def ids(results: list[LLMComparisonResultV1]) -> set[str]:
    return {result.request_id for result in results}


async def states(client: httpx2.AsyncClient, answer: ComparisonBatchAnswer) -> list[str]:
    accepted = [item.accepted.queue_id for item in answer.items if item.accepted is not None]
    return [(await client.get(f"/api/v1/requests/{one}")).json()["status"] for one in accepted]


async def test_calls_that_fail_are_made_again_until_every_request_has_its_vote(database_url: str) -> None:
    bus, results = memory_bus()
    settings = settings_for(
        database_url,
        simulated_failure_rate=0.2,
        simulated_rate_limit_rate=0.1,
        first_retry_delay=timedelta(milliseconds=10),
    )
    async with serving(settings, bus=bus) as client:
        await submit(client, [comparison(f"essay {number}") for number in range(50)])
        received = await results.waits_for(50)

    assert len(ids(received)) == len(received) == 50
    assert all(result.winner is not None for result in received)


async def test_a_request_whose_calls_all_fail_ends_with_the_last_error(database_url: str) -> None:
    bus, results = memory_bus()
    settings = settings_for(
        database_url,
        simulated_malformed_rate=1.0,
        max_attempts=3,
        first_retry_delay=timedelta(milliseconds=10),
    )
    async with serving(settings, bus=bus) as client:
        answer = await submit(client, [comparison()])
        (result,) = await results.waits_for(1)
        accepted = answer.items[0].accepted
        assert accepted is not None
        status = (await client.get(f"/api/v1/requests/{accepted.queue_id}")).json()

    assert result.error_detail is not None
    assert result.error_detail.error_code == "LLM_INVALID_RESPONSE"
    assert status["status"] == "failed"
    assert status["attempts"] == 3


async def test_what_was_waiting_at_a_stop_is_judged_after_the_restart(database_url: str) -> None:
    slow = settings_for(database_url, simulated_latency_ms=60_000.0, lease_duration=timedelta(seconds=1))
    first_bus, before = memory_bus()
    async with serving(slow, bus=first_bus) as client:
        answer = await submit(client, [comparison(f"essay {number}") for number in range(20)])
        await read_until(
            lambda: states(client, answer),
            holds=lambda found: found == ["processing"] * 20,
            what="all 20 requests are being judged",
        )
    second_bus, after = memory_bus()

    async with serving(settings_for(database_url), bus=second_bus):
        received = await after.waits_for(20)

    assert before.received == []
    assert len(ids(received)) == 20


async def test_a_request_that_is_not_answered_in_time_ends_in_one_error(database_url: str) -> None:
    bus, results = memory_bus()
    settings = settings_for(
        database_url,
        simulated_rate_limit_rate=1.0,
        expires_after=timedelta(seconds=1),
    )
    async with serving(settings, bus=bus) as client:
        await submit(client, [comparison(), comparison()])
        received = await results.waits_for(2)
        await asyncio.sleep(1.2)

    assert len(ids(received)) == len(results.received) == 2
    assert {result.error_detail and result.error_detail.error_code for result in received} == {"TIMEOUT"}
