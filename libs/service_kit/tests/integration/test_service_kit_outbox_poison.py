"""A message that cannot be read, sent or marked delays no other."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from service_kit.messaging import bus_relay as relaying
from service_kit.messaging.event_bus import MemoryEventBus, Message
from service_kit.storage.database import Database
from service_kit.tests.builders import Recorder, captured_logs, fails_first, numbers_by_key
from service_kit.tests.conftest import FetchAll
from service_kit.tests.outboxes import TOPIC, bus_with, numbered, relay, write
from service_kit.work.failed_items import RetryRules
from sqlalchemy import text


async def test_a_message_that_cannot_be_read_is_given_up_and_delays_no_other(
    database: Database, fetch: FetchAll
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
    database: Database, fetch: FetchAll
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
