"""What the outbox promises, on real PostgreSQL: written with the change, nothing lost, and cheap to take from."""

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace

import pytest
from event_contracts import ResourceConsumptionV1, parse_envelope
from service_kit.messaging import bus_relay as relaying
from service_kit.messaging.event_bus import Refusal
from service_kit.messaging.outbox import bus_message, enqueue, measure_backlog
from service_kit.storage.database import Database
from service_kit.tests.builders import Recorder, consumption, numbers_by_key, prune, running
from service_kit.tests.conftest import FetchAll, KafkaBuses
from service_kit.tests.outboxes import TOPIC, PickyBus, bus_with, numbered, relay, write
from service_kit.tests.plans import explained, rows_read, sequential_scans
from sqlalchemy import text


async def test_a_message_is_written_with_the_state_change_or_not_at_all(
    database: Database, fetch: FetchAll
) -> None:
    async def change_and_fail() -> None:
        async with database.transaction() as connection:
            await enqueue(connection, [numbered("a", 0)])
            raise ConnectionError("the change failed")

    with pytest.raises(ConnectionError):
        await change_and_fail()

    assert await fetch("SELECT id FROM outbox") == []


async def test_headers_leave_byte_for_byte_the_empty_and_the_absent_too(database: Database) -> None:
    recorder = Recorder()
    headers = (("empty", b""), ("absent", None), ("binary", bytes(range(256))), ("plain", b"essay"))
    await write(database, [replace(numbered("a", 0), headers=headers)])

    await relay(database, bus_with(recorder, TOPIC)).relay_once()

    assert [record.headers for record in recorder.records] == [headers]


async def test_an_event_leaves_with_the_bytes_and_headers_it_was_written_with(database: Database) -> None:
    recorder, event = Recorder(), consumption("batch-7")
    topic = event.event_type
    await write(database, [bus_message(event, key=event.key)])

    await relay(database, bus_with(recorder, topic)).relay_once()

    [record] = recorder.records
    assert (record.topic, record.key, record.value) == (topic, b"batch-7", event.to_json())
    assert record.headers == event.headers()
    assert parse_envelope(record.value or b"", ResourceConsumptionV1) == event


async def test_backlog_counts_what_waits_and_what_was_given_up(database: Database) -> None:
    bus = PickyBus(Recorder())
    bus.refused = {
        (TOPIC, b"0"): Refusal(reason="not now"),
        (TOPIC, b"1"): Refusal(reason="never", final=True),
    }
    await write(database, [numbered(f"key-{number}", number) for number in range(4)])
    await relay(database, bus).relay_once()

    async with database.transaction() as connection:
        backlog = await measure_backlog(connection, transport="bus")

    assert (backlog.messages, backlog.given_up) == (1, 1)
    assert 0 < backlog.oldest_seconds < 60


async def test_pruning_forgets_what_was_given_up_long_ago_and_nothing_else(
    database: Database, fetch: FetchAll
) -> None:
    await write(database, [numbered("a", number) for number in range(3)])
    async with database.transaction() as connection:
        for number, days in enumerate((40, 1)):
            await connection.execute(
                text(
                    f"UPDATE outbox SET given_up_at = now() - interval '{days} days' WHERE value = '{number}'"
                )
            )

        pruned = await prune(connection, "messages that were given up", limit=100)

    assert pruned == 1
    assert [row.value for row in await fetch("SELECT value FROM outbox ORDER BY id")] == [b"1", b"2"]


async def test_taking_reads_no_given_up_rows_and_few_unsent_ones(database: Database, fetch: FetchAll) -> None:
    await fill(database, given_up=100_000, unsent=20_000, keys=200)

    plan = await explained(fetch, relaying.TAKE, limit=500)

    assert sequential_scans(plan) == []
    assert rows_read(plan) < 5 * 500


