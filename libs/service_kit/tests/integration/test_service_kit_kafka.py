"""What the event bus on Kafka promises beyond the port: commits, membership, refusals, and a broker in trouble."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from event_contracts import ConfigurationError
from service_kit.messaging.event_bus import (
    BusUnavailable,
    EventBus,
    KafkaEventBus,
    Message,
    NotPublished,
    Record,
    handling,
    kafka_consuming,
    kafka_publishing,
    stopping,
)
from service_kit.tests.builders import (
    WAIT_TIMEOUT_SECONDS,
    Recorder,
    captured_logs,
    eventually,
    messages,
    numbers_by_key,
    running,
)
from service_kit.tests.conftest import KafkaBuses, OwnBroker
from structlog.typing import EventDict


async def read_all(buses: KafkaBuses, topic: str) -> list[bytes | None]:
    """The values that the broker holds now, read past the bus."""
    consumer = AIOKafkaConsumer(
        buses.prefix + topic, bootstrap_servers=buses.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        places = consumer.assignment()
        missing = sum((await consumer.end_offsets(places)).values())
        values: list[bytes | None] = []
        while len(values) < missing:
            polled = await consumer.getmany(timeout_ms=1000)
            values += [record.value for batch in polled.values() for record in batch]
        return values
    finally:
        await consumer.stop()


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


class TestPublishing:
    async def test_published_messages_are_acknowledged_by_the_broker(self, kafka_buses: KafkaBuses) -> None:
        bus = await kafka_buses.start("essays")
        sent = messages("essays", ["a"], count=50)

        await bus.publish(sent)

        assert set(await read_all(kafka_buses, "essays")) == {message.value for message in sent}

    async def test_a_batch_that_the_broker_refused_does_not_stop_later_ones(
        self, kafka_buses: KafkaBuses
    ) -> None:
        await create_topic(kafka_buses, "essays", {"max.message.bytes": "10000"})
        bus = await kafka_buses.start("essays")
        await bus.publish([Message(topic="essays", key=b"k", value=b"before")])

        with pytest.raises(NotPublished) as refused:
            await bus.publish([Message(topic="essays", key=b"k", value=b"x" * 20_000)])
        await bus.publish([Message(topic="essays", key=b"k", value=b"after")])

        assert refused.value.refusals[0].final
        assert await read_all(kafka_buses, "essays") == [b"before", b"after"]

    async def test_a_producer_that_fails_for_many_publishers_is_replaced_once(
        self, kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[Any] = []

        class CountedProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka publishes no types
            is_stopped = False

            async def start(self) -> None:
                started.append(self)
                await super().start()

            async def stop(self) -> None:
                await super().stop()
                self.is_stopped = True

        monkeypatch.setattr(kafka_publishing, "AIOKafkaProducer", CountedProducer)
        await create_topic(kafka_buses, "essays", {"max.message.bytes": "10000"})
        bus = await kafka_buses.start("essays")

        refused = await asyncio.gather(
            *(bus.publish([Message(topic="essays", key=b"k", value=b"x" * 20_000)]) for _ in range(8)),
            return_exceptions=True,
        )
        await bus.publish([Message(topic="essays", key=b"k", value=b"after")])
        await bus.close()

        assert all(isinstance(error, NotPublished) for error in refused)
        assert len(started) == 2
        assert all(producer.is_stopped for producer in started)

    async def test_a_missing_topic_holds_up_no_other_topic(
        self, kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kafka_publishing, "REQUEST_TIMEOUT_MS", 500)
        bus = await kafka_buses.start("essays")
        sent = [Message(topic=topic, key=b"k", value=b"v") for topic in ("nowhere", "essays", "nowhere")]

        with pytest.raises(NotPublished) as refused:
            await bus.publish(sent)

        assert sorted(refused.value.refusals) == [0, 2]
        assert not any(refusal.final for refusal in refused.value.refusals.values())
        assert await read_all(kafka_buses, "essays") == [b"v"]

    async def test_a_cancelled_publish_harms_no_later_one(self, kafka_buses: KafkaBuses) -> None:
        bus = await kafka_buses.start("essays")
        first, second = (
            messages("essays", ["k"], count=100),
            [Message(topic="essays", key=b"k", value=b"last")],
        )

        publishing = asyncio.create_task(bus.publish(first))
        await asyncio.sleep(0)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await bus.publish(second)

        *earlier, last = await read_all(kafka_buses, "essays")
        assert last == b"last"
        assert earlier == [message.value for message in first][: len(earlier)]

    async def test_closing_waits_for_what_is_in_progress(self, kafka_buses: KafkaBuses) -> None:
        bus = await kafka_buses.start("essays")
        await bus.publish([Message(topic="essays", key=b"k", value=b"0")])

        publishing = asyncio.create_task(bus.publish(messages("essays", ["k"], count=100)))
        await asyncio.sleep(0.001)
        await bus.close()
        await publishing

        assert len(await read_all(kafka_buses, "essays")) == 101

    async def test_a_closed_bus_says_so(self, kafka_buses: KafkaBuses) -> None:
        bus = await kafka_buses.start("essays")
        await bus.close()

        with pytest.raises(RuntimeError, match="not started"):
            await bus.publish([Message(topic="essays", key=b"k", value=b"v")])

    @pytest.mark.slow
    async def test_thousands_of_messages_a_second_go_through(self, kafka_buses: KafkaBuses) -> None:
        bus = await kafka_buses.start("essays", partitions=6)
        recorder = Recorder()
        bus.subscribe(["essays"], group="readers", handler=recorder)
        batch = [
            Message(topic="essays", key=f"batch-{number % 20}".encode(), value=os.urandom(1500))
            for number in range(500)
        ]

        started = time.perf_counter()
        for _ in range(40):
            await bus.publish(batch)
        published = time.perf_counter() - started
        started = time.perf_counter()
        async with running(bus.run):
            await recorder.until(20_000)
        consumed = time.perf_counter() - started

        print(f"published {20_000 / published:.0f}/s, consumed {20_000 / consumed:.0f}/s, of 1.5 kB")
        assert published < 20
        assert consumed < 20


class TestCommits:
    async def test_what_was_committed_is_not_delivered_after_a_restart(self, kafka_buses: KafkaBuses) -> None:
        before, after = Recorder(), Recorder()
        first = await kafka_buses.start("essays")
        await first.publish(messages("essays", ["a", "b"], count=10))
        await consume(first, before, 20)
        second = await kafka_buses.start("essays")

        await second.publish([Message(topic="essays", key=b"a", value=b"new")])
        await consume(second, after, 1)

        assert after.values == [b"new"]

    async def test_a_kill_between_handling_and_commit_delivers_again(self, kafka_buses: KafkaBuses) -> None:
        bus = await kafka_buses.start("essays", instance_id="one")
        await bus.publish(messages("essays", ["a"], count=10))
        after = Recorder()

        killed = await run_killed_member(kafka_buses)
        await consume(bus, after, 10)

        assert killed == -signal.SIGKILL
        assert numbers_by_key(after.records) == {"a": list(range(10))}

    async def test_only_what_was_dealt_with_is_committed(self, kafka_buses: KafkaBuses) -> None:
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
        self, kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
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


class TestMembership:
    async def test_two_members_share_the_partitions(self, kafka_buses: KafkaBuses) -> None:
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

    async def test_a_partition_is_reassigned_after_the_current_batch(self, kafka_buses: KafkaBuses) -> None:
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

    async def test_a_named_member_restarts_without_a_rebalance(self, kafka_buses: KafkaBuses) -> None:
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
        self, kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
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


class TestTrouble:
    async def test_a_consumer_that_stopped_polling_is_rebuilt(self, kafka_buses: KafkaBuses) -> None:
        may_go_on = asyncio.Event()

        async def wait(_records: Sequence[Record]) -> None:
            await may_go_on.wait()

        # A member that is busy holds up the rebalance that a new member causes: its poll does not return.
        busy, recorder = Recorder(before=wait), Recorder()
        holding_up = await kafka_buses.start("essays", partitions=2)
        bus = await kafka_buses.start("essays", stalled_after_seconds=4.0)
        holding_up.subscribe(["essays"], group="readers", handler=busy)
        bus.subscribe(["essays"], group="readers", handler=recorder)
        await bus.publish([Message(topic="essays", key=b"k", value=b"v")])

        async with running(holding_up.run):
            await eventually(lambda: busy.calls == 1)
            with captured_logs() as logs:
                async with running(bus.run):
                    await eventually(lambda: "bus.consumer_rebuilt" in events(logs))
                    may_go_on.set()
                    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                        while not recorder.records:
                            await bus.publish(messages("essays", [f"key-{n}" for n in range(20)], count=1))
                            await asyncio.sleep(0.2)

        assert busy.values[0] == b"v"

    async def test_topics_are_made_by_many_starters_at_once(self, kafka_buses: KafkaBuses) -> None:
        buses = await asyncio.gather(*(kafka_buses.start("essays", "anchors") for _ in range(5)))

        await buses[0].publish([Message(topic="anchors", key=b"k", value=b"v")])

        assert await read_all(kafka_buses, "anchors") == [b"v"]

    async def test_a_topic_that_cannot_be_made_is_named(self, kafka_buses: KafkaBuses) -> None:
        with pytest.raises(ConfigurationError, match="not a topic"):
            await kafka_buses.start("not a topic")

    async def test_a_missing_broker_fails_the_start(self) -> None:
        bus = KafkaEventBus("127.0.0.1:9", client_id="kit-test", topics=["essays"])

        with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
            await bus.start()


@pytest.mark.slow
async def test_a_broker_that_stops_answering_is_noticed_and_nothing_is_lost(
    own_broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_publishing, "PUBLISH_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr(kafka_publishing, "PING_TIMEOUT_SECONDS", 1.0)
    recorder = Recorder()
    bus = KafkaEventBus(own_broker.bootstrap, client_id="kit-test", topics=["essays"])
    await bus.start()
    bus.subscribe(["essays"], group="readers", handler=recorder)
    message = Message(topic="essays", key=b"k", value=b"v")

    async with running(bus.run):
        await bus.publish([message])
        await recorder.until(1)
        with stopped(own_broker):
            with pytest.raises(BusUnavailable):
                await bus.ping()
            with pytest.raises(BusUnavailable):
                await bus.publish([message])
        await bus.publish([message])
        await recorder.until(2)
        await bus.ping()
    await bus.close()


@pytest.mark.slow
async def test_a_dead_broker_does_not_keep_the_bus_from_closing(
    own_broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_publishing, "PUBLISH_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(stopping, "STOP_TIMEOUT_SECONDS", 1.0)
    bus = KafkaEventBus(own_broker.bootstrap, client_id="kit-test", topics=["essays"])
    await bus.start()
    bus.subscribe(["essays"], group="readers", handler=Recorder())

    async with asyncio.timeout(20):
        async with running(bus.run):
            await bus.publish([Message(topic="essays", key=b"k", value=b"v")])
            os.kill(own_broker.pid, signal.SIGKILL)
            with pytest.raises(BusUnavailable):
                await bus.publish([Message(topic="essays", key=b"k", value=b"v")])
        await bus.close()


class stopped:  # noqa: N801  # reads as what it does
    """A broker that neither answers nor closes its connections."""

    def __init__(self, broker: OwnBroker) -> None:
        self._pid = broker.pid

    def __enter__(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def __exit__(self, *_error: object) -> None:
        os.kill(self._pid, signal.SIGCONT)


def events(logs: Sequence[EventDict]) -> list[str]:
    """The names of the log entries."""
    return [str(entry["event"]) for entry in logs]


def partitions_now(logs: Sequence[EventDict]) -> list[object]:
    """How many partitions the members were assigned, the last two times."""
    return [entry["partitions"] for entry in logs if entry["event"] == "bus.partitions_assigned"][-2:]


async def create_topic(buses: KafkaBuses, name: str, configs: dict[str, str]) -> None:
    """A topic made elsewhere, with other limits."""
    admin = AIOKafkaAdminClient(bootstrap_servers=buses.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(buses.prefix + name, 1, 1, topic_configs=configs)])
    await admin.close()
