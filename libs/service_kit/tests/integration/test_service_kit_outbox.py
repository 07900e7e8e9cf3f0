"""What the outbox and its relay promise, on real PostgreSQL: nothing lost, in order, repeated until it is safe."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from event_contracts import ResourceConsumptionV1, parse_envelope
from service_kit.messaging import bus_relay as relaying
from service_kit.messaging.bus_relay import OutboxRelay
from service_kit.messaging.event_bus import (
    BusUnavailable,
    EventBus,
    MemoryEventBus,
    Message,
    NotPublished,
    Refusal,
)
from service_kit.messaging.outbox import (
    DeliveryPolicy,
    OutgoingMessage,
    bus_message,
    enqueue,
    measure_backlog,
)
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import (
    Recorder,
    captured_logs,
    consumption,
    fails_first,
    metric,
    new_metrics,
    numbers_by_key,
    prune,
    running,
)
from service_kit.tests.conftest import FetchAll, KafkaBuses
from service_kit.tests.plans import explained, rows_read, sequential_scans
from service_kit.work.failed_items import RetryRules
from service_kit.work.worker import Wakeup, Worker
from sqlalchemy import text

TOPIC = "essays"


def numbered(key: str, number: int, *, topic: str = TOPIC, value: bytes | None = None) -> OutgoingMessage:
    """A message that says its number."""
    return OutgoingMessage(
        event_id=uuid4(),
        transport="bus",
        destination=topic,
        key=key,
        headers=(("number", str(number).encode()),),
        value=str(number).encode() if value is None else value,
    )


async def write(database: Database, messages: Sequence[OutgoingMessage]) -> None:
    """Enqueue and commit."""
    async with database.transaction() as connection:
        await enqueue(connection, messages)


def relay(
    database: Database,
    bus: EventBus,
    *,
    metrics: ServiceMetrics | None = None,
    limit: int = 500,
    policy: DeliveryPolicy | None = None,
) -> OutboxRelay:
    """A relay with a wakeup of its own."""
    return OutboxRelay(
        database=database,
        bus=bus,
        metrics=metrics or new_metrics(),
        wakeup=Wakeup(),
        limit=limit,
        policy=policy or DeliveryPolicy(),
    )


def bus_with(recorder: Recorder, *topics: str) -> MemoryEventBus:
    """A memory bus on which ``recorder`` reads the topics."""
    bus = MemoryEventBus()
    bus.subscribe(topics or [TOPIC], group="readers", handler=recorder)
    return bus


class PickyBus(MemoryEventBus):
    """A bus that refuses some messages, as a broker does."""

    def __init__(self, recorder: Recorder, *topics: str) -> None:
        super().__init__()
        self.subscribe(topics or [TOPIC], group="readers", handler=recorder)
        self.refused: dict[tuple[str, bytes | None], Refusal] = {}
        self.is_away = False

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.is_away:
            raise BusUnavailable("the broker is unavailable", retry_after=1)
        refusals: dict[int, Refusal] = {}
        held_up: set[tuple[str, bytes | None]] = set()
        for place, message in enumerate(messages):
            lane = (message.topic, message.key)
            refusal = self.refused.get((message.topic, message.value))
            if refusal is not None and not refusal.final:
                held_up.add(lane)
            if refusal is not None or lane in held_up:
                refusals[place] = refusal or Refusal(reason="behind a refused one")
        await super().publish([one for place, one in enumerate(messages) if place not in refusals])
        if refusals:
            raise NotPublished(refusals)


class TestWriting:
    async def test_a_message_is_written_with_the_state_change_or_not_at_all(
        self, database: Database, fetch: FetchAll
    ) -> None:
        async def change_and_fail() -> None:
            async with database.transaction() as connection:
                await enqueue(connection, [numbered("a", 0)])
                raise ConnectionError("the change failed")

        with pytest.raises(ConnectionError):
            await change_and_fail()

        assert await fetch("SELECT id FROM outbox") == []

    async def test_headers_leave_byte_for_byte_the_empty_and_the_absent_too(self, database: Database) -> None:
        recorder = Recorder()
        headers = (("empty", b""), ("absent", None), ("binary", bytes(range(256))), ("plain", b"essay"))
        await write(database, [replace(numbered("a", 0), headers=headers)])

        await relay(database, bus_with(recorder, TOPIC)).relay_once()

        assert [record.headers for record in recorder.records] == [headers]

    async def test_an_event_leaves_with_the_bytes_and_headers_it_was_written_with(
        self, database: Database
    ) -> None:
        recorder, event = Recorder(), consumption("batch-7")
        topic = event.event_type
        await write(database, [bus_message(event, key=event.key)])

        await relay(database, bus_with(recorder, topic)).relay_once()

        [record] = recorder.records
        assert (record.topic, record.key, record.value) == (topic, b"batch-7", event.to_json())
        assert record.headers == event.headers()
        assert parse_envelope(record.value or b"", ResourceConsumptionV1) == event


class TestRelaying:
    async def test_a_relayed_message_is_not_relayed_again(self, database: Database) -> None:
        recorder = Recorder()
        await write(database, [numbered("a", 0), numbered("a", 1)])
        one = relay(database, bus_with(recorder), limit=2)

        outcomes = [await one.relay_once(), await one.relay_once()]

        assert outcomes == [0, None]
        assert recorder.values == [b"0", b"1"]

    async def test_the_relay_polls_again_only_after_a_full_batch(self, database: Database) -> None:
        await write(database, [numbered("a", number) for number in range(5)])
        one = relay(database, bus_with(Recorder()), limit=3)

        assert [await one.relay_once(), await one.relay_once()] == [0, None]

    async def test_a_message_that_was_refused_leaves_again_with_the_same_bytes(
        self, database: Database, fetch: FetchAll
    ) -> None:
        recorder, event = Recorder(before=fails_first(1)), consumption()
        seen: list[bytes | None] = []
        bus = bus_with(recorder, event.event_type)
        await write(database, [bus_message(event, key=event.key)])
        one = relay(database, bus)

        await one.relay_once()
        refused = await fetch("SELECT attempts, last_error, not_before > now() AS later FROM outbox")
        await make_due(database)
        await one.relay_once()
        seen = recorder.values

        assert [(row.attempts, row.later) for row in refused] == [(1, True)]
        assert "the handler's database is unavailable" in refused[0].last_error
        assert seen == [event.to_json()]

    async def test_several_relays_side_by_side_keep_the_order_of_each_key(self, database: Database) -> None:
        recorder = Recorder()
        bus = bus_with(recorder)
        keys = [f"batch-{number}" for number in range(5)]
        for start in range(0, 200, 20):
            batch = [numbered(key, n) for n in range(start, start + 20) for key in keys]
            await write(database, batch)
        relays = [relay(database, bus, limit=37) for _ in range(4)]

        async with running(*(one.worker().run for one in relays)):
            await recorder.until(1000)

        assert numbers_by_key(recorder.records) == {key: list(range(200)) for key in keys}

    async def test_a_key_that_another_relay_is_sending_is_left_to_it(self, database: Database) -> None:
        recorder = Recorder()
        await write(database, [numbered("a", 0), numbered("a", 1), numbered("b", 0)])
        one = relay(database, bus_with(recorder))

        async with taken(database, limit=1):
            await one.relay_once()

        assert numbers_by_key(recorder.records) == {"b": [0]}

    async def test_a_refused_message_holds_up_its_own_topic_and_key_only(self, database: Database) -> None:
        recorder = Recorder()
        bus = PickyBus(recorder, TOPIC, "grades")
        bus.refused[(TOPIC, b"0")] = Refusal(reason="the topic is missing")
        sent = [numbered("a", 0), numbered("a", 1), numbered("b", 10), numbered("a", 20, topic="grades")]
        await write(database, sent)
        one = relay(database, bus)

        await one.relay_once()
        await one.relay_once()

        assert recorder.values == [b"10", b"20"]

    async def test_what_waits_behind_a_refused_message_goes_in_order_once_it_may(
        self, database: Database
    ) -> None:
        recorder = Recorder()
        bus = PickyBus(recorder)
        bus.refused[(TOPIC, b"1")] = Refusal(reason="not now")
        await write(database, [numbered("a", number) for number in range(4)])
        one = relay(database, bus)
        await one.relay_once()
        await write(database, [numbered("a", 4)])

        while_waiting = await one.relay_once()
        bus.refused.clear()
        await make_due(database)
        await one.relay_once()

        assert while_waiting is not None
        assert while_waiting > 0
        assert numbers_by_key(recorder.records) == {"a": [0, 1, 2, 3, 4]}

    async def test_thousands_behind_a_refused_message_starve_nobody(self, database: Database) -> None:
        recorder = Recorder()
        bus = PickyBus(recorder)
        bus.refused[(TOPIC, b"0")] = Refusal(reason="not now")
        await write(database, [numbered("a", number) for number in range(3000)])
        one = relay(database, bus)
        await one.relay_once()
        await write(database, [numbered("b", 7)])

        await one.relay_once()

        assert recorder.values == [b"7"]

    async def test_a_message_refused_for_good_is_given_up_and_those_behind_it_go_on(
        self, database: Database, fetch: FetchAll
    ) -> None:
        recorder, metrics = Recorder(), new_metrics()
        bus = PickyBus(recorder)
        bus.refused[(TOPIC, b"0")] = Refusal(reason="too large", final=True)
        await write(database, [numbered("a", 0), numbered("a", 1)])

        with captured_logs() as logs:
            await relay(database, bus, metrics=metrics).relay_once()

        [row] = await fetch("SELECT last_error FROM outbox WHERE given_up_at IS NOT NULL")
        [entry] = [entry for entry in logs if entry["event"] == "outbox.given_up"]
        assert row.last_error == entry["reason"] == "too large"
        assert entry["log_level"] == "error"
        assert metric(metrics, "outbox_messages_given_up_total", transport="bus") == 1
        assert recorder.values == [b"1"]

    async def test_a_message_that_is_refused_for_too_long_is_given_up(
        self, database: Database, fetch: FetchAll
    ) -> None:
        bus = PickyBus(Recorder())
        bus.refused[(TOPIC, b"0")] = Refusal(reason="no such topic")
        await write(database, [numbered("a", 0)])
        patient = relay(database, bus, policy=DeliveryPolicy(give_up_after=timedelta(hours=1)))

        await patient.relay_once()
        before = await fetch("SELECT id FROM outbox WHERE given_up_at IS NOT NULL")
        await make_due(database, age=timedelta(hours=2))
        await patient.relay_once()

        assert before == []
        assert len(await fetch("SELECT id FROM outbox WHERE given_up_at IS NOT NULL")) == 1

    async def test_a_broker_that_is_away_costs_no_message_an_attempt(
        self, database: Database, fetch: FetchAll
    ) -> None:
        recorder = Recorder()
        bus = PickyBus(recorder)
        bus.is_away = True
        await write(database, [numbered("a", 0)])
        await make_due(database, age=timedelta(days=30))
        one = relay(database, bus)

        with pytest.raises(BusUnavailable):
            await one.relay_once()
        rows = await fetch("SELECT attempts, given_up_at FROM outbox")
        bus.is_away = False
        await one.relay_once()

        assert [tuple(row) for row in rows] == [(0, None)]
        assert recorder.values == [b"0"]

    async def test_pauses_double_with_jitter_up_to_the_longest(
        self, database: Database, fetch: FetchAll
    ) -> None:
        bus = PickyBus(Recorder())
        sent = [numbered(f"key-{number}", number) for number in range(40)]
        bus.refused = {(TOPIC, message.value): Refusal(reason="not now") for message in sent}
        await write(database, sent)
        one = relay(database, bus, policy=DeliveryPolicy(max_delay=timedelta(seconds=4)))
        pauses: list[list[float]] = []

        for _ in range(6):
            await make_due(database)
            await one.relay_once()
            rows = await fetch("SELECT extract(epoch FROM not_before - now()) AS pause FROM outbox")
            pauses.append([float(row.pause) for row in rows])

        for expected, seen in zip((0.5, 1, 2, 4, 4, 4), pauses, strict=True):
            assert all(0.75 * expected - 0.2 < pause <= 1.25 * expected for pause in seen)
            assert max(seen) - min(seen) > 0.1 * expected

    async def test_a_wakeup_sends_at_once(self, database: Database) -> None:
        recorder = Recorder()
        one = relay(database, bus_with(recorder))
        idle = Worker(name="relay", step=one.relay_once, wakeup=one.wakeup, max_rest_seconds=60)

        async with running(idle.run):
            for number in range(3):
                await write(database, [numbered("a", number)])
                one.wakeup.wake()
                await recorder.until(number + 1)

        assert numbers_by_key(recorder.records) == {"a": [0, 1, 2]}


class TestPoison:
    async def test_a_message_that_cannot_be_read_is_given_up_and_delays_no_other(
        self, database: Database, fetch: FetchAll
    ) -> None:
        recorder = Recorder()
        await write(database, [numbered(key, number) for number in range(5) for key in ("a", "b")])
        async with database.transaction() as connection:
            await connection.execute(
                text("UPDATE outbox SET headers = 'not JSON' WHERE id = (SELECT min(id) + 4 FROM outbox)")
            )

        with captured_logs():
            await relay(database, bus_with(recorder)).relay_once()

        assert numbers_by_key(recorder.records) == {"a": [0, 1, 3, 4], "b": [0, 1, 2, 3, 4]}
        [row] = await fetch("SELECT given_up_at, last_error FROM outbox")
        assert row.given_up_at is not None
        assert "JSONDecodeError" in row.last_error

    async def test_a_message_that_the_bus_chokes_on_is_given_up_and_delays_no_other(
        self, database: Database, fetch: FetchAll
    ) -> None:
        recorder = Recorder()
        inner = bus_with(recorder)

        class ChokingBus(MemoryEventBus):
            async def publish(self, messages: Sequence[Message]) -> None:
                if any(message.value == b"2" for message in messages):
                    raise TypeError("this value cannot be encoded")
                await inner.publish(messages)

        await write(database, [numbered(f"key-{number}", number) for number in range(5)])

        with captured_logs():
            await relay(database, ChokingBus()).relay_once()

        assert sorted(value or b"" for value in recorder.values) == [b"0", b"1", b"3", b"4"]
        [row] = await fetch("SELECT given_up_at, last_error FROM outbox")
        assert row.given_up_at is not None
        assert row.last_error == "TypeError: this value cannot be encoded"


class TestKeeping:
    async def test_backlog_counts_what_waits_and_what_was_given_up(self, database: Database) -> None:
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
        self, database: Database, fetch: FetchAll
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


class TestCost:
    async def test_taking_reads_no_given_up_rows_and_few_unsent_ones(
        self, database: Database, fetch: FetchAll
    ) -> None:
        await fill(database, given_up=100_000, unsent=20_000, keys=200)

        plan = await explained(fetch, relaying.TAKE, limit=500)

        assert sequential_scans(plan) == []
        assert rows_read(plan) < 5 * 500

    async def test_taking_stays_cheap_with_thousands_of_rows_of_one_key(
        self, database: Database, fetch: FetchAll
    ) -> None:
        await fill(database, given_up=1000, unsent=20_000, keys=1)

        started = time.perf_counter()
        plan = await explained(fetch, relaying.TAKE, limit=500)

        assert sequential_scans(plan) == []
        assert rows_read(plan) < 5 * 500
        assert time.perf_counter() - started < 1

    async def test_taking_passes_a_blocked_key_once(self, database: Database, fetch: FetchAll) -> None:
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
    async def test_thousands_of_rows_a_second_reach_kafka(
        self, database: Database, kafka_buses: KafkaBuses
    ) -> None:
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


class TestKilled:
    async def test_a_relay_killed_between_publishing_and_marking_sends_again(
        self, database: Database, kit_database_url: str, kafka_buses: KafkaBuses
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


async def make_due(database: Database, *, age: timedelta = timedelta(0)) -> None:
    """Let all pauses be over, and the messages so much older."""
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE outbox SET not_before = now(), created_at = created_at - CAST(:age AS interval)"),
            {"age": age},
        )


@asynccontextmanager
async def taken(database: Database, *, limit: int) -> AsyncIterator[None]:
    """What a relay has locked while it publishes."""
    async with database.transaction() as connection:
        await connection.execute(relaying.TAKE, {"limit": limit})
        yield


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


@pytest.mark.parametrize("operation", ["DELETE", "UPDATE"])
async def test_a_row_that_cannot_be_marked_is_listed_and_all_others_leave(
    database: Database, fetch: FetchAll, operation: str
) -> None:
    bus, recorder = MemoryEventBus(), Recorder(fails_first(10**6) if operation == "UPDATE" else None)
    bus.subscribe([TOPIC], group="all", handler=recorder)
    async with database.transaction() as connection:
        for statement in _refusing(operation):
            await connection.execute(text(statement))
    await write(database, [numbered(key, number) for number, key in enumerate(["bad", "good", "fine"])])
    relaying_once = replace(relay(database, bus), rules=RetryRules(max_attempts=2, first_delay=timedelta(0)))

    for _ in range(3):
        await relaying_once.relay_once()

    left = {row.key: row.attempts for row in await fetch("SELECT key, attempts FROM outbox")}
    listed = await fetch("SELECT worker, set_aside_at FROM failed_item")
    assert left == ({"bad": 0} if operation == "DELETE" else {"bad": 0, "good": 1, "fine": 1})
    assert [(row.worker, row.set_aside_at is not None) for row in listed] == [(relaying.NAME, True)]


def _refusing(operation: str) -> tuple[str, ...]:
    return (
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''this row cannot be written''; END'",
        f"CREATE TRIGGER refuse BEFORE {operation} ON outbox FOR EACH ROW WHEN (OLD.key = 'bad')"
        " EXECUTE FUNCTION refuse()",
    )
