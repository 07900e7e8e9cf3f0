"""What the inbox promises on real PostgreSQL: an event has its effect once, however often it is delivered."""

import asyncio
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_kit.messaging.inbox import claim_events
from service_kit.storage.database import Database
from service_kit.tests.builders import prune
from service_kit.tests.conftest import FetchAll
from sqlalchemy import text


async def claim(database: Database, ids: list[UUID], *, consumer: str = "grader") -> set[UUID]:
    async with database.transaction() as connection:
        return await claim_events(connection, consumer=consumer, event_ids=ids)


async def test_a_repeated_event_is_not_new(database: Database) -> None:
    first, second = uuid4(), uuid4()

    claims = [await claim(database, [first]), await claim(database, [first, second])]

    assert claims == [{first}, {second}]


async def test_an_event_twice_in_one_batch_is_new_once(database: Database, fetch: FetchAll) -> None:
    event = uuid4()

    claimed = await claim(database, [event, event])

    assert claimed == {event}
    assert len(await fetch("SELECT 1 FROM inbox")) == 1


async def test_each_consumer_has_its_own_memory(database: Database) -> None:
    event = uuid4()

    claims = [await claim(database, [event], consumer=name) for name in ("grader", "ranker", "grader")]

    assert claims == [{event}, {event}, set()]


async def test_an_event_whose_handling_failed_is_new_again(database: Database) -> None:
    event = uuid4()

    async def fail() -> None:
        async with database.transaction() as connection:
            await claim_events(connection, consumer="grader", event_ids=[event])
            raise ConnectionError("the handler failed")

    await asyncio.gather(fail(), return_exceptions=True)

    assert await claim(database, [event]) == {event}


async def test_claiming_no_events_returns_none(database: Database) -> None:
    assert await claim(database, []) == set()


async def test_overlapping_batches_of_two_replicas_end_without_deadlock_and_share_the_events(
    database: Database,
) -> None:
    events = [uuid4() for _ in range(20_000)]

    async def replica(ids: list[UUID]) -> set[UUID]:
        async with database.transaction() as connection:
            return await claim_events(connection, consumer="grader", event_ids=ids)

    async with asyncio.timeout(60):
        one, other = await asyncio.gather(replica(events), replica(list(reversed(events))))

    assert one | other == set(events)
    assert one & other == set()


async def test_pruning_forgets_what_is_old(database: Database, fetch: FetchAll) -> None:
    old, new = uuid4(), uuid4()
    await claim(database, [old, new])
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE inbox SET received_at = now() - interval '15 days' WHERE event_id = :id"),
            {"id": old},
        )

        pruned = await prune(connection, "handled events", limit=100)

    assert pruned == 1
    assert [row.event_id for row in await fetch("SELECT event_id FROM inbox")] == [new]


async def test_pruning_a_large_inbox_reads_no_more_than_what_is_old(
    database: Database, fetch: FetchAll
) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO inbox SELECT 'grader', gen_random_uuid(), now() - (100000 - n) * interval '1 second'"
                " FROM generate_series(1, 100000) AS n"
            )
        )
        await connection.execute(text("ANALYZE inbox"))

    plan = await fetch("EXPLAIN DELETE FROM inbox WHERE received_at < now() - interval '1 day'")

    assert "inbox_received" in str(plan)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
async def test_however_events_are_batched_and_repeated_each_is_new_once(
    database: Database, batches: list[list[int]]
) -> None:
    consumer = str(uuid4())

    claimed = [
        event
        for batch in batches
        for event in await claim(database, [UUID(int=number) for number in batch], consumer=consumer)
    ]

    assert sorted(claimed) == sorted({UUID(int=number) for batch in batches for number in batch})
