"""The meters: what may be called now, and what they learn from calls."""

import asyncio
import math
import time
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from llm_provider.domain.calls.settlement import Settlement
from llm_provider.domain.costs.spending import MeterView
from llm_provider.domain.limits import (
    Allowance,
    BreakerPolicy,
    BreakerState,
    LimitReading,
    Limits,
    Pacing,
)
from llm_provider.tests.building import judge_request
from llm_provider.tests.postgres_fixtures import Stored, stored

MODEL = "simulated-judge-1"
TOKENS = 40
BURST = Pacing(share=1.0, burst=timedelta(seconds=1))
HASTY = BreakerPolicy(failures=3, open_for=timedelta(seconds=1), max_open_for=timedelta(seconds=5))


def said(remaining: int, *, limit: int = 600, allowance: Allowance = Allowance.REQUESTS) -> Settlement:
    reading = LimitReading(allowance=allowance, limit=limit, remaining=remaining, resets_in=None)
    return Settlement(model=MODEL, readings={allowance: reading}, has_responded=True)


async def fill(meters: Stored, count: int = 200) -> None:
    await meters.add(*[judge_request() for _ in range(count)])


async def view(meters: Stored) -> MeterView:
    async with meters.store.transaction() as transaction:
        (found,) = await transaction.meters.views()
    return found


async def test_requests_are_granted_at_the_rate_of_their_limit(database_url: str) -> None:
    async with stored(
        database_url, limits=Limits(requests_per_minute=1_200, concurrency=1_000), pacing=BURST
    ) as meters:
        await fill(meters)
        began = time.monotonic()
        first = await meters.take()
        await asyncio.sleep(0.3)
        second = await meters.take()
        elapsed = time.monotonic() - began

    assert len(first) == 21, "a second's worth at once, and the one whose turn it is"
    assert 20 * (0.3 - 0.05) <= len(second) <= min(21, 20 * elapsed + 2), "twenty per second"


async def test_tokens_are_granted_by_what_the_prompts_are_likely_to_have(database_url: str) -> None:
    async with stored(
        database_url, limits=Limits(input_tokens_per_minute=60 * 400, concurrency=1_000), pacing=BURST
    ) as meters:
        await fill(meters)
        leased = await meters.take()

    reserved = [one.reserved_input for one in leased]
    assert sum(reserved[:-1]) <= 400 < sum(reserved) + reserved[0]


async def test_what_was_reserved_and_not_used_is_granted_to_others(database_url: str) -> None:
    async with stored(
        database_url, limits=Limits(output_tokens_per_minute=60 * 400, concurrency=1_000), pacing=BURST
    ) as meters:
        await fill(meters)
        first = await meters.take()
        blocked = await meters.take()
        used = -sum(one.reserved_output for one in first)
        await meters.settle(Settlement(model=MODEL, excess={Allowance.OUTPUT_TOKENS: used}))
        again = await meters.take()

    assert blocked == []
    assert len(again) == len(first)


async def test_all_replicas_share_one_meter(database_url: str) -> None:
    async with stored(
        database_url, limits=Limits(requests_per_minute=600, concurrency=1_000), pacing=BURST
    ) as meters:
        await fill(meters)
        began = time.monotonic()
        leased = await asyncio.gather(*[meters.take(worker=uuid4()) for _ in range(6)])
        refilled = 10 * (time.monotonic() - began)

    assert 11 <= sum(map(len, leased)) <= 12 + math.ceil(refilled)


async def test_no_more_calls_are_made_at_a_time_than_the_vendor_takes(database_url: str) -> None:
    async with stored(database_url, limits=Limits(concurrency=7)) as meters:
        await fill(meters)
        leased = await asyncio.gather(*[meters.take(worker=uuid4()) for _ in range(4)])

    assert sum(map(len, leased)) == 7


async def test_a_rate_limit_cuts_concurrency_once_for_all_calls_that_began_before_it(
    database_url: str,
) -> None:
    async with stored(database_url, limits=Limits(concurrency=20)) as meters:
        for _ in range(3):
            await meters.settle(Settlement(model=MODEL, limited=timedelta(seconds=2)))
        after_one_wave = (await view(meters)).concurrency
        await meters.settle(Settlement(model=MODEL, limited=timedelta(0)))

        after_two = (await view(meters)).concurrency

    assert (after_one_wave, after_two) == (14, 9)


async def test_concurrency_grows_slowly_and_never_beyond_its_limit(database_url: str) -> None:
    async with stored(database_url, limits=Limits(concurrency=20)) as meters:
        await meters.settle(Settlement(model=MODEL, limited=timedelta(0)))
        await meters.settle(Settlement(model=MODEL, replies=14, has_responded=True))
        a_round_later = (await view(meters)).concurrency
        for _ in range(20):
            await meters.settle(Settlement(model=MODEL, replies=20, has_responded=True))

        in_the_end = (await view(meters)).concurrency

    assert (a_round_later, in_the_end) == (15, 20)


async def test_retry_after_holds_back_every_worker_until_its_time(database_url: str) -> None:
    async with stored(database_url) as meters:
        await fill(meters)
        async with meters.store.transaction() as transaction:
            await transaction.meters.hold(provider="mock", model=MODEL, for_time=timedelta(seconds=30))
            await transaction.meters.hold(provider="mock", model=MODEL, for_time=timedelta(seconds=0.1))
        held = [await meters.take(worker=uuid4()) for _ in range(3)]
        await meters.execute("UPDATE meter SET held_until = held_until - interval '30 seconds'")

        free = await meters.take()

    assert held == [[], [], []]
    assert len(free) == 200


