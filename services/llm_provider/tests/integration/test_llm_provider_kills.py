"""kill -9 wherever it hurts: every request is called back once, and little is paid twice."""

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest
from event_contracts import (
    ALL_TOPICS,
    ComparisonBatchItem,
    LLMComparisonResultV1,
    LLMConfigOverrides,
    parse_envelope,
)
from llm_provider.tests.building import RESULTS, comparison
from llm_provider.tests.killing import Point
from llm_provider.tests.serving import HOST, SECRET, post, serving_app
from llm_provider.tests.vendors.calling import plain_client
from llm_provider.tests.vendors.limited_vendor import LimitedVendor, VendorLimits
from service_kit.messaging.event_bus import KafkaEventBus, Record
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import ADMIN, KEYS

KILLS: Final = 5
CONCURRENCY: Final = 8
REQUESTS: Final = 250
TIMEOUT_SECONDS: Final = 240.0
OVERRIDES: Final = LLMConfigOverrides(provider_override="openai_compatible", model_override="limited-1")
ROOTS: Final = os.pathsep.join(
    str(Path(__file__).parents[4] / root) for root in ("libs", "services", "scripts")
)


class Callbacks:
    """The callbacks of each request, by the ids of their events: a repeated delivery is the same event."""

    def __init__(self) -> None:
        self.of_request: dict[str, set[str]] = defaultdict(set)

    async def handle(self, records: Sequence[Record]) -> None:
        for record in records:
            event = parse_envelope(record.value or b"", LLMComparisonResultV1)
            self.of_request[event.data.request_id].add(str(event.event_id))

    async def waits_for(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.of_request) < count:  # noqa: ASYNC110 - the bus says when, not how many
                await asyncio.sleep(0.1)


@asynccontextmanager
async def listening(bootstrap: str, prefix: str) -> AsyncIterator[Callbacks]:
    callbacks = Callbacks()
    bus = KafkaEventBus(
        bootstrap,
        client_id="reader",
        topic_prefix=prefix,
        topics=[spec.topic for spec in ALL_TOPICS],
        partitions=1,
        replication=1,
    )
    bus.subscribe([RESULTS], group="reader", handler=callbacks.handle)
    await bus.start()
    running = asyncio.create_task(bus.run())
    try:
        yield callbacks
    finally:
        running.cancel()
        await bus.close()


@asynccontextmanager
async def dying_service(order: dict[str, object]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "llm_provider.tests.killing",
        json.dumps(order),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ROOTS},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def submit_patiently(port: int, count: int) -> None:
    """Submit with keys until all are accepted: the service may be dead at any moment."""
    items = [
        comparison(f"essay {number}", key=f"key-{number}", overrides=OVERRIDES) for number in range(count)
    ]
    async with plain_client() as client:
        client.base_url = httpx2.URL(f"http://{HOST}:{port}")
        client.headers.update(ADMIN)
        for start in range(0, count, 100):
            while not await _accepted(client, items[start : start + 100]):  # noqa: ASYNC110 - it may be dead
                await asyncio.sleep(0.05)


async def _accepted(client: httpx2.AsyncClient, items: Sequence[ComparisonBatchItem]) -> bool:
    try:
        answer = await post(client, items)
    except httpx2.HTTPError:
        return False
    assert answer.status_code == 202 or answer.status_code >= 500, answer.text
    return answer.status_code == 202


@pytest.mark.slow
@pytest.mark.parametrize("point", list(Point))
async def test_a_kill_loses_nothing_and_repeats_no_more_calls_than_were_under_way(
    database_url: str, kafka_bootstrap: str, topic_prefix: str, point: Point
) -> None:
    vendor = LimitedVendor(limits=VendorLimits(requests=10**9, tokens=10**12, latency=0.02))
    port = free_port()
    async with (
        serving_app(vendor) as address,
        listening(kafka_bootstrap, f"{topic_prefix}{point}.") as callbacks,
        dying_service(
            {
                "point": point,
                "kills": KILLS,
                "seed": 7,
                "longest_life": 3,
                "settings": {
                    **KEYS,
                    "database_url": database_url,
                    "kafka_bootstrap_servers": kafka_bootstrap,
                    "kafka_topic_prefix": f"{topic_prefix}{point}.",
                    "callback_signing_secret": SECRET,
                    "http_port": port,
                    "openai_compatible_url": f"{address}/v1",
                    "limits": {"openai_compatible": {"requests_per_minute": 1e6, "concurrency": CONCURRENCY}},
                    "concurrency": CONCURRENCY,
                    "lease_duration": "PT1S",
                    "publish_call_events": False,
                },
            }
        ) as process,
    ):
        await submit_patiently(port, REQUESTS)
        await callbacks.waits_for(REQUESTS)
        assert process.stdout is not None
        lives = [(await process.stdout.readline()).decode().strip() for _ in range(KILLS)]

    repeated = len(vendor.calls) - REQUESTS
    print(f"killed {KILLS} times {point}: {repeated} calls repeated, {CONCURRENCY * KILLS} would be allowed")
    assert Counter(lives) == {"killed": KILLS}
    assert {len(events) for events in callbacks.of_request.values()} == {1}
    assert repeated <= CONCURRENCY * KILLS
