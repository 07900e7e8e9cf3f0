"""What consuming from Kafka promises beyond the port: commits by hand, and partitions shared by members."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import pytest
from service_kit.messaging.event_bus import EventBus, Message, Record, handling, kafka_consuming
from service_kit.tests.builders import Recorder, captured_logs, messages, numbers_by_key, running
from service_kit.tests.conftest import KafkaBuses
from service_kit.tests.kafka_topics import events
from service_kit.tests.waiting import eventually
from structlog.typing import EventDict


async def consume(bus: EventBus, recorder: Recorder, count: int, *, group: str = "readers") -> None:
    """Run a member of the group until it has handled this many records, then let it leave."""
    bus.subscribe(["essays"], group=group, handler=recorder)
    async with running(bus.run):
        await recorder.until(count)
        await asyncio.sleep(0.3)


KILLED_MEMBER = """
import asyncio, os, signal, sys
from service_kit.messaging.event_bus import KafkaEventBus

async def handle(records):
    os.kill(os.getpid(), signal.SIGKILL)

bus = KafkaEventBus(sys.argv[1], client_id="killed", topic_prefix=sys.argv[2], instance_id="one")
bus.subscribe(["essays"], group="readers", handler=handle)
asyncio.run(bus.run())
"""


async def run_killed_member(buses: KafkaBuses) -> int:
    """A member in a process of its own that dies at the end of its handler; returns its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED_MEMBER,
        buses.bootstrap,
        buses.prefix,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    async with asyncio.timeout(30):
        return await process.wait()


async def test_what_was_committed_is_not_delivered_after_a_restart(kafka_buses: KafkaBuses) -> None:
    before, after = Recorder(), Recorder()
    first = await kafka_buses.start("essays")
    await first.publish(messages("essays", ["a", "b"], count=10))
    await consume(first, before, 20)
    second = await kafka_buses.start("essays")

    await second.publish([Message(topic="essays", key=b"a", value=b"new")])
    await consume(second, after, 1)

    assert after.values == [b"new"]


