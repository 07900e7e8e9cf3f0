"""Relaxed requests go through a vendor's batch API at its lower price, and each is answered once all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import httpx2
import pytest
from event_contracts import BatchExpiry, ComparisonBatchItem, Latency, LLMConfigOverrides
from llm_provider.domain.costs.usage import Usage
from llm_provider.tests.building import comparison
from llm_provider.tests.postgres_fixtures import stored
from llm_provider.tests.serving import TIMEOUT_SECONDS, Results, memory_bus, serving, settings_for, submit
from llm_provider.tests.vendors.fake_vendors import (
    KEY,
    Answer,
    Expires,
    Failure,
    FakeVendors,
    JobEnd,
    Received,
    always,
    fake_vendors,
)

USAGE = Usage(input=2_000, output=100)
LIVE_PRICE = 2_000 * Decimal("0.10") / 1_000_000 + 100 * Decimal("0.50") / 1_000_000
MODELS = {
    "anthropic": "claude-haiku-5-5",
    "openai": "gpt-6-luna",
    "google": "gemini-3.8-flash",
    "mock": "simulated-judge-1",
}


def relaxed(
    vendor: str, count: int, *, on_expiry: BatchExpiry = BatchExpiry.RETRY_LIVE
) -> list[ComparisonBatchItem]:
    overrides = LLMConfigOverrides(provider_override=vendor, model_override=MODELS[vendor])
    return [
        comparison(f"essay {number}", overrides=overrides).model_copy(
            update={"latency": Latency.RELAXED, "on_batch_expiry": on_expiry}
        )
        for number in range(count)
    ]


@asynccontextmanager
async def service(
    database_url: str, vendors: FakeVendors, **changes: object
) -> AsyncIterator[tuple[httpx2.AsyncClient, Results]]:
    bus, results = memory_bus()
    keys = {f"{vendor}_api_key": KEY for vendor in ("anthropic", "openai", "google")}
    urls = {f"{vendor}_url": vendors.url(vendor) for vendor in ("anthropic", "openai", "google")}
    quick = {
        "batch_collect_for": timedelta(seconds=0.1),
        "batch_poll_interval": timedelta(seconds=0.1),
        "first_retry_delay": timedelta(seconds=0.01),
    }
    settings = settings_for(database_url, **{**keys, **urls, **quick, **changes})
    async with serving(settings, bus=bus) as client:
        yield client, results


def in_batches(vendors: FakeVendors) -> list[bool]:
    return [received.in_batch for received in vendors.received]


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "google"])
async def test_relaxed_requests_are_collected_submitted_and_answered_once_each(
    database_url: str, vendor: str
) -> None:
    async with (
        fake_vendors(always(Answer(usage=USAGE))) as vendors,
        service(database_url, vendors) as (client, results),
    ):
        await submit(client, relaxed(vendor, 12))
        received = await results.waits_for(12)

    assert len(vendors.jobs) == 1
    assert in_batches(vendors) == [True] * 12
    assert len({result.request_id for result in received}) == 12
    assert all(result.winner is not None for result in received)


async def test_a_batch_costs_half(database_url: str) -> None:
    async with (
        fake_vendors(always(Answer(usage=USAGE))) as vendors,
        service(database_url, vendors) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 1))
        (result,) = await results.waits_for(1)

    assert result.cost_estimate == LIVE_PRICE / 2


async def test_a_model_without_a_batch_api_judges_relaxed_requests_live(database_url: str) -> None:
    async with fake_vendors() as vendors, service(database_url, vendors) as (client, results):
        await submit(client, relaxed("mock", 3))
        received = await results.waits_for(3)

    assert all(result.winner is not None for result in received)
    assert vendors.jobs == {}


async def test_a_job_is_no_larger_than_the_settings_say(database_url: str) -> None:
    async with (
        fake_vendors() as vendors,
        service(database_url, vendors, batch_size=5) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 12))
        await results.waits_for(12)

    assert sorted(len(job.items) for job in vendors.jobs.values()) == [2, 5, 5]


async def test_a_job_is_no_longer_than_the_settings_say(database_url: str) -> None:
    async with (
        fake_vendors() as vendors,
        service(database_url, vendors, batch_bytes=10_000) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 12))
        await results.waits_for(12)

    sizes = [sum(item.size for _, item in job.items) for job in vendors.jobs.values()]
    assert len(sizes) > 1
    assert max(sizes) <= 10_000


async def test_an_item_that_is_longer_than_a_job_may_be_is_a_job(database_url: str) -> None:
    async with (
        fake_vendors() as vendors,
        service(database_url, vendors, batch_bytes=1) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 2))
        await results.waits_for(2)

    assert [len(job.items) for job in vendors.jobs.values()] == [1, 1]


async def test_what_came_of_a_file_of_results_before_it_broke_off_is_recorded(database_url: str) -> None:
    async with fake_vendors() as vendors, service(database_url, vendors) as (client, results):
        vendors.breaks_off_files = True
        await submit(client, relaxed("anthropic", 5))
        before = len(await results.waits_for(4))
        vendors.breaks_off_files = False
        received = await results.waits_for(5)

    assert before == 4, "the last line is what the file broke off in"
    assert in_batches(vendors) == [True] * 5, "nothing was paid twice"
    assert len({result.request_id for result in received}) == 5


async def test_a_job_of_which_nothing_can_be_learnt_is_given_up(database_url: str) -> None:
    async with fake_vendors() as vendors:
        vendors.views_before_end = 1_000_000
        async with service(database_url, vendors) as (client, _):
            await submit(client, relaxed("anthropic", 2, on_expiry=BatchExpiry.REPORT))
            await _job_is(database_url, "state = 'running'")
        async with stored(database_url) as database:
            await database.execute("UPDATE batch_job SET created_at = now() - interval '49 hours'")
        async with service(database_url, vendors, anthropic_url="http://127.0.0.1:9") as (_, results):
            received = await results.waits_for(2)

    assert {result.error_detail and result.error_detail.error_code for result in received} == {
        "LLM_PROVIDER_TIMEOUT"
    }


def expiring_in_batches(received: Received) -> Answer | Expires:
    return Expires() if received.in_batch else Answer(usage=USAGE)


async def test_requests_that_expire_in_a_job_are_judged_live(database_url: str) -> None:
    async with (
        fake_vendors(expiring_in_batches) as vendors,
        service(database_url, vendors) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 3))
        received = await results.waits_for(3)

    assert sorted(in_batches(vendors)) == [False] * 3 + [True] * 3
    assert {result.cost_estimate for result in received} == {LIVE_PRICE}
    assert len({result.request_id for result in received}) == 3


async def test_requests_that_expire_in_a_job_are_reported_to_callers_that_ask_for_it(
    database_url: str,
) -> None:
    async with (
        fake_vendors(expiring_in_batches) as vendors,
        service(database_url, vendors) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 2, on_expiry=BatchExpiry.REPORT))
        received = await results.waits_for(2)

    assert in_batches(vendors) == [True] * 2
    assert {result.error_detail and result.error_detail.error_code for result in received} == {
        "LLM_PROVIDER_TIMEOUT"
    }


@pytest.mark.parametrize("end", [JobEnd.FAILED, JobEnd.EXPIRED])
async def test_a_job_that_fails_as_a_whole_loses_nothing(database_url: str, end: JobEnd) -> None:
    async with fake_vendors() as vendors, service(database_url, vendors) as (client, results):
        vendors.job_end = end
        await submit(client, relaxed("openai", 4))
        received = await results.waits_for(4)

    assert all(result.winner is not None for result in received), "judged live"


async def test_an_item_whose_answer_is_not_a_vote_is_asked_again_and_both_are_billed(
    database_url: str,
) -> None:
    def scenario(received: Received) -> Answer:
        return Answer(text="a tie", usage=USAGE) if received.in_batch else Answer(usage=USAGE)

    async with fake_vendors(scenario) as vendors, service(database_url, vendors) as (client, results):
        await submit(client, relaxed("anthropic", 1))
        (result,) = await results.waits_for(1)

    assert result.winner is not None
    assert result.cost_estimate == LIVE_PRICE / 2 + LIVE_PRICE


async def test_an_item_that_the_vendor_refuses_ends_with_its_error(database_url: str) -> None:
    async with (
        fake_vendors(always(Failure(status=400))) as vendors,
        service(database_url, vendors) as (client, results),
    ):
        await submit(client, relaxed("anthropic", 1))
        (result,) = await results.waits_for(1)

    assert result.error_detail is not None
    assert result.error_detail.error_code == "LLM_PROVIDER_API_ERROR"


async def test_a_running_job_is_found_again_after_a_restart(database_url: str) -> None:
    async with fake_vendors() as vendors:
        vendors.views_before_end = 1_000_000
        async with service(database_url, vendors) as (client, _):
            await submit(client, relaxed("anthropic", 5))
            await _job_is(database_url, "state = 'running'")
        (job,) = vendors.jobs.values()
        job.views_left = 0
        async with service(database_url, vendors) as (_, results):
            received = await results.waits_for(5)

    assert len(vendors.jobs) == 1
    assert len({result.request_id for result in received}) == 5


async def test_a_job_that_was_being_submitted_at_a_kill_costs_one_job_and_answers_once(
    database_url: str,
) -> None:
    async with fake_vendors(always(Answer(usage=USAGE))) as vendors:
        vendors.views_before_end = 1_000_000
        async with service(database_url, vendors) as (client, before):
            await submit(client, relaxed("anthropic", 5))
            await _job_is(database_url, "state = 'running'")
        async with stored(database_url) as database:
            # What a kill between the vendor's answer and the commit leaves behind.
            await database.execute(
                "UPDATE batch_job SET state = 'submitting', vendor_job_id = NULL, due_at = now()"
            )
        vendors.views_before_end = 1
        async with service(database_url, vendors) as (client, after):
            received = await after.waits_for(5)
            await asyncio.sleep(0.3)
            costs = (await client.get("/api/v1/costs")).json()["total"]

    assert len(vendors.jobs) == 2, "the first is paid for nothing: one job per kill, at most"
    assert before.received == []
    assert len({result.request_id for result in received}) == len(after.received) == 5
    assert costs["calls"] == 5


async def test_outcomes_that_are_read_twice_are_billed_and_answered_once(database_url: str) -> None:
    async with fake_vendors(always(Answer(usage=USAGE))) as vendors:
        async with service(database_url, vendors) as (client, first):
            await submit(client, relaxed("anthropic", 5))
            await first.waits_for(5)
            await _job_is(database_url, "state = 'ended'")
        async with stored(database_url) as database:
            await database.execute("UPDATE batch_job SET state = 'running', ended_at = NULL, due_at = now()")
        async with service(database_url, vendors) as (client, second):
            await _job_is(database_url, "state = 'ended'")
            costs = (await client.get("/api/v1/costs")).json()["total"]
        async with stored(database_url) as database:
            (job,) = await database.rows("SELECT state FROM batch_job")

    assert job.state == "ended"
    assert second.received == []
    assert costs["calls"] == 5


async def test_a_job_whose_requests_are_all_cancelled_is_cancelled_and_billed_as_far_as_it_went(
    database_url: str,
) -> None:
    async with fake_vendors(always(Answer(usage=USAGE))) as vendors:
        vendors.views_before_end = 1_000_000
        async with service(database_url, vendors) as (client, results):
            answer = await submit(client, relaxed("anthropic", 2))
            await _until(lambda: bool(vendors.jobs))
            await _cancel(client, [item.accepted.queue_id for item in answer.items if item.accepted])
            await results.waits_for(2)
            (job,) = vendors.jobs.values()
            await _until(lambda: job.cancelled)

    assert len(results.received) == 2
    assert all(result.winner is None for result in results.received)


async def test_a_vendor_that_is_away_when_a_job_is_submitted_gets_it_later(database_url: str) -> None:
    async with fake_vendors() as vendors:
        address = vendors.address
        vendors.address = "http://127.0.0.1:9"
        async with service(database_url, vendors) as (client, _):
            await submit(client, relaxed("anthropic", 2))
            await _job_is(database_url, "state = 'submitting' AND submissions > 0")
        vendors.address = address
        async with service(database_url, vendors) as (_, results):
            received = await results.waits_for(2)

    assert all(result.winner is not None for result in received)
    assert in_batches(vendors) == [True] * 2


async def _cancel(client: httpx2.AsyncClient, queue_ids: Sequence[object]) -> None:
    for queue_id in queue_ids:
        await client.post(f"/api/v1/requests/{queue_id}/cancel")


async def _job_is(database_url: str, condition: str) -> None:
    """Wait until the database has a job of which this is true."""
    async with stored(database_url) as database, asyncio.timeout(TIMEOUT_SECONDS):
        while not await database.rows(f"SELECT 1 FROM batch_job WHERE {condition}"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not holds():  # noqa: ASYNC110 - nothing here says when
            await asyncio.sleep(0.02)