async def test_a_vendors_limit_replaces_the_configured_one(database_url: str) -> None:
    async with stored(database_url, limits=Limits(requests_per_minute=600, concurrency=8)) as meters:
        await meters.settle(said(40, limit=50))
        lower = (await view(meters)).requests_per_minute
        await meters.settle(said(3_900, limit=4_000))

        higher = (await view(meters)).requests_per_minute

    assert (lower, higher) == (50, 4_000)


async def test_a_limit_that_was_set_on_purpose_is_not_raised(database_url: str) -> None:
    own = {"mock": Limits(requests_per_minute=600)}
    async with stored(database_url, limits=Limits(requests_per_minute=600), ceilings=own) as meters:
        await meters.settle(said(3_900, limit=4_000))
        raised = (await view(meters)).requests_per_minute
        await meters.settle(said(40, limit=50))

        lowered = (await view(meters)).requests_per_minute

    assert (raised, lowered) == (600, 50)


async def test_nothing_is_sent_for_a_while_when_the_vendor_says_that_hardly_anything_is_left(
    database_url: str,
) -> None:
    async with stored(database_url, limits=Limits(requests_per_minute=600, concurrency=100)) as meters:
        await fill(meters)
        await meters.settle(said(0))
        none = await meters.take()
        await asyncio.sleep(0.65)

        some = await meters.take()

    assert none == []
    assert 0 < len(some) <= 6


async def test_estimates_follow_what_prompts_and_answers_really_have(database_url: str) -> None:
    async with stored(database_url) as meters:
        await fill(meters, 1)
        await meters.settle(
            Settlement(model=MODEL, replies=60, estimated_input=6_000, input=9_000, output=60 * 30)
        )
        (leased,) = await meters.take()

    assert leased.reserved_input == pytest.approx(leased.request.estimated_input * 1.5, rel=0.02)
    assert leased.reserved_output == pytest.approx(30, abs=2)


async def test_failures_in_a_row_open_the_breaker_and_one_answer_closes_it(database_url: str) -> None:
    async with stored(database_url, breaker=HASTY) as meters:
        await fill(meters)
        opened = [await meters.settle(Settlement(model=MODEL, failures=1)) for _ in range(3)]
        refused = await meters.take()
        is_open = (await view(meters)).breaker
        await asyncio.sleep(1.05)
        probe = await meters.take()
        no_second = await meters.take(worker=uuid4())
        answered = [
            await meters.settle(Settlement(model=MODEL, replies=1, has_responded=True)) for _ in range(2)
        ]

        closed = await meters.take()

    assert [(news.is_open, news.has_opened) for news in opened] == [(False, False)] * 2 + [(True, True)]
    assert (is_open, refused) == (BreakerState.OPEN, [])
    assert (len(probe), no_second) == (1, [])
    assert [(news.is_open, news.has_closed) for news in answered] == [(False, True), (False, False)]
    assert len(closed) == 199


async def test_a_probe_that_fails_begins_a_longer_pause(database_url: str) -> None:
    async with stored(database_url, breaker=HASTY) as meters:
        await fill(meters)
        await meters.settle(Settlement(model=MODEL, failures=3))
        while_open = await meters.settle(Settlement(model=MODEL, failures=5))
        await asyncio.sleep(1.05)
        reopened = await meters.settle(Settlement(model=MODEL, failures=1))
        await asyncio.sleep(1.05)

        state = (await view(meters)).breaker

    assert while_open.is_open
    assert not while_open.has_opened, "calls that were in progress when it opened change nothing"
    assert reopened.has_opened
    assert state is BreakerState.OPEN, "twice as long as the first"


async def test_an_answer_between_failures_keeps_the_breaker_closed(database_url: str) -> None:
    async with stored(database_url, breaker=HASTY) as meters:
        for _ in range(5):
            await meters.settle(Settlement(model=MODEL, failures=2, has_responded=True))

        assert (await view(meters)).breaker is BreakerState.CLOSED


async def test_a_paused_provider_is_not_called_until_it_is_resumed(database_url: str) -> None:
    async with stored(database_url) as meters:
        await fill(meters, 3)
        async with meters.store.transaction() as transaction:
            await transaction.meters.pause("mock", by="admin", reason="maintenance")
        paused = await meters.take()
        async with meters.store.transaction() as transaction:
            await transaction.meters.resume("mock")

        resumed = await meters.take()

    assert (len(paused), len(resumed)) == (0, 3)


async def test_accounts_do_not_share_their_limits(database_url: str) -> None:
    async with stored(database_url, limits=Limits(requests_per_minute=60)) as meters:
        await meters.execute(
            "UPDATE meter SET key = 'another account', requests_until = now() + interval '1h'"
        )
        await meters.limit(Limits(requests_per_minute=60))
        await fill(meters)

        leased = await meters.take()

    assert Counter(one.request.parameters.model for one in leased) == {MODEL: 1}


async def test_setting_limits_again_keeps_what_was_learnt(database_url: str) -> None:
    async with stored(database_url, limits=Limits(concurrency=20)) as meters:
        await meters.settle(Settlement(model=MODEL, limited=timedelta(0)))
        await meters.limit(Limits(requests_per_minute=300, concurrency=20))

        seen = await view(meters)

    assert (seen.requests_per_minute, seen.concurrency) == (300, 14)


async def test_a_reply_that_claims_billions_of_tokens_keeps_no_later_request_from_being_taken(
    database_url: str,
) -> None:
    async with stored(database_url) as meters:
        for _ in range(50):
            await meters.settle(
                Settlement(model=MODEL, replies=1, estimated_input=1, input=2**31 - 1, output=2**31 - 1)
            )
        await fill(meters)
        leased = await meters.take()

    assert leased
    assert {one.reserved_input for one in leased} == {2**31 - 1}
