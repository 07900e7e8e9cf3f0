"""What item workers promise: one bad item stops no other, and is set aside in the end, on real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from event_contracts import InvalidRequest
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import (
    captured_logs,
    metric,
    new_metrics,
    prune,
    running,
)
from service_kit.tests.conftest import FetchAll
from service_kit.tests.waiting import WAIT_TIMEOUT_SECONDS, eventually
from service_kit.work.failed_items import (
    RetryRules,
    is_retryable_sql,
    list_set_aside,
    take_back,
)
from service_kit.work.isolation import Failure
from service_kit.work.items import FailureRecord, ItemWorker, SetAsideReason, TaskWorker
from sqlalchemy import text

SOON = RetryRules(max_attempts=3, first_delay=timedelta(milliseconds=10), max_delay=timedelta(seconds=1))
NAME = "counting"


@dataclass(frozen=True)
class Due:
    """Items to work on now."""

    keys: Sequence[int]
    rest_seconds: float | None


class Work:
    """Items 0 to n-1 that are done once each, unless they are poisonous; taken from PostgreSQL as services do.

    Poisonous items are so for ever, or until each was tried ``recovers_after`` times.
    """

    def __init__(
        self,
        database: Database,
        count: int,
        poisonous: Sequence[int] = (),
        *,
        recovers_after: int | None = None,
    ) -> None:
        self.database = database
        self.open = set(range(count))
        self.poisonous = set(poisonous)
        self.recovers_after = recovers_after
        self.done: list[int] = []
        self.ended: dict[int, SetAsideReason] = {}
        self.tried: list[int] = []

    async def take(self, limit: int) -> Due:
        query = text(
            "SELECT item FROM unnest(CAST(:items AS int[])) AS item"
            f" WHERE {is_retryable_sql(NAME, 'item')} ORDER BY item LIMIT :limit"
        )
        async with self.database.transaction() as connection:
            found = await connection.execute(query, {"items": sorted(self.open), "limit": limit})
        keys = list(found.scalars())
        return Due(keys=keys, rest_seconds=0.01 if self.open else None)

    async def handle(self, keys: Sequence[int]) -> None:
        self.tried += keys
        if bad := self.poisonous.intersection(keys):
            if self.recovers_after is not None:
                self.poisonous -= {key for key in bad if self.tried.count(key) >= self.recovers_after}
            raise InvalidRequest(f"item {min(bad)} cannot be read")
        self.done += keys
        self.open -= set(keys)

    async def handle_one(self, key: int) -> None:
        await self.handle([key])

    async def set_aside(self, key: int, reason: SetAsideReason) -> None:
        self.ended[key] = reason
        self.open.discard(key)


def record_of(work: Work, metrics: ServiceMetrics, *, rules: RetryRules = SOON) -> FailureRecord[int]:
    return FailureRecord(
        worker=NAME, database=work.database, metrics=metrics, set_aside=work.set_aside, rules=rules
    )


MakeWorker = Callable[[Work, ServiceMetrics], Callable[[], Awaitable[None]]]


def in_sets(work: Work, metrics: ServiceMetrics) -> Callable[[], Awaitable[None]]:
    return ItemWorker(
        name=NAME, take=work.take, handle=work.handle, failures=record_of(work, metrics), batch_size=8
    ).run


def in_tasks(work: Work, metrics: ServiceMetrics) -> Callable[[], Awaitable[None]]:
    return TaskWorker(
        name=NAME, take=work.take, handle=work.handle_one, failures=record_of(work, metrics), concurrency=4
    ).run


both_workers = pytest.mark.parametrize("make_worker", [in_sets, in_tasks])


@both_workers
async def test_bad_items_are_set_aside_and_all_others_are_done_once(
    database: Database, make_worker: MakeWorker
) -> None:
    work, metrics = Work(database, 40, poisonous=[0, 7, 39]), new_metrics()

    with captured_logs() as logs:
        async with running(make_worker(work, metrics)):
            await eventually(lambda: metric(metrics, "worker_items_set_aside_total", worker=NAME) == 3)
            await eventually(lambda: not work.open)

    assert sorted(work.done) == [item for item in range(40) if item not in work.poisonous]
    assert set(work.ended) == work.poisonous
    assert work.ended[7] == SetAsideReason(
        error_code="VALIDATION_ERROR", message="item 7 cannot be read", attempts=3
    )
    assert metric(metrics, "worker_item_failures_total", worker=NAME) == 9
    said = [entry for entry in logs if entry["event"] == "item.set_aside"]
    assert sorted(entry["item"] for entry in said) == ["0", "39", "7"]


async def test_one_traceback_is_logged_per_distinct_error(database: Database) -> None:
    work = Work(database, 3)
    errors = [InvalidRequest("no text"), InvalidRequest("no text"), InvalidRequest("no author")]

    with captured_logs() as logs:
        await record_of(work, new_metrics()).failed(
            [Failure(item, error) for item, error in enumerate(errors)]
        )

    assert [entry["reason"] for entry in logs if entry["exc_info"]] == ["no text", "no author"]
    assert [entry["item"] for entry in logs if entry["event"] == "item.failed"] == ["0", "1", "2"]


@both_workers
async def test_a_bad_item_delays_no_other(database: Database, make_worker: MakeWorker) -> None:
    work = Work(database, 40, poisonous=range(0, 40, 2))

    with captured_logs():
        async with running(make_worker(work, new_metrics())):
            await eventually(lambda: len(work.done) == 20)

    assert max(work.tried.count(item) for item in work.done) <= 6  # alone, and in the sets that were narrowed


@both_workers
async def test_an_item_that_recovers_starts_to_count_again(
    database: Database, fetch: FetchAll, make_worker: MakeWorker
) -> None:
    work = Work(database, 3, poisonous=[1], recovers_after=2)

    with captured_logs():
        async with running(make_worker(work, new_metrics())):
            await eventually(lambda: not work.open)
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while await fetch("SELECT 1 FROM failed_item"):  # noqa: ASYNC110 - another process could clear it
                    await asyncio.sleep(0.01)

    assert work.ended == {}


async def test_a_slow_item_delays_no_other(database: Database) -> None:
    work, release = Work(database, 20), asyncio.Event()

    async def handle(key: int) -> None:
        if key == 0:
            await release.wait()
        await work.handle_one(key)

    worker = TaskWorker(
        name=NAME, take=work.take, handle=handle, failures=record_of(work, new_metrics()), concurrency=2
    )
    async with running(worker.run):
        await eventually(lambda: len(work.done) == 19)
        release.set()
        await eventually(lambda: not work.open)

    assert sorted(work.done) == list(range(20))


async def test_a_leased_item_is_started_immediately(database: Database) -> None:
    """A lease on an item that is not being worked on would delay it until the lease has run out."""
    work, release, leased = Work(database, 6), asyncio.Event(), set[int]()

    async def take(limit: int) -> Due:
        keys = sorted(work.open - leased)[:limit]
        leased.update(keys)
        return Due(keys=keys, rest_seconds=0.01 if keys else None)

    async def handle(key: int) -> None:
        if key == 0:
            await release.wait()
        await work.handle_one(key)

    worker = TaskWorker(
        name=NAME,
        take=take,
        handle=handle,
        failures=record_of(work, new_metrics()),
        concurrency=2,
        takes_leases=True,
    )
    async with running(worker.run):
        await eventually(lambda: len(work.done) == 5)
        release.set()
        await eventually(lambda: not work.open)

    assert sorted(work.done) == list(range(6))


@both_workers
async def test_an_outage_touches_no_item(
    database: Database, fetch: FetchAll, make_worker: MakeWorker
) -> None:
    work, is_away = Work(database, 5), True
    handle = work.handle

    async def away(keys: Sequence[int]) -> None:
        if is_away:
            work.tried += keys
            raise ConnectionError("the other service is unavailable")
        await handle(keys)

    work.handle = away  # type: ignore[method-assign]  # the outage
    with captured_logs() as logs:
        async with running(make_worker(work, new_metrics())):
            await eventually(lambda: len(work.tried) >= 10)
            assert await fetch("SELECT 1 FROM failed_item") == []
            is_away = False
            await eventually(lambda: not work.open)

    assert sorted(work.done) == list(range(5))
    assert {entry["event"] for entry in logs} <= {"infrastructure.unavailable", "infrastructure.recovered"}


@both_workers
async def test_an_item_whose_end_fails_as_well_is_set_aside_all_the_same(
    database: Database, make_worker: MakeWorker
) -> None:
    work = Work(database, 2, poisonous=[1])

    async def broken(key: int, _reason: SetAsideReason) -> None:
        raise ValueError(f"{key} cannot even be ended")

    work.set_aside = broken  # type: ignore[assignment,method-assign]  # what a worse poison does
    with captured_logs() as logs:
        async with running(make_worker(work, new_metrics())):
            await eventually(lambda: any(entry["event"] == "item.set_aside" for entry in logs))
            tried = work.tried.count(1)
            await asyncio.sleep(0.1)

    assert work.tried.count(1) == tried
    assert any(entry["event"] == "item.set_aside_incomplete" for entry in logs)


async def test_an_operator_can_list_what_was_set_aside_and_have_it_tried_again(database: Database) -> None:
    work, metrics = Work(database, 1, poisonous=[0]), new_metrics()
    with captured_logs():
        async with running(in_sets(work, metrics)):
            await eventually(lambda: metric(metrics, "worker_items_set_aside_total", worker=NAME) == 1)

    async with database.transaction() as connection:
        listed = await list_set_aside(connection)
        other = await list_set_aside(connection, worker="another")
        replayed = await take_back(connection, worker=NAME, item="0")
        again = await take_back(connection, worker=NAME, item="0")
    work.open, work.poisonous = {0}, set()
    async with running(in_sets(work, new_metrics())):
        await eventually(lambda: not work.open)

    assert [(item.item, item.attempts, item.error_message) for item in listed] == [
        ("0", 3, "item 0 cannot be read")
    ]
    assert other == []
    assert replayed is not None
    assert again is None
    assert work.done == [0]


async def test_failures_outlive_the_process_that_saw_them(database: Database) -> None:
    work = Work(database, 1, poisonous=[0])
    rules = RetryRules(max_attempts=3, first_delay=timedelta(0), max_delay=timedelta(0))

    with captured_logs():
        for _ in range(3):
            restarted = ItemWorker(
                name=NAME,
                take=work.take,
                handle=work.handle,
                failures=record_of(work, new_metrics(), rules=rules),
                batch_size=8,
            )
            await restarted.step()

    assert work.ended[0].attempts == 3


async def test_failures_of_long_ago_do_not_count(database: Database, fetch: FetchAll) -> None:
    work = Work(database, 1, poisonous=[0])
    worker = ItemWorker(
        name=NAME, take=work.take, handle=work.handle, failures=record_of(work, new_metrics()), batch_size=8
    )
    with captured_logs():
        await worker.step()
        async with database.transaction() as connection:
            await connection.execute(
                text(
                    "UPDATE failed_item SET attempts = 2, not_before = now(),"
                    " last_failed_at = now() - interval '2 hours'"
                )
            )
        await worker.step()

    assert [row.attempts for row in await fetch("SELECT attempts FROM failed_item")] == [1]


async def test_an_error_message_that_cannot_be_stored_is_stored_escaped_and_bounded(
    database: Database, fetch: FetchAll
) -> None:
    work = Work(database, 1)

    async def handle(_keys: Sequence[int]) -> None:
        raise ValueError("\x00\ud800" + "x" * 5000)

    worker = ItemWorker(
        name=NAME, take=work.take, handle=handle, failures=record_of(work, new_metrics()), batch_size=8
    )
    with captured_logs():
        await worker.step()

    (row,) = await fetch("SELECT error_code, error_message FROM failed_item")
    assert row.error_code == "PROCESSING_ERROR"
    assert row.error_message.startswith("ValueError: \\x00\\ud800xxx")
    assert len(row.error_message) == 1000


async def test_old_failures_are_pruned_in_bounded_steps(database: Database, fetch: FetchAll) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO failed_item SELECT 'w', n::text, 1, 'C', 'm', now(), now() - n * interval '1 day',"
                " now(), NULL FROM generate_series(1, 50) AS n"
            )
        )
        deleted = [await prune(connection, "failed items", limit=15) for _ in range(3)]

    assert deleted == [15, 5, 0]
    assert len(await fetch("SELECT 1 FROM failed_item")) == 30


@both_workers
async def test_an_item_whose_failures_cannot_be_written_down_ends_all_the_same(
    database: Database, make_worker: MakeWorker
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE failed_item ADD CHECK (item <> '3')"))
    work = Work(database, 8, poisonous=[3, 5])

    async with running(make_worker(work, new_metrics())):
        await eventually(lambda: not work.open)

    assert set(work.ended) == {3, 5}
    assert work.ended[3].attempts == SOON.max_attempts
    assert sorted(work.done) == [0, 1, 2, 4, 6, 7]
