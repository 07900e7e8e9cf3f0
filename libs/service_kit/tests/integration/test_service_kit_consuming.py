"""What a consumer of events promises, on both buses: bad records are set aside untouched, good ones are handled."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from event_contracts import (
    EventEnvelope,
    ResourceConsumptionV1,
    Topic,
    Unavailable,
    dead_letter_topic,
)
from service_kit.messaging.consumer import EventConsumer, Route
from service_kit.messaging.event_bus import EventBus, Message
from service_kit.messaging.inbox import claim_events
from service_kit.storage.database import Database
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.builders import (
    Recorder,
    captured_logs,
    consumption,
    metric,
    new_metrics,
    publish_until_safe,
    running,
)
from service_kit.tests.conftest import FetchAll, StartBus
from service_kit.tests.waiting import eventually
from sqlalchemy import ARRAY, Uuid, bindparam, text

TOPIC = str(Topic.RESOURCE_CONSUMPTION)
DEAD = dead_letter_topic(TOPIC)

Events = Sequence[EventEnvelope[Any]]


class Handler:
    """Remembers the batches it was given; fails on events of a poisoned batch id."""

    def __init__(self, *, poison: Exception | None = None, failures: Sequence[Exception] = ()) -> None:
        self.batches: list[list[UUID]] = []
        self._poison = poison
        self._failures = list(failures)

    async def __call__(self, events: Events) -> None:
        if self._failures:
            raise self._failures.pop(0)
        if self._poison is not None and any(event.key == "poison" for event in events):
            raise self._poison
        self.batches.append([event.event_id for event in events])

    @property
    def handled(self) -> list[UUID]:
        return [event for batch in self.batches for event in batch]


async def consuming(
    start_bus: StartBus, handler: Handler, *, metrics: ServiceMetrics | None = None
) -> tuple[EventBus, Recorder]:
    """A bus on which a service handles consumption events, and what arrives at the dead letters."""
    bus, dead = await start_bus(TOPIC, DEAD), Recorder()
    EventConsumer(
        bus=bus,
        service="entitlements",
        group="entitlements-consumer",
        routes=[Route(event=ResourceConsumptionV1, handle=handler)],
        metrics=metrics or new_metrics(),
    ).subscribe()
    bus.subscribe([DEAD], group="dead-letter-readers", handler=dead)
    return bus, dead


def message(event: EventEnvelope[Any]) -> Message:
    return Message(topic=TOPIC, key=event.key.encode(), value=event.to_json(), headers=event.headers())


async def test_events_are_parsed_and_handled(start_bus: StartBus) -> None:
    metrics, handler, events = new_metrics(), Handler(), [consumption(f"batch-{n}") for n in range(5)]
    bus, dead = await consuming(start_bus, handler, metrics=metrics)

    async with running(bus.run):
        await bus.publish([message(event) for event in events])
        await eventually(lambda: len(handler.handled) == 5)
        await eventually(lambda: metric(metrics, "events_handled_total", topic=TOPIC) == 5)

    assert set(handler.handled) == {event.event_id for event in events}
    assert dead.records == []


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (b"\xff\xfe not even text", b"Invalid JSON"),
        (b"{", b"Invalid JSON"),
        (b"{}", b"event_id: Field required"),
        (None, b"Invalid JSON"),
        (consumption().to_json().replace(b'"quantity":1', b'"quantity":"a lot"'), b"data.quantity"),
        (consumption().to_json().replace(b"resource.consumption.v1", b"other.v1"), b"event_type"),
    ],
)
async def test_a_malformed_record_goes_to_the_dead_letters_untouched(
    start_bus: StartBus, value: bytes | None, complaint: bytes
) -> None:
    handler, good = Handler(), consumption()
    bus, dead = await consuming(start_bus, handler)
    headers = (("traceparent", b"00-\xff"), ("twice", b"1"), ("twice", None))
    malformed = Message(topic=TOPIC, key=b"\xff\x00key", value=value, headers=headers)

    async with running(bus.run):
        await bus.publish([malformed, message(good)])
        await dead.until(1)
        await eventually(lambda: handler.handled == [good.event_id])

    [record] = dead.records
    assert (record.key, record.value, record.headers[:3]) == (b"\xff\x00key", value, headers)
    added = dict(record.headers[3:])
    assert list(added) == [
        "dlq-reason",
        "dlq-error",
        "dlq-service",
        "dlq-original-topic",
        "dlq-original-partition",
        "dlq-original-offset",
        "dlq-failed-at",
    ]
    assert added["dlq-reason"] == b"malformed"
    assert complaint in (added["dlq-error"] or b"")
    assert added["dlq-service"] == b"entitlements"
    assert added["dlq-original-topic"] == TOPIC.encode()
    assert int(added["dlq-original-partition"] or b"-1") >= 0
    assert int(added["dlq-original-offset"] or b"-1") >= 0


async def test_one_poison_event_is_isolated_and_all_others_are_handled(start_bus: StartBus) -> None:
    metrics = new_metrics()
    handler = Handler(poison=KeyError("no such essay"))
    events = [consumption(f"batch-{number}") for number in range(60)]
    poison = consumption("poison")
    bus, dead = await consuming(start_bus, handler, metrics=metrics)

    with captured_logs() as logs:
        async with running(bus.run):
            await bus.publish([message(event) for event in (*events[:37], poison, *events[37:])])
            await dead.until(1)
            await eventually(lambda: len(handler.handled) == 60)
            await eventually(lambda: metric(metrics, "events_handled_total", topic=TOPIC) == 60)

    assert set(handler.handled) == {event.event_id for event in events}
    assert [record.value for record in dead.records] == [poison.to_json()]
    assert dict(dead.records[0].headers)["dlq-reason"] == b"not_handled"
    assert metric(metrics, "events_dead_lettered_total", topic=TOPIC, reason="not_handled") == 1
    [entry] = [entry for entry in logs if entry["event"] == "event.dead_lettered"]
    assert entry["correlation_id"] == str(poison.correlation_id)


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionRefusedError("the database is unavailable"),
        TimeoutError(),
        Unavailable("the other service is unavailable", retry_after=1),
    ],
)
async def test_an_infrastructure_failure_is_retried_and_nothing_is_set_aside(
    start_bus: StartBus, failure: Exception
) -> None:
    handler, events = Handler(failures=[failure] * 3), [consumption("a"), consumption("a")]
    bus, dead = await consuming(start_bus, handler)

    async with running(bus.run):
        await publish_until_safe(bus, [message(event) for event in events])
        await eventually(lambda: len(handler.handled) >= 2)

    assert handler.handled == [event.event_id for event in events]
    assert dead.records == []


async def test_a_batch_that_comes_again_leaves_each_dead_letter_once(start_bus: StartBus) -> None:
    handler, good = Handler(failures=[ConnectionError("away")] * 2), consumption("a")
    bus, dead = await consuming(start_bus, handler)
    malformed = Message(topic=TOPIC, key=b"a", value=b"nonsense")

    async with running(bus.run):
        await publish_until_safe(bus, [malformed, message(good)])
        await dead.until(1)
        await eventually(lambda: handler.handled == [good.event_id])
        await asyncio.sleep(0.2)

    assert dead.values == [b"nonsense"]


async def test_an_event_twice_in_a_batch_is_handed_over_once(start_bus: StartBus) -> None:
    handler, event, last = Handler(), consumption("a"), consumption("a")
    bus, _dead = await consuming(start_bus, handler)

    async with running(bus.run):
        await bus.publish([message(event), message(event), message(last)])
        await eventually(lambda: last.event_id in handler.handled)

    assert all(len(batch) == len(set(batch)) for batch in handler.batches)


async def test_an_error_that_no_header_can_hold_is_shortened_and_escaped(start_bus: StartBus) -> None:
    handler = Handler(poison=ValueError("\udcff" + "å" * 5000))
    bus, dead = await consuming(start_bus, handler)

    async with running(bus.run):
        await bus.publish([message(consumption("poison"))])
        await dead.until(1)

    error = dict(dead.records[0].headers)["dlq-error"]
    assert error is not None
    assert error.startswith(b"ValueError: \\udcff\xc3\xa5")
    assert len(error) <= 2000
    assert error.decode()


async def test_a_repeated_delivery_changes_nothing(
    start_bus: StartBus, database: Database, fetch: FetchAll
) -> None:
    class Settling(Handler):
        async def __call__(self, events: Events) -> None:
            async with database.transaction() as connection:
                ids = [event.event_id for event in events]
                new = await claim_events(connection, consumer="entitlements", event_ids=ids)
                settle = text("INSERT INTO inbox SELECT 'settled', gen_random_uuid() FROM unnest(:new) AS id")
                await connection.execute(settle.bindparams(bindparam("new", list(new), ARRAY(Uuid))))
            await super().__call__(events)

    handler = Settling()
    bus, _dead = await consuming(start_bus, handler)
    events = [consumption(f"batch-{number}") for number in range(10)]
    again = [*events, *reversed(events), *events]

    async with running(bus.run):
        for start in range(0, len(again), 7):
            await bus.publish([message(event) for event in again[start : start + 7]])
        await bus.publish([message(last := consumption(events[0].key))])
        await eventually(lambda: last.event_id in handler.handled)
        await eventually(lambda: set(handler.handled) == {last.event_id, *(one.event_id for one in events)})

    assert len(await fetch("SELECT 1 FROM inbox WHERE consumer = 'settled'")) == 11
