"""What publishing on Kafka promises beyond the port: acknowledgements, refusals, cancelling and closing."""

import asyncio
import os
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from service_kit.messaging.event_bus import Message, NotPublished, kafka_publishing
from service_kit.tests.builders import Recorder, messages, running
from service_kit.tests.conftest import KafkaBuses
from service_kit.tests.kafka_topics import read_all


async def test_published_messages_are_acknowledged_by_the_broker(kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start("essays")
    sent = messages("essays", ["a"], count=50)

    await bus.publish(sent)

    assert set(await read_all(kafka_buses, "essays")) == {message.value for message in sent}


async def test_a_batch_that_the_broker_refused_does_not_stop_later_ones(kafka_buses: KafkaBuses) -> None:
    await create_topic(kafka_buses, "essays", {"max.message.bytes": "10000"})
    bus = await kafka_buses.start("essays")
    await bus.publish([Message(topic="essays", key=b"k", value=b"before")])

    with pytest.raises(NotPublished) as refused:
        await bus.publish([Message(topic="essays", key=b"k", value=b"x" * 20_000)])
    await bus.publish([Message(topic="essays", key=b"k", value=b"after")])

    assert refused.value.refusals[0].final
    assert await read_all(kafka_buses, "essays") == [b"before", b"after"]


async def test_a_producer_that_fails_for_many_publishers_is_replaced_once(
    kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
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
    kafka_buses: KafkaBuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_publishing, "REQUEST_TIMEOUT_MS", 500)
    bus = await kafka_buses.start("essays")
    sent = [Message(topic=topic, key=b"k", value=b"v") for topic in ("nowhere", "essays", "nowhere")]

    with pytest.raises(NotPublished) as refused:
        await bus.publish(sent)

    assert sorted(refused.value.refusals) == [0, 2]
    assert not any(refusal.final for refusal in refused.value.refusals.values())
    assert await read_all(kafka_buses, "essays") == [b"v"]


async def test_a_cancelled_publish_harms_no_later_one(kafka_buses: KafkaBuses) -> None:
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


async def test_closing_waits_for_what_is_in_progress(kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start("essays")
    await bus.publish([Message(topic="essays", key=b"k", value=b"0")])

    publishing = asyncio.create_task(bus.publish(messages("essays", ["k"], count=100)))
    await asyncio.sleep(0.001)
    await bus.close()
    await publishing

    assert len(await read_all(kafka_buses, "essays")) == 101


async def test_a_closed_bus_says_so(kafka_buses: KafkaBuses) -> None:
    bus = await kafka_buses.start("essays")
    await bus.close()

    with pytest.raises(RuntimeError, match="not started"):
        await bus.publish([Message(topic="essays", key=b"k", value=b"v")])


@pytest.mark.slow
async def test_thousands_of_messages_a_second_go_through(kafka_buses: KafkaBuses) -> None:
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


async def create_topic(buses: KafkaBuses, name: str, configs: dict[str, str]) -> None:
    """A topic made elsewhere, with other limits."""
    admin = AIOKafkaAdminClient(bootstrap_servers=buses.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(buses.prefix + name, 1, 1, topic_configs=configs)])
    await admin.close()
