"""Runs the service on a real port, and speaks to it over HTTP and Kafka."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cj_assessment.assembly import assemble
from cj_assessment.settings import Settings
from cj_assessment.tests.fake_llm_provider import FakeLlmProvider, ResultEnvelope, open_fake_llm_provider
from dishka import Provider
from event_contracts import (
    ALL_TOPICS,
    FINAL_STATES,
    BatchStatusView,
    ComparisonBatchItem,
    EventEnvelope,
    Topic,
    WireModel,
    dead_letter_topic,
    event_for,
    parse_envelope,
)
from pydantic import SecretStr
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.event_bus import EventBus, MemoryEventBus
from service_kit.running import run_services
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import ADMIN, KEYS

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
TIMEOUT_SECONDS = 180.0


@dataclass
class Wire:
    """The broker as others see it: they publish requests and results, and read what the service announces."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    prefix: str
    heard: list[EventEnvelope[Any]] = field(default_factory=list)
    dead: list[tuple[str, bytes, dict[str, bytes]]] = field(default_factory=list)

    async def publish(self, envelope: EventEnvelope[Any]) -> None:
        """Publish an event on its topic."""
        await self.publish_bytes(envelope.event_type, envelope.to_json(), key=envelope.key)

    async def publish_bytes(self, topic: str, value: bytes, *, key: str) -> None:
        """Publish any bytes."""
        await self.producer.send_and_wait(self.prefix + topic, value=value, key=key.encode())

    async def listen(self) -> None:
        """Collect what is announced, until cancelled."""
        async for record in self.consumer:
            topic = record.topic.removeprefix(self.prefix)
            if topic.endswith(".DLQ"):
                self.dead.append((topic, record.value or b"", dict(record.headers)))
            else:
                self.heard.append(parse_envelope(record.value or b"", event_for(topic)))

    def events_of(self, batch_id: str) -> list[WireModel]:
        """What was announced of a batch, in the order it was heard."""
        return [event.data for event in self.heard if getattr(event.data, "entity_id", None) == batch_id]


ANNOUNCED = (
    Topic.CJ_ASSESSMENT_COMPLETED,
    Topic.CJ_ASSESSMENT_FAILED,
    Topic.ASSESSMENT_RESULT_PUBLISHED,
    Topic.RESOURCE_CONSUMPTION,
)


