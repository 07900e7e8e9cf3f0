"""A service that is told to stop while it is busy ends in time, with exit code 0, whatever it is busy with."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2
import pytest
from aiokafka import AIOKafkaProducer
from batch_conductor.tests.building import SPELLCHECK, outcome
from cj_assessment.tests.building import request
from command_line.loopback import HOST
from event_contracts import EventEnvelope, topic_of
from llm_provider.tests.building import comparison
from suite.embedded.postgres import PostgresServer, plain_connection
from suite.installed import PACKAGES
from suite.processes.service_process import ServiceProcess
from suite.processes.tokens import OwnToken
from suite.tests.replicas import replica

pytestmark = pytest.mark.slow

LIMIT_SECONDS: Final = 25.0
WAIT_TIMEOUT_SECONDS: Final = 60.0
WAITS_FOR_LOCK: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO inbox%'
"""


@pytest.fixture
def prefix() -> str:
    return f"stop{uuid4().hex[:8]}"


@pytest.fixture
def postgres(postgres_server: PostgresServer, prefix: str) -> Iterator[PostgresServer]:
    yield postgres_server
    for service in PACKAGES:
        postgres_server.drop_database(f"{prefix}_{service}")


@asynccontextmanager
async def started(service: ServiceProcess) -> AsyncIterator[ServiceProcess]:
    await service.start()
    try:
        yield service
    finally:
        await service.kill()


@asynccontextmanager
async def half_a_request(service: ServiceProcess) -> AsyncIterator[None]:
    """A client that has sent half of a body, and says nothing more."""
    _, writer = await asyncio.open_connection(HOST, service.port)
    writer.write(b"POST /v1/content HTTP/1.1\r\nHost: busy\r\nContent-Length: 1000\r\n\r\nhalf of it")
    await writer.drain()
    try:
        yield
    finally:
        writer.close()


@asynccontextmanager
async def a_consumer_in_the_middle(
    service: ServiceProcess, event: EventEnvelope[Any], bootstrap: str, prefix: str
) -> AsyncIterator[None]:
    """The service's consumer is at work on an event, and waits for a row that somebody else has locked."""
    async with (
        plain_connection(service.settings["database_url"]) as connection,
        connection.transaction(),
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        await connection.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        await producer.send_and_wait(
            f"{prefix}.{topic_of(type(event.data))}", value=event.to_json(), key=event.key.encode()
        )
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while not await connection.fetchval(WAITS_FOR_LOCK):
                # What a transaction has seen of other sessions, it keeps seeing.
                await connection.execute("SELECT pg_stat_clear_snapshot()")
                await asyncio.sleep(0.05)
        yield


@asynccontextmanager
async def a_call_that_takes_long(service: ServiceProcess) -> AsyncIterator[None]:
    """A vendor has been called and takes its time."""
    async with httpx2.AsyncClient(base_url=service.url, auth=OwnToken(), timeout=30) as http:
        body = comparison(key="slow").model_dump(mode="json", exclude={"idempotency_key"}, exclude_none=True)
        accepted = await http.post("/api/v1/comparison", json=body)
        assert accepted.status_code == 202, accepted.text
        path = f"/api/v1/requests/{accepted.json()['queue_id']}"
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while (await http.get(path)).json()["status"] != "processing":  # noqa: ASYNC110 - over there
                await asyncio.sleep(0.05)
        yield


async def stopped(service: ServiceProcess) -> tuple[int | None, float]:
    started_at = time.monotonic()
    code = await service.stop()
    return code, time.monotonic() - started_at


def with_tracebacks(folder: Path) -> list[str]:
    return [log.name for log in folder.glob("*.log") if "Traceback" in log.read_text("utf-8")]


async def test_every_service_stops_in_time_while_it_is_busy(
    postgres: PostgresServer, kafka_bootstrap: str, prefix: str, tmp_path: Path
) -> None:
    def make(package: str, **settings: str) -> ServiceProcess:
        return replica(package, postgres, kafka_bootstrap, name=prefix, folder=tmp_path, settings=settings)

    async def busy_provider() -> tuple[int | None, float]:
        service = make("llm_provider", simulated_latency_ms="60000")
        async with started(service), half_a_request(service), a_call_that_takes_long(service):
            return await stopped(service)

    async def busy_assessment() -> tuple[int | None, float]:
        service = make("cj_assessment", llm_provider_url=f"http://{HOST}:9", default_provider="mock")
        event = request({"essay-1": "0" * 64, "essay-2": "1" * 64})
        async with (
            started(service),
            half_a_request(service),
            a_consumer_in_the_middle(service, event, kafka_bootstrap, prefix),
        ):
            return await stopped(service)

    async def busy_conductor() -> tuple[int | None, float]:
        service = make("batch_conductor")
        event = outcome("batch-1", SPELLCHECK)
        async with (
            started(service),
            half_a_request(service),
            a_consumer_in_the_middle(service, event, kafka_bootstrap, prefix),
        ):
            return await stopped(service)

    ends = await asyncio.gather(busy_provider(), busy_assessment(), busy_conductor())

    print("seconds from SIGTERM to exit:", [round(seconds, 1) for _, seconds in ends])
    assert [code for code, _ in ends] == [0, 0, 0]
    assert max(seconds for _, seconds in ends) <= LIMIT_SECONDS
    assert with_tracebacks(tmp_path) == []