async def test_a_kill_between_handling_and_commit_delivers_again(kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start("essays", instance_id="one")
    await bus.publish(messages("essays", ["a"], count=10))
    after = Recorder()

    killed = await run_killed_member(kafka_buses)
    await consume(bus, after, 10)

    assert killed == -signal.SIGKILL
    assert numbers_by_key(after.records) == {"a": list(range(10))}


async def test_only_what_was_dealt_with_is_committed(kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start("essays", partitions=1)
    handled, after = Recorder(), Recorder()

    async def fail_on_later(records: Sequence[Record]) -> None:
        if handled.records:
            raise ConnectionError("the database is unavailable from now on")
        await handled(records)

    bus.subscribe(["essays"], group="readers", handler=fail_on_later)
    async with running(bus.run):
        await bus.publish(messages("essays", ["a"], count=5))
        await handled.until(5)
        await bus.publish([Message(topic="essays", key=b"a", value=b"99")])
        await asyncio.sleep(0.5)
    await consume(await kafka_buses.start("essays"), after, 1)

    assert after.values == [b"99"]


async def test_a_handler_that_hangs_is_cancelled_and_called_again(
    kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "HANDLER_TIMEOUT_SECONDS", 0.2)
    calls = 0

    async def hang_once(_records: Sequence[Record]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()

    recorder = Recorder(before=hang_once)
    bus = await kafka_buses.start("essays")
    await bus.publish([Message(topic="essays", key=b"k", value=b"v")])

    await consume(bus, recorder, 1)

    assert recorder.calls == 2


async def test_two_members_share_the_partitions(kafka_buses: KafkaBuses) -> None:
    first, second = Recorder(), Recorder()
    buses = [await kafka_buses.start("essays", partitions=4) for _ in range(2)]
    for bus, recorder in zip(buses, (first, second), strict=True):
        bus.subscribe(["essays"], group="readers", handler=recorder)

    with captured_logs() as logs:
        async with running(buses[0].run, buses[1].run):
            await eventually(lambda: partitions_now(logs) == [2, 2])
            await buses[0].publish(messages("essays", [f"key-{n}" for n in range(40)], count=5))
            await eventually(lambda: len(first.records) + len(second.records) >= 200)

    owners = [{record.partition for record in recorder.records} for recorder in (first, second)]
    assert len(first.records) + len(second.records) == 200
    assert owners[0].isdisjoint(owners[1])
    assert owners[0] | owners[1] == {0, 1, 2, 3}


async def test_a_partition_is_reassigned_after_the_current_batch(kafka_buses: KafkaBuses) -> None:
    async def take_time(_records: Sequence[Record]) -> None:
        await asyncio.sleep(4)

    first, second = Recorder(before=take_time), Recorder()
    buses = [await kafka_buses.start("essays", partitions=2) for _ in range(2)]
    buses[0].subscribe(["essays"], group="readers", handler=first)
    buses[1].subscribe(["essays"], group="readers", handler=second)

    async with running(buses[0].run):
        await buses[0].publish(messages("essays", [f"key-{n}" for n in range(10)], count=2))
        await eventually(lambda: first.calls > 0)
        async with running(buses[1].run):
            await eventually(lambda: len(first.records) + len(second.records) >= 20)
            await asyncio.sleep(0.5)

    assert len(first.records) + len(second.records) == 20


async def test_a_named_member_restarts_without_a_rebalance(kafka_buses: KafkaBuses) -> None:
    stays, before, after = Recorder(), Recorder(), Recorder()
    staying = await kafka_buses.start("essays", partitions=4, instance_id="one")
    leaving = await kafka_buses.start("essays", instance_id="two")
    returning = await kafka_buses.start("essays", instance_id="two")
    for bus, recorder in ((staying, stays), (leaving, before), (returning, after)):
        bus.subscribe(["essays"], group="readers", handler=recorder)
    keys = [f"key-{number}" for number in range(20)]

    async with running(staying.run):
        with captured_logs() as logs:
            async with running(leaving.run):
                await eventually(lambda: partitions_now(logs) == [2, 2])
        with captured_logs() as logs:
            await staying.publish(messages("essays", keys, count=2))
            async with running(returning.run):
                await eventually(lambda: len(stays.records) + len(after.records) >= 40)

    assert len(stays.records) + len(after.records) == 40
    assert after.records
    # Only the one that came back was told its partitions; the other kept its own all the time.
    assert [event for event in events(logs) if "partitions" in event] == [
        "bus.partitions_revoked",
        "bus.partitions_assigned",
    ]


@pytest.mark.slow
async def test_a_member_whose_handler_cannot_succeed_gives_its_partitions_to_others(
    kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_consuming, "MAX_POLL_INTERVAL_MS", 2_000)
    may_go_on = asyncio.Event()

    async def wait(_records: Sequence[Record]) -> None:
        await may_go_on.wait()

    stuck, other = Recorder(before=wait), Recorder()
    buses = [await kafka_buses.start("essays", partitions=1) for _ in range(2)]
    buses[0].subscribe(["essays"], group="readers", handler=stuck)
    buses[1].subscribe(["essays"], group="readers", handler=other)
    await buses[0].publish([Message(topic="essays", key=b"k", value=b"v")])

    async with running(buses[0].run):
        await eventually(lambda: stuck.calls == 1)
        async with running(buses[1].run):
            await other.until(1)
            with captured_logs() as logs:
                may_go_on.set()
                await stuck.until(1)
                await eventually(lambda: "bus.commit_rejected" in events(logs))

    assert other.values == stuck.values == [b"v"]


def partitions_now(logs: Sequence[EventDict]) -> list[object]:
    """How many partitions the members were assigned, the last two times."""
    return [entry["partitions"] for entry in logs if entry["event"] == "bus.partitions_assigned"][-2:]
