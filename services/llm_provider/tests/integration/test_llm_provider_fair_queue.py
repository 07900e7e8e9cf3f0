"""The queue gives out each request once, in a fair order, at its time, however full it is."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from event_contracts import RequestState
from llm_provider.adapters.postgres import queue_sql
from llm_provider.domain.calls.call import ended_by
from llm_provider.domain.calls.errors import JudgeUnavailable
from llm_provider.domain.limits import Limits
from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.ports import DelayedRequest
from llm_provider.tests.building import call_of, judge_request
from llm_provider.tests.postgres_fixtures import Stored, stored

MANY = 100_000


def batches(leased: list[LeasedRequest]) -> list[str | None]:
    return [one.request.batch_id for one in leased]


async def test_batches_take_turns_however_many_requests_each_brings(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(*[judge_request(batch="large") for _ in range(300)])
        await queue.add(*[judge_request(batch="small") for _ in range(3)])
        await queue.add(*[judge_request(batch="late") for _ in range(3)])

        first = await queue.take(9)

    assert Counter(batches(first)) == {"large": 3, "small": 3, "late": 3}


async def test_callers_without_a_batch_take_turns_by_user(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(*[judge_request(batch=None, user="busy") for _ in range(50)])
        await queue.add(judge_request(batch=None, user="quiet"))

        first = await queue.take(2)

    assert {one.request.user_id for one in first} == {"busy", "quiet"}


async def test_a_higher_priority_goes_first(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(*[judge_request(batch="usual") for _ in range(10)])
        await queue.add(*[judge_request(batch="urgent", priority=5) for _ in range(2)])

        first = await queue.take(3)

    assert Counter(batches(first)) == {"urgent": 2, "usual": 1}


async def test_models_do_not_wait_for_each_other(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.limit(Limits(concurrency=1), model=("mock", "slow"))
        await queue.add(*[judge_request(model="slow") for _ in range(5)])
        await queue.add(*[judge_request() for _ in range(5)])

        leased = await queue.take()

    assert Counter(one.request.parameters.model for one in leased) == {"slow": 1, "simulated-judge-1": 5}


async def test_two_workers_never_have_the_same_request(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(*[judge_request(batch=f"batch-{number % 7}") for number in range(400)])

        leased = await asyncio.gather(*[queue.take(50, worker=uuid4()) for _ in range(8)])

    ids = [one.queue_id for some in leased for one in some]
    assert len(ids) == len(set(ids)) == 400


async def test_a_request_waits_for_its_time(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(judge_request(wait=timedelta(seconds=0.3)), judge_request(wait=timedelta(hours=1)))
        early = await queue.take()
        await asyncio.sleep(0.35)
        returned = await queue.return_due()

        later = await queue.take()

    assert early == []
    assert returned == len(later) == 1


async def test_a_request_that_is_delayed_comes_back_before_the_others(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(*[judge_request(batch="a") for _ in range(5)])
        (first,) = await queue.take(1)
        await _delay(queue, first, timedelta(0))
        await queue.return_due()

        (again,) = await queue.take(1)

    assert again.queue_id == first.queue_id
    assert (again.attempts, again.failures, again.last_error_code) == (
        2,
        1,
        "LLM_PROVIDER_UNAVAILABLE",
    )


async def test_the_requests_of_a_dead_worker_go_to_another_when_its_lease_is_over(database_url: str) -> None:
    async with stored(database_url, lease=timedelta(seconds=0.2)) as queue:
        await queue.add(judge_request())
        (leased,) = await queue.take()
        too_early = await queue.return_due()
        await asyncio.sleep(0.25)
        await queue.return_due()

        (again,) = await queue.take(worker=uuid4())

    assert too_early == 0
    assert again.queue_id == leased.queue_id
    assert again.attempts == 2


async def test_a_lease_that_is_renewed_is_kept_through_a_long_call(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(judge_request())
        leased = await queue.take()
        returned = 0
        for _ in range(4):
            await queue.execute("UPDATE judge_request SET due_at = now()")
            async with queue.store.transaction() as transaction:
                await transaction.queue.renew(leased, worker=queue.worker)
            returned += await queue.return_due()

    assert returned == 0


async def test_only_the_leases_that_a_worker_knows_of_are_renewed(database_url: str) -> None:
    """A commit whose answer was lost leaves leases that no worker calls for: they must run out."""
    async with stored(database_url) as queue:
        await queue.add(judge_request("known"), judge_request("unknown"))
        known, unknown = await queue.take()
        await queue.execute("UPDATE judge_request SET due_at = now()")
        async with queue.store.transaction() as transaction:
            await transaction.queue.renew([known], worker=queue.worker)

        returned = await queue.return_due()

        (row,) = await queue.rows("SELECT state FROM judge_request WHERE id = :id", id=unknown.queue_id)
    assert (returned, row.state) == (1, "waiting")


async def test_a_request_whose_calls_are_lost_three_times_is_not_called_for_again(database_url: str) -> None:
    async with stored(database_url) as queue:
        request = judge_request()
        await queue.add(request)
        calls = 0
        for _ in range(4):
            calls += len(await queue.take())
            await queue.execute("UPDATE judge_request SET due_at = now() WHERE state = 'calling'")
            await queue.return_due()
        async with queue.store.transaction() as transaction:
            due = await transaction.queue.due_to_end(limit=10, max_attempts=3)

    assert calls == 3, "a call that is lost with its worker may have been paid"
    assert due.keys == [request.queue_id]


async def test_a_worker_that_lost_its_lease_cannot_delay_what_another_is_judging(
    database_url: str,
) -> None:
    async with stored(database_url, lease=timedelta(seconds=0.1)) as queue:
        await queue.add(judge_request())
        (stale,) = await queue.take()
        await asyncio.sleep(0.15)
        await queue.return_due()
        await queue.take(worker=uuid4())

        await _delay(queue, stale, timedelta(0))

        (row,) = await queue.rows("SELECT state, failures, spent_usd FROM judge_request")
    assert (row.state, row.failures) == ("calling", 1), "what it cost is counted all the same"


async def test_only_the_first_end_of_a_request_sends_a_callback(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(judge_request())
        (leased,) = await queue.take()
        for _ in range(2):
            async with queue.store.transaction() as transaction:
                call = call_of(leased)
                await transaction.queue.end([ended_by(call, call.outcome)])

        callbacks = await queue.rows("SELECT 1 FROM outbox")

    assert len(callbacks) == 1


async def test_undoing_a_lease_restores_the_queue(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(judge_request())
        leased = await queue.take()
        async with queue.store.transaction() as transaction:
            await transaction.queue.return_unused(leased, worker=queue.worker)

        (again,) = await queue.take(worker=uuid4())

    assert again.attempts == 1


async def test_what_has_expired_is_not_judged_any_more(database_url: str) -> None:
    async with stored(database_url) as queue:
        request = judge_request(life=timedelta(seconds=-1))
        await queue.add(request)
        leased = await queue.take()
        async with queue.store.transaction() as transaction:
            expired = await transaction.queue.due_to_end(limit=10, max_attempts=3)
            status = await transaction.queue.status(request.queue_id)

    assert leased == []
    assert expired.keys == [request.queue_id]
    assert status is not None
    assert status.status is RequestState.QUEUED


async def test_taking_from_a_full_queue_and_joining_it_cost_a_few_index_probes(database_url: str) -> None:
    async with stored(database_url) as queue:
        await queue.add(judge_request(batch="seed"))
        await queue.execute(_MULTIPLY, many=MANY)
        await queue.execute("ANALYZE judge_request")

        take = await _plan(queue, str(queue_sql.TAKE), {**_TAKE, "worker": uuid4()})
        join = await _plan(queue, str(queue_sql.LANE_POSITIONS), _JOIN)

    assert _scans_of_the_whole_table(take) == _scans_of_the_whole_table(join) == []
    assert _rows_leased(take) == 64
    assert _blocks(take) < 64 * 60, "64 rows in nine indexes; the other 100,000 are not looked at"
    assert _blocks(join) < 40


_TAKE = {
    "provider": "mock",
    "key": "account",
    "models": ["simulated-judge-1"],
    "limit": 64,
    "among": None,
    "share": 1.0,
    "burst": timedelta(seconds=1),
    "lease": timedelta(seconds=30),
}
_JOIN = {
    "providers": ["mock"] * 2,
    "models": ["simulated-judge-1"] * 2,
    "priorities": [0] * 2,
    "callers": ["seed", "another"],
}

# One request many times over, in two hundred lanes.
_MULTIPLY = """
    INSERT INTO judge_request (
        id, idempotency_key, body_sha256, provider, model, parameters, system_prompt, prompt_blocks,
        prompt_sha256, sample, estimated_input, callback_topic, correlation_id, user_id, batch_id, metadata,
        requested_at, not_before, expires_at, is_relaxed, reports_batch_expiry, state, due_at, priority, lane, turn
    )
    SELECT gen_random_uuid(), gen_random_uuid()::text, body_sha256, provider, model, parameters, system_prompt,
        prompt_blocks, prompt_sha256, sample, estimated_input, callback_topic, correlation_id, user_id, batch_id,
        metadata, requested_at, not_before, expires_at, is_relaxed, reports_batch_expiry, state, due_at, priority,
        'lane-' || number % 200, number / 200
    FROM judge_request CROSS JOIN generate_series(1, :many) AS number
"""


async def _delay(queue: Stored, leased: LeasedRequest, delay: timedelta) -> None:
    delayed = DelayedRequest(call=call_of(leased, error=JudgeUnavailable("x")), delay=delay)
    async with queue.store.transaction() as transaction:
        await transaction.queue.delay([delayed])


async def _plan(queue: Stored, statement: str, values: dict[str, object]) -> dict[str, Any]:
    rows = await queue.rows(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", **values)
    found = rows[0][0]
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]
    return plan


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


def _scans_of_the_whole_table(plan: dict[str, Any]) -> list[str]:
    """Sequential scans, and sorts of more than what is leased."""
    return [
        node["Node Type"]
        for node in _nodes(plan["Plan"])
        if (node["Node Type"] == "Seq Scan" and node["Relation Name"] == "judge_request")
        or ("Sort" in node["Node Type"] and node["Actual Rows"] > 64)
    ]


def _rows_leased(plan: dict[str, Any]) -> float:
    rows: float = plan["Plan"]["Actual Rows"]
    return rows


def _blocks(plan: dict[str, Any]) -> int:
    blocks: int = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return blocks
