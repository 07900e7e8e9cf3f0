"""Every accepted request ends in one callback: to a Kafka topic, to a signed HTTP endpoint, or to both."""

import asyncio
from collections.abc import Sequence

from event_contracts import (
    ALL_TOPICS,
    EventEnvelope,
    LLMComparisonResultV1,
    Topic,
    parse_envelope,
)
from llm_provider.tests.building import RESULTS, comparison
from llm_provider.tests.serving import (
    HOST,
    SECRET,
    TIMEOUT_SECONDS,
    memory_bus,
    serving,
    serving_app,
    settings_for,
    submit,
)
from quart import Quart, request
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.http.bodies import request_body
from service_kit.messaging.event_bus import KafkaEventBus, Record

ResultEvent = EventEnvelope[LLMComparisonResultV1]


class Receiver:
    """An endpoint for callbacks that checks signatures; it refuses the first ``failing`` of them."""

    def __init__(self, *, failing: int = 0) -> None:
        self.app = Quart("receiver")
        self.received: dict[str, ResultEvent] = {}
        self.posts = 0
        self._failing = failing
        self._arrived = asyncio.Event()
        self._signer = WebhookSigner(SECRET)
        self.app.add_url_rule("/results", view_func=self._receive, methods=["POST"])

    async def _receive(self) -> tuple[str, int]:
        body = await request_body()
        message_id = self._signer.verify(dict(request.headers), body)
        self.posts += 1
        if self.posts <= self._failing:
            return "not now", 503
        self.received[message_id] = parse_envelope(body, LLMComparisonResultV1)
        self._arrived.set()
        return "", 204

    async def waits_for(self, count: int) -> list[ResultEvent]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return list(self.received.values())


async def test_a_result_on_kafka_has_the_callers_words_and_the_batch_as_its_key(
    database_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    records: list[Record] = []
    arrived = asyncio.Event()

    async def remember(batch: Sequence[Record]) -> None:
        records.extend(batch)
        arrived.set()

    reader = KafkaEventBus(
        kafka_bootstrap,
        client_id="reader",
        topic_prefix=topic_prefix,
        topics=[spec.topic for spec in ALL_TOPICS],
        partitions=1,
        replication=1,
    )
    reader.subscribe([RESULTS], group="reader", handler=remember)
    await reader.start()
    item = comparison(batch="batch-7", metadata={"note": "ord för ord", "nested": {"n": [1, 2.5, None]}})
    settings = settings_for(
        database_url,
        event_bus="kafka",
        kafka_bootstrap_servers=kafka_bootstrap,
        kafka_topic_prefix=topic_prefix,
    )

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.run())
        async with serving(settings) as client, asyncio.timeout(TIMEOUT_SECONDS):
            await submit(client, [item])
            await arrived.wait()
        reading.cancel()
    await reader.close()

    (record,) = records
    event = parse_envelope(record.value or b"", LLMComparisonResultV1)
    assert record.key == b"batch-7"
    assert event.event_type == Topic.LLM_COMPARISON_RESULT
    assert event.correlation_id == event.data.correlation_id == item.correlation_id
    assert event.data.winner is not None
    assert item.metadata.items() <= event.data.request_metadata.items()
    assert event.data.request_metadata["resolved_model"] == "simulated-judge-1"
    assert dict(record.headers)["event_id"] == str(event.event_id).encode()


async def test_a_result_over_http_is_signed_and_is_the_envelope(database_url: str) -> None:
    receiver, (bus, on_bus) = Receiver(), memory_bus()
    async with serving_app(receiver.app) as address, serving(settings_for(database_url), bus=bus) as client:
        await submit(client, [comparison(callback_topic=None, callback_url=f"{address}/results")])
        (event,) = await receiver.waits_for(1)

    assert event.data.winner is not None
    assert str(event.event_id) in receiver.received, "webhook-id is the event's id"
    assert on_bus.received == []


async def test_an_unavailable_receiver_gets_the_same_message_later(database_url: str) -> None:
    receiver, (bus, _) = Receiver(failing=2), memory_bus()
    async with serving_app(receiver.app) as address, serving(settings_for(database_url), bus=bus) as client:
        await submit(client, [comparison(callback_topic=None, callback_url=f"{address}/results")])
        await receiver.waits_for(1)

    assert receiver.posts == 3
    assert len(receiver.received) == 1


async def test_a_result_may_go_to_a_topic_and_a_url_as_one_event(database_url: str) -> None:
    receiver, (bus, on_bus) = Receiver(), memory_bus()
    async with serving_app(receiver.app) as address, serving(settings_for(database_url), bus=bus) as client:
        await submit(client, [comparison(callback_url=f"{address}/results")])
        (event,) = await receiver.waits_for(1)
        (result,) = await on_bus.waits_for(1)

    assert event.data == result


async def test_an_error_names_the_pair_the_batch_and_the_prompt_as_a_result_does(database_url: str) -> None:
    bus, results = memory_bus()
    settings = settings_for(database_url, simulated_malformed_rate=1.0, max_attempts=1)
    async with serving(settings, bus=bus) as client:
        await submit(client, [comparison(batch="batch-9")])
        (result,) = await results.waits_for(1)

    assert result.error_detail is not None
    assert result.error_detail.error_code == "LLM_INVALID_RESPONSE"
    assert result.provenance().bos_batch_id == "batch-9"
    assert result.token_usage.total_tokens > 0, "an answer that is not a vote is paid for all the same"
    assert HOST not in result.model_dump_json()
