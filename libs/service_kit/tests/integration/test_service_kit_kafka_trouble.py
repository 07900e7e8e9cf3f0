"""What the event bus on Kafka promises when a broker, a topic or a consumer is in trouble."""

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest
from event_contracts import ConfigurationError
from service_kit.messaging.event_bus import (
    BusUnavailable,
    KafkaEventBus,
    Message,
    Record,
    kafka_publishing,
    stopping,
)
from service_kit.tests.builders import Recorder, captured_logs, messages, running
from service_kit.tests.conftest import KafkaBuses, OwnBroker
from service_kit.tests.kafka_topics import events, read_all
from service_kit.tests.waiting import WAIT_TIMEOUT_SECONDS, eventually


async def test_a_consumer_that_stopped_polling_is_rebuilt(kafka_buses: KafkaBuses) -> None:
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


async def test_topics_are_made_by_many_starters_at_once(kafka_buses: KafkaBuses) -> None:
    buses = await asyncio.gather(*(kafka_buses.start("essays", "anchors") for _ in range(5)))

    await buses[0].publish([Message(topic="anchors", key=b"k", value=b"v")])

    assert await read_all(kafka_buses, "anchors") == [b"v"]


async def test_a_topic_that_cannot_be_made_is_named(kafka_buses: KafkaBuses) -> None:
    with pytest.raises(ConfigurationError, match="not a topic"):
        await kafka_buses.start("not a topic")


async def test_a_missing_broker_fails_the_start() -> None:
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