async def test_taking_stays_cheap_with_thousands_of_rows_of_one_key(
    database: Database, fetch: FetchAll
) -> None:
    await fill(database, given_up=1000, unsent=20_000, keys=1)

    started = time.perf_counter()
    plan = await explained(fetch, relaying.TAKE, limit=500)

    assert sequential_scans(plan) == []
    assert rows_read(plan) < 5 * 500
    assert time.perf_counter() - started < 1


async def test_taking_passes_a_blocked_key_once(database: Database, fetch: FetchAll) -> None:
    await fill(database, given_up=1000, unsent=20_000, keys=1)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE outbox SET attempts = 1, not_before = now() + interval '1 hour'"
                " WHERE id = (SELECT min(id) FROM outbox WHERE given_up_at IS NULL)"
            )
        )
    await write(database, [numbered("other", 1)])

    started = time.perf_counter()
    plan = await explained(fetch, relaying.TAKE, limit=500)

    assert sequential_scans(plan) == []
    assert rows_read(plan) < 3 * 20_000
    assert time.perf_counter() - started < 1


@pytest.mark.slow
async def test_thousands_of_rows_a_second_reach_kafka(database: Database, kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start(TOPIC, partitions=6)
    value = os.urandom(1500)
    for start in range(0, 10_000, 1000):
        batch = [numbered(f"batch-{n % 20}", n, value=value) for n in range(start, start + 1000)]
        await write(database, batch)
    one = relay(database, bus)

    started = time.perf_counter()
    while await one.relay_once() == 0:
        pass
    seconds = time.perf_counter() - started

    print(f"relayed {10_000 / seconds:.0f} rows/s of 1.5 kB to Kafka")
    assert seconds < 20


async def test_a_relay_killed_between_publishing_and_marking_sends_again(
    database: Database, kit_database_url: str, kafka_buses: KafkaBuses
) -> None:
    recorder = Recorder()
    bus = await kafka_buses.start(TOPIC)
    bus.subscribe([TOPIC], group="readers", handler=recorder)
    await write(database, [numbered("a", number) for number in range(20)])

    exit_code = await run_killed_relay(kit_database_url, kafka_buses)
    async with running(bus.run, relay(database, bus).worker().run):
        await recorder.until(40)

    assert exit_code == -signal.SIGKILL
    assert numbers_by_key(recorder.records) == {"a": [*range(20), *range(20)]}


KILLED_RELAY = """
import asyncio, os, signal, sys
from prometheus_client import CollectorRegistry
from service_kit.storage.database import Database
from service_kit.messaging.event_bus import KafkaEventBus
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.messaging.bus_relay import OutboxRelay
from service_kit.work.failed_items import RetryRules
from service_kit.work.worker import Wakeup, Worker

class DyingBus(KafkaEventBus):
    async def publish(self, messages):
        await super().publish(messages)
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    bus = DyingBus(sys.argv[2], client_id="killed", topic_prefix=sys.argv[3])
    await bus.start()
    metrics = ServiceMetrics(CollectorRegistry())
    await OutboxRelay(database=Database(sys.argv[1]), bus=bus, metrics=metrics, wakeup=Wakeup()).relay_once()

asyncio.run(main())
"""


async def run_killed_relay(database_url: str, buses: KafkaBuses) -> int:
    """A relay in a process of its own that dies once the broker has its messages; returns its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED_RELAY,
        database_url,
        buses.bootstrap,
        buses.prefix,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    async with asyncio.timeout(30):
        return await process.wait()


async def fill(database: Database, *, given_up: int, unsent: int, keys: int) -> None:
    """An outbox with a history."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (event_id, transport, destination, key, headers, value,"
                " given_up_at) SELECT gen_random_uuid(), 'bus', 'essays', 'batch-' || n % :keys, '[]',"
                " decode(repeat('00', 300), 'hex'), CASE WHEN n < :given_up THEN now() END"
                " FROM generate_series(0, :total - 1) AS n"
            ),
            {"given_up": given_up, "total": given_up + unsent, "keys": keys},
        )
        await connection.execute(text("ANALYZE outbox"))
