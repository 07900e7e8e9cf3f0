"""What the service adds to a call, and what its durable steps alone add: the same vendor called in three ways."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import httpx2
import numpy as np
from event_contracts import Topic
from llm_provider.tests.vendors.limited_vendor import LimitedVendor, VendorLimits

from suite.benchmarks.provider.floor import bare_steps
from suite.benchmarks.provider.receiving import ExpectedResults, listening, receiver, serving
from suite.benchmarks.provider.site import SHORT_ESSAY, Site, comparison, running
from suite.processes.service_process import ServiceProcess
from suite.processes.tokens import OwnToken

CONCURRENCIES: Final = (1, 16, 64)
CALL_SECONDS: Final = 1.0
TURNS: Final = 5
CALLS_PER_TURN: Final = 2

Way = Literal["bare steps", "topic", "signed callback"]
"""What is called: the floor, or the service, with its result over Kafka, as the suite's services use it, or HTTP."""

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Times:
    """Median and 99th percentile of the time of a call, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        """The percentiles of these times, which are in seconds."""
        p50, p99 = (1_000 * float(np.percentile(seconds, q)) for q in (50, 99))
        return cls(p50=p50, p99=p99)


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Times of calls to the vendor itself and through the service, ``concurrency`` at a time, answered by ``way``."""

    concurrency: int
    way: Way
    direct: Times
    through: Times

    @property
    def added(self) -> Times:
        """What the service adds."""
        return Times(p50=self.through.p50 - self.direct.p50, p99=self.through.p99 - self.direct.p99)

    def cells(self) -> list[str]:
        """Its row in the table of the page."""
        times = (self.direct, self.through, self.added)
        figures = [f"{number:,.0f}" for each in times for number in (each.p50, each.p99)]
        return [str(self.concurrency), self.way, *figures]


def against_floor(measured: Sequence[Overhead], *, concurrency: int) -> tuple[float, float, float]:
    """What the service and the floor add to the median call, in milliseconds, and how many times as much that is."""
    added = {one.way: one.added.p50 for one in measured if one.concurrency == concurrency}
    return added["topic"], added["bare steps"], added["topic"] / added["bare steps"]


async def overheads(site: Site) -> list[Overhead]:
    """What the service adds, at each concurrency."""
    vendor = LimitedVendor(
        limits=VendorLimits(requests=10**9, tokens=10**12, latency=CALL_SECONDS, spread=0.0)
    )
    expected = ExpectedResults()
    async with serving(vendor) as address, serving(receiver(expected)) as callbacks:
        own = '{"requests_per_minute": 1e9, "concurrency": 128}'
        (service,) = services = site.replicas(1, vendor=address, limits=own, concurrency=128)
        async with (
            running(services),
            listening(site.kafka, service, expected),
            httpx2.AsyncClient(timeout=60) as client,
            bare_steps(site, client, f"{address}/v1/chat/completions") as floor,
        ):
            direct = Direct(client, f"{address}/v1/chat/completions")
            to_topic, to_url = (
                Gateway(client, service, expected, destination)
                for destination in (
                    {"callback_topic": str(Topic.LLM_COMPARISON_RESULT)},
                    {"callback_url": f"{callbacks}/results"},
                )
            )
            ways: dict[Way, Call] = {
                "bare steps": floor.call,
                "topic": to_topic.call,
                "signed callback": to_url.call,
            }
            for call in ways.values():
                await slots(call, concurrency=8, calls=2)
            return [one for number in CONCURRENCIES for one in await overhead(direct, ways, number)]


async def overhead(direct: "Direct", ways: Mapping[Way, Call], concurrency: int) -> list[Overhead]:
    """Time calls of each kind, ``concurrency`` of them at a time; kinds take turns, so that load meets all alike."""
    plain: list[float] = []
    seconds: dict[Way, list[float]] = {way: [] for way in ways}
    for _ in range(TURNS):
        plain += await slots(direct.call, concurrency=concurrency, calls=CALLS_PER_TURN)
        for way, call in ways.items():
            seconds[way] += await slots(call, concurrency=concurrency, calls=CALLS_PER_TURN)
    measured = [
        Overhead(concurrency=concurrency, way=way, direct=Times.of(plain), through=Times.of(through))
        for way, through in seconds.items()
    ]
    for one in measured:
        print(f"overhead: {' | '.join(one.cells())}", flush=True)
    return measured


async def slots(call: Call, *, concurrency: int, calls: int) -> list[float]:
    """Seconds that each of ``concurrency * calls`` calls took; slots start evenly spread over the time of one call."""
    seconds: list[float] = []

    async def slot(number: int) -> None:
        await asyncio.sleep(CALL_SECONDS * number / concurrency)
        for _ in range(calls):
            started = time.perf_counter()
            await call()
            seconds.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as group:
        for number in range(concurrency):
            group.create_task(slot(number))
    return seconds


@dataclass(frozen=True)
class Direct:
    """Calls the vendor itself."""

    client: httpx2.AsyncClient
    url: str

    async def call(self) -> None:
        """One call."""
        prompt = "\n\n".join(block.content for block in comparison(SHORT_ESSAY, 1).prompt_blocks or ())
        body = {"model": "limited-1", "messages": [{"role": "user", "content": prompt}], "max_tokens": 1024}
        (await self.client.post(self.url, json=body)).raise_for_status()


@dataclass(frozen=True)
class Gateway:
    """Calls the vendor through the service."""

    client: httpx2.AsyncClient
    service: ServiceProcess
    expected: "ExpectedResults"
    destination: Mapping[str, str]
    token: OwnToken = field(default_factory=OwnToken)

    async def call(self) -> None:
        """One call: from the request to its result."""
        nowhere: dict[str, str | None] = {"callback_topic": None, "callback_url": None}
        item = comparison(SHORT_ESSAY, 1).model_copy(update={**nowhere, **self.destination})
        arrived = self.expected.expect(str(item.correlation_id))
        answer = await self.client.post(
            f"{self.service.url}/api/v1/comparison",
            content=item.model_dump_json(exclude_none=True),
            headers={"content-type": "application/json"},
            auth=self.token,
        )
        answer.raise_for_status()
        await arrived.wait()
