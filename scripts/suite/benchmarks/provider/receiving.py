"""How results come back in the benchmark: read from their topic, or received as signed callbacks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from command_line.loopback import HOST, free_port
from event_contracts import LLMComparisonResultV1, Topic, parse_envelope
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import Framework
from quart import Quart
from service_kit.http.bodies import request_body

from suite.processes.service_process import ServiceProcess


class ExpectedResults:
    """Results that are still to come, each with an event that is set when it does."""

    def __init__(self) -> None:
        self._expected: dict[str, asyncio.Event] = {}

    def expect(self, correlation_id: str) -> asyncio.Event:
        """The event that is set when the result with this correlation id arrives."""
        return self._expected.setdefault(correlation_id, asyncio.Event())

    def arrived(self, message: bytes) -> None:
        """Take a result from the bus or from a callback."""
        event = parse_envelope(message, LLMComparisonResultV1)
        self._expected.pop(str(event.correlation_id)).set()


def receiver(expected: ExpectedResults) -> Quart:
    """An application that receives signed callbacks."""
    app = Quart("receiver")

    @app.post("/results")
    async def receive() -> tuple[str, int]:
        expected.arrived(await request_body())
        return "", 204

    return app


@asynccontextmanager
async def listening(kafka: str, service: ServiceProcess, expected: ExpectedResults) -> AsyncIterator[None]:
    """Read the topic of results until the context ends."""
    topic = f"{service.settings['kafka_topic_prefix']}{Topic.LLM_COMPARISON_RESULT}"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    reading = asyncio.create_task(_read(consumer, expected))
    try:
        yield
    finally:
        reading.cancel()
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, expected: ExpectedResults) -> None:
    async for record in consumer:
        expected.arrived(record.value)


@asynccontextmanager
async def serving(app: Framework) -> AsyncIterator[str]:
    """Serve an application on a free port; yields its address."""
    config, stop = Config(), asyncio.Event()
    config.bind = [f"{HOST}:{free_port()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.1
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield f"http://{config.bind[0]}"
    finally:
        stop.set()
        await server
