"""What both adapters of the event bus promise: the same tests for the memory bus and for a real Kafka broker."""

import asyncio
from collections.abc import Sequence

import pytest
from service_kit.messaging.event_bus import (
    MAX_MESSAGE_BYTES,
    MAX_RECORDS_PER_POLL,
    Message,
    NotPublished,
    Record,
)
from service_kit.tests.builders import (
    Recorder,
    fails_first,
    messages,
    numbers_by_key,
    publish_until_safe,
    running,
)
from service_kit.tests.conftest import StartBus


async def test_each_group_gets_each_message(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    first, second = Recorder(), Recorder()
    bus.subscribe(["essays"], group="first", handler=first)
    bus.subscribe(["essays"], group="second", handler=second)

    async with running(bus.run):
        await bus.publish(messages("essays", ["a", "b", "c"], count=5))
        await first.until(15)
        await second.until(15)

    expected = {key: list(range(5)) for key in ("a", "b", "c")}
    assert numbers_by_key(first.records) == numbers_by_key(second.records) == expected


async def test_messages_of_one_key_arrive_in_order(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    recorder = Recorder()
    bus.subscribe(["essays"], group="readers", handler=recorder)
    keys = [f"batch-{number}" for number in range(7)]

    async with running(bus.run):
        for start in range(0, 700, 100):
            await bus.publish(messages("essays", keys, count=100)[start : start + 100])
        await recorder.until(700)

    assert numbers_by_key(recorder.records) == {key: list(range(100)) for key in keys}


async def test_a_group_reads_all_its_topics_and_no_others(start_bus: StartBus) -> None:
    bus = await start_bus("essays", "anchors", "grades")
    recorder = Recorder()
    bus.subscribe(["essays", "anchors"], group="readers", handler=recorder)

    async with running(bus.run):
        await bus.publish(
            [Message(topic=name, key=b"k", value=b"v") for name in ("essays", "grades", "anchors")]
        )
        await recorder.until(2)
        await asyncio.sleep(0.1)

    assert {record.topic for record in recorder.records} == {"essays", "anchors"}


async def test_a_message_whose_handler_fails_is_delivered_until_it_succeeds(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    recorder = Recorder(before=fails_first(2))
    bus.subscribe(["essays"], group="readers", handler=recorder)

    async with running(bus.run):
        await publish_until_safe(bus, [Message(topic="essays", key=b"k", value=b"v")])
        await recorder.until(1)

    assert recorder.values == [b"v"]
    assert recorder.calls == 3


async def test_a_failing_handler_gets_its_batch_again_before_anything_later(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    recorder = Recorder(before=fails_first(1))
    bus.subscribe(["essays"], group="readers", handler=recorder)

    async with running(bus.run):
        for message in messages("essays", ["a"], count=10):
            await publish_until_safe(bus, [message])
        await recorder.until(10)

    assert numbers_by_key(recorder.records) == {"a": list(range(10))}


async def test_a_handler_takes_batches_of_a_bounded_size(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    recorder = Recorder()
    bus.subscribe(["essays"], group="readers", handler=recorder)

    await_first = messages("essays", ["a", "b"], count=700)
    async with running(bus.run):
        await bus.publish(await_first)
        await recorder.until(1400)

    assert max(map(len, recorder.batches)) <= MAX_RECORDS_PER_POLL
    assert len(recorder.batches) < 200


async def test_a_slow_handler_of_one_group_delays_no_other_group(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    may_go_on = asyncio.Event()

    async def wait(_records: Sequence[Record]) -> None:
        await may_go_on.wait()

    slow, quick = Recorder(before=wait), Recorder()
    bus.subscribe(["essays"], group="slow", handler=slow)
    bus.subscribe(["essays"], group="quick", handler=quick)

    async with running(bus.run), asyncio.TaskGroup() as publishing:
        publishing.create_task(bus.publish(messages("essays", ["a"], count=3)))
        await quick.until(3)
        handled_by_slow = len(slow.records)
        may_go_on.set()
        await slow.until(3)

    assert handled_by_slow == 0


async def test_a_member_handles_one_batch_at_a_time(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    at_once = most_at_once = 0

    async def count(_records: Sequence[Record]) -> None:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1

    recorder = Recorder(before=count)
    bus.subscribe(["essays"], group="readers", handler=recorder)

    async with running(bus.run):
        await asyncio.gather(*(bus.publish([message]) for message in messages("essays", "abcde", count=2)))
        await recorder.until(10)

    assert most_at_once == 1


async def test_key_value_and_headers_arrive_byte_for_byte(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    recorder = Recorder()
    bus.subscribe(["essays"], group="readers", handler=recorder)
    headers = (("traceparent", b"00-\xff\x00"), ("é", b""), ("twice", b"1"), ("twice", b"2"), ("null", None))
    sent = [
        Message(topic="essays", key=b"\xff\xfe\x00", value=b"\x00\x01\xff", headers=headers),
        Message(topic="essays", key=None, value=b"no key"),
        Message(topic="essays", key=b"no value", value=None),
    ]

    async with running(bus.run):
        await bus.publish(sent)
        await recorder.until(3)

    arrived = [(record.key, record.value, record.headers) for record in recorder.records]
    assert sorted(arrived, key=repr) == sorted(((m.key, m.value, m.headers) for m in sent), key=repr)


async def test_a_message_at_the_limit_arrives_whole(start_bus: StartBus) -> None:
    bus = await start_bus("essays")
    recorder = Recorder()
    bus.subscribe(["essays"], group="readers", handler=recorder)
    value = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
    sent = Message(topic="essays", key=b"", value=value)

    async with running(bus.run):
        await bus.publish([sent])
        await recorder.until(1)

    assert sent.size == MAX_MESSAGE_BYTES
    assert recorder.values == [value]


async def test_a_message_over_the_limit_is_refused_for_good_and_the_others_are_published(
    start_bus: StartBus,
) -> None:
    bus = await start_bus("essays")
    recorder = Recorder()
    bus.subscribe(["essays"], group="readers", handler=recorder)
    before, after = (Message(topic="essays", key=b"k", value=value) for value in (b"before", b"after"))
    large = Message(topic="essays", key=b"k", value=b"x" * MAX_MESSAGE_BYTES)

    async with running(bus.run):
        with pytest.raises(NotPublished) as refused:
            await bus.publish([before, large, after])
        await recorder.until(2)

    assert [place for place, refusal in refused.value.refusals.items() if refusal.final] == [1]
    assert recorder.values == [b"before", b"after"]


async def test_a_group_subscribes_once(start_bus: StartBus) -> None:
    bus = await start_bus("essays", "anchors")
    bus.subscribe(["essays"], group="readers", handler=Recorder())

    with pytest.raises(ValueError, match="readers"):
        bus.subscribe(["anchors"], group="readers", handler=Recorder())


async def test_publishing_nothing_returns(start_bus: StartBus) -> None:
    bus = await start_bus("essays")

    await bus.publish([])


async def test_an_answering_bus_is_ready(start_bus: StartBus) -> None:
    bus = await start_bus("essays")

    await bus.ping()
