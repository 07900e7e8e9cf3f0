"""What the relay of the outbox promises, on real PostgreSQL: in order, repeated until it is safe, nothing held up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from service_kit.messaging import bus_relay as relaying
from service_kit.messaging.event_bus import BusUnavailable, Refusal
from service_kit.messaging.outbox import DeliveryPolicy, bus_message
from service_kit.storage.database import Database
from service_kit.tests.builders import (
    Recorder,
    captured_logs,
    consumption,
    fails_first,
    metric,
    new_metrics,
    numbers_by_key,
    running,
)
from service_kit.tests.conftest import FetchAll
from service_kit.tests.outboxes import TOPIC, PickyBus, bus_with, numbered, relay, write
from service_kit.work.worker import Worker
from sqlalchemy import text


async def test_a_relayed_message_is_not_relayed_again(database: Database) -> None:
    recorder = Recorder()
    await write(database, [numbered("a", 0), numbered("a", 1)])
    one = relay(database, bus_with(recorder), limit=2)

    outcomes = [await one.relay_once(), await one.relay_once()]

    assert outcomes == [0, None]
    assert recorder.values == [b"0", b"1"]


async def test_the_relay_polls_again_only_after_a_full_batch(database: Database) -> None:
    await write(database, [numbered("a", number) for number in range(5)])
    one = relay(database, bus_with(Recorder()), limit=3)

    assert [await one.relay_once(), await one.relay_once()] == [0, None]


async def test_a_message_that_was_refused_leaves_again_with_the_same_bytes(
    database: Database, fetch: FetchAll
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


async def test_several_relays_side_by_side_keep_the_order_of_each_key(database: Database) -> None:
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


async def test_a_key_that_another_relay_is_sending_is_left_to_it(database: Database) -> None:
    recorder = Recorder()
    await write(database, [numbered("a", 0), numbered("a", 1), numbered("b", 0)])
    one = relay(database, bus_with(recorder))

    async with taken(database, limit=1):
        await one.relay_once()

    assert numbers_by_key(recorder.records) == {"b": [0]}


async def test_a_refused_message_holds_up_its_own_topic_and_key_only(database: Database) -> None:
    recorder = Recorder()
    bus = PickyBus(recorder, TOPIC, "grades")
    bus.refused[(TOPIC, b"0")] = Refusal(reason="the topic is missing")
    sent = [numbered("a", 0), numbered("a", 1), numbered("b", 10), numbered("a", 20, topic="grades")]
    await write(database, sent)
    one = relay(database, bus)

    await one.relay_once()
    await one.relay_once()

    assert recorder.values == [b"10", b"20"]


async def test_what_waits_behind_a_refused_message_goes_in_order_once_it_may(database: Database) -> None:
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


async def test_thousands_behind_a_refused_message_starve_nobody(database: Database) -> None:
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
    database: Database, fetch: FetchAll
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
    database: Database, fetch: FetchAll
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


async def test_a_broker_that_is_away_costs_no_message_an_attempt(database: Database, fetch: FetchAll) -> None:
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


async def test_pauses_double_with_jitter_up_to_the_longest(database: Database, fetch: FetchAll) -> None:
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


async def test_a_wakeup_sends_at_once(database: Database) -> None:
    recorder = Recorder()
    one = relay(database, bus_with(recorder))
    idle = Worker(name="relay", step=one.relay_once, wakeup=one.wakeup, max_rest_seconds=60)

    async with running(idle.run):
        for number in range(3):
            await write(database, [numbered("a", number)])
            one.wakeup.wake()
            await recorder.until(number + 1)

    assert numbers_by_key(recorder.records) == {"a": [0, 1, 2]}


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