@asynccontextmanager
async def wire(bootstrap: str, prefix: str) -> AsyncIterator[Wire]:
    """A connection to the broker until the context ends; the topics must exist."""
    topics = [*ANNOUNCED, *(dead_letter_topic(spec.topic) for spec in ALL_TOPICS)]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    consumer = AIOKafkaConsumer(
        *(prefix + topic for topic in topics), bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    line = Wire(producer=producer, consumer=consumer, prefix=prefix)
    listening = asyncio.create_task(line.listen())
    try:
        yield line
    finally:
        listening.cancel()
        await consumer.stop()
        await producer.stop()


@dataclass
class Assessment:
    """A running service as its callers see it."""

    http: httpx2.AsyncClient
    fake_llm: FakeLlmProvider
    asked: list[str] = field(default_factory=list)

    async def store(self, text: str | bytes) -> str:
        """Post a text; returns its storage id."""
        body = text.encode() if isinstance(text, str) else text
        answer = await self.http.post("/v1/content", content=body, headers={"content-type": "text/plain"})
        assert answer.status_code == 201, answer.text
        storage_id: str = answer.json()["storage_id"]
        return storage_id

    async def store_all(self, texts: dict[str, str | bytes]) -> dict[str, str]:
        """Post texts by essay id; returns their storage ids by essay id."""
        return {name: await self.store(text) for name, text in texts.items()}

    async def accept(self, envelope: EventEnvelope[Any]) -> httpx2.Response:
        """Ask for an assessment."""
        self.asked.append(envelope.data.entity_id)
        return await self.http.post(
            "/api/v1/assessments", content=envelope.to_json(), headers={"content-type": "application/json"}
        )

    async def cancel_all(self) -> None:
        """End every batch that was asked for and has not ended: it would disturb the next test."""
        for batch_id in self.asked:
            await self.http.post(f"/api/v1/batches/{batch_id}/cancel")
        self.asked.clear()

    async def status(self, batch_id: str) -> BatchStatusView:
        """The status of a batch."""
        answer = await self.http.get(f"/api/v1/batches/{batch_id}")
        assert answer.status_code == 200, answer.text
        return BatchStatusView.model_validate_json(answer.content)

    async def until_ended(self, batch_id: str, *, seconds: float = TIMEOUT_SECONDS) -> BatchStatusView:
        """The final status of a batch."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.http.get(f"/api/v1/batches/{batch_id}")
                if answer.status_code == 200:
                    status = BatchStatusView.model_validate_json(answer.content)
                    if status.state in FINAL_STATES:
                        return status
                await asyncio.sleep(0.1)

    async def result(self, batch_id: str) -> dict[str, Any]:
        """The published result."""
        answer = await self.http.get(f"/api/v1/batches/{batch_id}/results")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["result"]
        return found

    async def metric(self, name: str, **labels: str) -> float:
        """One sample of the service's metrics; 0 where there is none yet."""
        wanted = name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else "")
        for line in (await self.http.get("/metrics")).text.splitlines():
            if line.startswith(wanted + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0


@asynccontextmanager
async def over_http(
    database_url: str, *, overrides: Sequence[Provider] = (), **settings: Any
) -> AsyncIterator[Assessment]:
    """One replica with the memory bus; the fake LLM Provider answers by signed HTTP callbacks."""
    port = free_port()
    signer = WebhookSigner(SECRET)
    callback = f"http://127.0.0.1:{port}/api/v1/callbacks/comparison-results"

    async def deliver(_item: ComparisonBatchItem, envelope: ResultEnvelope) -> None:
        await post_signed(client, signer, callback, envelope)

    async with httpx2.AsyncClient() as client, open_fake_llm_provider(deliver) as fake_llm:
        options = {
            "event_bus": "memory",
            "callback_transport": "http",
            "callback_base_url": f"http://127.0.0.1:{port}",
            **settings,
        }
        async with replica(
            database_url, fake_llm, port=port, bus=MemoryEventBus(), overrides=overrides, **options
        ) as service:
            yield service


async def post_signed(
    client: httpx2.AsyncClient, signer: WebhookSigner, url: str, envelope: ResultEnvelope
) -> httpx2.Response:
    """Post a result as the LLM Provider does."""
    body = envelope.to_json()
    signature = signer.headers(message_id=str(envelope.event_id), body=body)
    headers = {"content-type": "application/json", **signature}
    return await client.post(url, content=body, headers=headers)


@asynccontextmanager
async def replica(
    database_url: str,
    fake_llm: FakeLlmProvider,
    *,
    port: int | None = None,
    bus: EventBus | None = None,
    overrides: Sequence[Provider] = (),
    **settings: Any,
) -> AsyncIterator[Assessment]:
    """One replica of the service until the context ends."""
    chosen = Settings(
        **{
            "database_url": database_url,
            "http_port": port or free_port(),
            "callback_signing_secret": SecretStr(SECRET),
            "llm_provider_url": fake_llm.url,
            "default_provider": "mock",
            "straggler_timeout": timedelta(seconds=2),
            **KEYS,
            **settings,
        }
    )
    service = await assemble(chosen, bus=bus, overrides=overrides)
    stop, started = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as closing:
        group = await closing.enter_async_context(asyncio.TaskGroup())
        closing.callback(stop.set)
        running = group.create_task(run_services([service], stop=stop, started=started))
        waiting = group.create_task(started.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{chosen.http_port}", timeout=30, headers=ADMIN)
        yield Assessment(await closing.enter_async_context(http), fake_llm)
