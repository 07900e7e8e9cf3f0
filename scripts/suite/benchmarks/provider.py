"""How much of a vendor's rate limits the LLM Provider uses, and what it adds to a call, in one run.

Limits: a vendor counts 600 requests and 200,000 tokens over every minute and refuses what goes beyond. One replica and
three (processes of their own, one database) judge comparisons that are short enough to be bound by requests, or long
enough to be bound by tokens. Overhead: the same vendor without limits, called directly through httpx2 and through the
service, from the POST of one comparison to the arrival of its result on its topic or at its URL, so many at a time.
"""

import asyncio
import json
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import httpx2
import numpy as np
from aiokafka import AIOKafkaConsumer
from event_contracts import (
    ComparisonBatchItem,
    ComparisonBatchRequest,
    LLMComparisonResultV1,
    LLMConfigOverrides,
    PromptBlock,
    PromptTarget,
    Topic,
    fence_pair,
    parse_envelope,
)
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import Framework
from quart import Quart
from service_kit.http.bodies import request_body

from suite.benchmarks.limited_vendor import LimitedVendor, VendorLimits
from suite.benchmarks.page import write_section
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import PostgresServer, throwaway_postgres
from suite.processes import HOST, ServiceProcess, free_port, new_secret

REQUESTS_PER_MINUTE: Final = 600
TOKENS_PER_MINUTE: Final = 200_000
MEASURED_SECONDS: Final = 63.0
WINDOW_SECONDS: Final = 60.0
REPLICAS: Final = (1, 3)
SHORT_ESSAY, LONG_ESSAY = 60, 300
"""Words; the first is bound by requests, the second by tokens."""

CONCURRENCIES: Final = (1, 16, 64)
CALL_SECONDS: Final = 1.0
CALLS_A_SLOT: Final = 10
OVERRIDES: Final = LLMConfigOverrides(provider_override="openai_compatible", model_override="limited-1")


Way = Literal["topic", "signed callback"]
"""How a result comes back: over Kafka, as the suite's services use it, or over HTTP."""

BEGIN: Final = "<!-- provider: written by make bench-provider -->"
END: Final = "<!-- provider: end -->"


@dataclass(frozen=True, kw_only=True)
class Use:
    """What became of a vendor's allowance: shares of requests and tokens used in a minute, share of calls refused."""

    bound_by: str
    replicas: int
    requests: float
    tokens: float
    refused: float

    @property
    def allowance(self) -> float:
        """The allowance that binds."""
        return max(self.requests, self.tokens)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Milliseconds that calls took: half of them no longer, and 99 in a hundred."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        """From the seconds of each call."""
        p50, p99 = (1_000 * float(np.percentile(seconds, q)) for q in (50, 99))
        return cls(p50=p50, p99=p99)


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Calls straight to the vendor and through the service, so many at a time; the result comes by ``way``."""

    concurrency: int
    way: Way
    direct: Times
    through: Times

    @property
    def added(self) -> Times:
        """What the service adds."""
        return Times(p50=self.through.p50 - self.direct.p50, p99=self.through.p99 - self.direct.p99)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the service runs: its servers, and a folder for its logs."""

    postgres: PostgresServer
    kafka: str
    folder: Path
    secret: str = field(default_factory=new_secret)

    def replicas(self, count: int, *, vendor: str, limits: str, concurrency: int) -> list[ServiceProcess]:
        """So many replicas on a database of their own."""
        name = f"provider_{uuid4().hex[:8]}"
        settings = {
            "database_url": self.postgres.create_database(name),
            "kafka_bootstrap_servers": self.kafka,
            "kafka_topic_prefix": f"{name}.",
            "callback_signing_secret": self.secret,
            "callback_allowed_hosts": f'["{HOST}"]',
            "openai_compatible_url": f"{vendor}/v1",
            "limits": f'{{"openai_compatible": {limits}}}',
            "concurrency": str(concurrency),
            "log_level": "warning",
        }
        return [
            ServiceProcess("llm_provider", free_port(), settings, self.folder / f"{name}-{number}.log")
            for number in range(count)
        ]


async def use_of_limits(site: Site, *, replicas: int, words: int, bound_by: str) -> Use:
    """Let so many replicas judge for more than a minute, and look at the vendor's books."""
    vendor = LimitedVendor(limits=VendorLimits(requests=REQUESTS_PER_MINUTE, tokens=TOKENS_PER_MINUTE))
    own = json.dumps(
        {
            "requests_per_minute": REQUESTS_PER_MINUTE,
            "tokens_per_minute": TOKENS_PER_MINUTE,
            "concurrency": 64,
        }
    )
    async with serving(vendor) as address:
        services = site.replicas(replicas, vendor=address, limits=own, concurrency=64)
        async with running(services), httpx2.AsyncClient() as client:
            for start in range(0, 1_500, 500):
                await submit(client, services[0], [comparison(words, start + n) for n in range(500)])
            await asyncio.sleep(MEASURED_SECONDS)
    return _use(vendor, replicas=replicas, bound_by=bound_by)


def _use(vendor: LimitedVendor, *, replicas: int, bound_by: str) -> Use:
    began = vendor.calls[0].at
    minute = [call for call in vendor.calls if call.at < began + WINDOW_SECONDS]
    return Use(
        bound_by=bound_by,
        replicas=replicas,
        requests=sum(call.status == 200 for call in minute) / REQUESTS_PER_MINUTE,
        tokens=sum(call.tokens for call in minute) / TOKENS_PER_MINUTE,
        refused=sum(call.status == 429 for call in vendor.calls) / len(vendor.calls),
    )


async def overheads(site: Site) -> list[Overhead]:
    """What the service adds, at each concurrency."""
    vendor = LimitedVendor(
        limits=VendorLimits(requests=10**9, tokens=10**12, latency=CALL_SECONDS, spread=0.0)
    )
    arrivals = Arrivals()
    async with serving(vendor) as address, serving(receiver(arrivals)) as callbacks:
        own = '{"requests_per_minute": 1e9, "concurrency": 128}'
        (service,) = services = site.replicas(1, vendor=address, limits=own, concurrency=128)
        async with (
            running(services),
            listening(site.kafka, service, arrivals),
            httpx2.AsyncClient(timeout=60) as client,
        ):
            direct = Direct(client, f"{address}/v1/chat/completions")
            ways: dict[Way, Gateway] = {
                "topic": Gateway(client, service, arrivals, {"callback_topic": Topic.LLM_COMPARISON_RESULT}),
                "signed callback": Gateway(
                    client, service, arrivals, {"callback_url": f"{callbacks}/results"}
                ),
            }
            for gateway in ways.values():
                await slots(gateway.call, concurrency=8, calls=2)
            return [found for number in CONCURRENCIES for found in await overhead(direct, ways, number)]


async def overhead(direct: "Direct", ways: Mapping[Way, "Gateway"], concurrency: int) -> list[Overhead]:
    """Time calls of all kinds, ``concurrency`` of them at a time."""
    plain = Times.of(await slots(direct.call, concurrency=concurrency, calls=CALLS_A_SLOT))
    found: list[Overhead] = []
    for way, gateway in ways.items():
        through = Times.of(await slots(gateway.call, concurrency=concurrency, calls=CALLS_A_SLOT))
        found.append(Overhead(concurrency=concurrency, way=way, direct=plain, through=through))
        print(f"overhead: {' | '.join(_cells_of_overhead(found[-1]))}", flush=True)
    return found


async def slots(call: Callable[[], Awaitable[None]], *, concurrency: int, calls: int) -> list[float]:
    """Seconds that each of ``concurrency * calls`` calls took; the slots start evenly over the time of a call."""
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
    arrivals: "Arrivals"
    destination: Mapping[str, str]

    async def call(self) -> None:
        """One call: from the request to its result."""
        nowhere: dict[str, str | None] = {"callback_topic": None, "callback_url": None}
        item = comparison(SHORT_ESSAY, 1).model_copy(update={**nowhere, **self.destination})
        arrived = self.arrivals.expect(str(item.correlation_id))
        answer = await self.client.post(
            f"{self.service.url}/api/v1/comparison",
            content=item.model_dump_json(exclude_none=True),
            headers={"content-type": "application/json"},
        )
        answer.raise_for_status()
        await arrived.wait()


class Arrivals:
    """Whoever expects a result is told when it has come."""

    def __init__(self) -> None:
        self._expected: dict[str, asyncio.Event] = {}

    def expect(self, correlation_id: str) -> asyncio.Event:
        """Is set when the result of this correlation id comes."""
        return self._expected.setdefault(correlation_id, asyncio.Event())

    def note(self, message: bytes) -> None:
        """A result has come."""
        event = parse_envelope(message, LLMComparisonResultV1)
        self._expected.pop(str(event.correlation_id)).set()


def receiver(arrivals: Arrivals) -> Quart:
    """An application that receives signed callbacks."""
    app = Quart("receiver")

    @app.post("/results")
    async def receive() -> tuple[str, int]:
        arrivals.note(await request_body())
        return "", 204

    return app


@asynccontextmanager
async def listening(kafka: str, service: ServiceProcess, arrivals: Arrivals) -> AsyncIterator[None]:
    """Read the topic of results until the context ends."""
    topic = f"{service.settings['kafka_topic_prefix']}{Topic.LLM_COMPARISON_RESULT}"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    reading = asyncio.create_task(_read(consumer, arrivals))
    try:
        yield
    finally:
        reading.cancel()
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, arrivals: Arrivals) -> None:
    async for record in consumer:
        arrivals.note(record.value)


def comparison(words: int, number: int) -> ComparisonBatchItem:
    """A comparison of two essays of so many words."""
    pair = fence_pair(
        f"Essay {number}. " + "A sentence of words. " * (words // 4), "Other words here. " * (words // 3)
    )
    contents = ("You compare two essays.", pair.essay_a, pair.essay_b, "Which essay is better?")
    return ComparisonBatchItem(
        user_prompt="Which essay is better?",
        prompt_blocks=tuple(PromptBlock(target=PromptTarget.USER_CONTENT, content=text) for text in contents),
        callback_topic=Topic.LLM_COMPARISON_RESULT,
        llm_config_overrides=OVERRIDES,
        correlation_id=uuid4(),
        user_id="benchmark",
        metadata={"bos_batch_id": f"batch-{number % 10}"},
    )


async def submit(
    client: httpx2.AsyncClient, service: ServiceProcess, items: Sequence[ComparisonBatchItem]
) -> None:
    """Queue comparisons."""
    body = ComparisonBatchRequest(comparisons=tuple(items)).model_dump_json(exclude_none=True)
    answer = await client.post(
        f"{service.url}/api/v1/comparisons",
        content=body,
        headers={"content-type": "application/json"},
        timeout=60,
    )
    answer.raise_for_status()


@asynccontextmanager
async def running(services: Sequence[ServiceProcess]) -> AsyncIterator[None]:
    """Run processes until the context ends."""
    async with AsyncExitStack() as stack:
        for service in services:
            stack.push_async_callback(service.stop)
            await service.start()
        yield


@asynccontextmanager
async def serving(app: Framework) -> AsyncIterator[str]:
    """Serve an application on a free port; yields its address."""
    config, stop = Config(), asyncio.Event()
    config.bind = [f"{HOST}:{free_port()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.1
    serving_it = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield f"http://{config.bind[0]}"
    finally:
        stop.set()
        await serving_it


async def measure(folder: Path) -> tuple[list[Use], list[Overhead]]:
    """Both measurements, printed as they come."""
    uses: list[Use] = []
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        site = Site(postgres=postgres, kafka=kafka.bootstrap, folder=folder)
        for words, bound_by in ((SHORT_ESSAY, "requests"), (LONG_ESSAY, "tokens")):
            for count in REPLICAS:
                uses.append(await use_of_limits(site, replicas=count, words=words, bound_by=bound_by))
                print(f"limits:   {' | '.join(_cells_of_use(uses[-1]))}", flush=True)
        return uses, await overheads(site)


def section(uses: Sequence[Use], added: Sequence[Overhead]) -> str:
    """The page's section on the provider, between its marks."""
    lines = [
        BEGIN,
        "## LLM Provider",
        "",
        f"`make bench-provider`, on {os.cpu_count()} cores with everything on one machine. A vendor allows"
        f" {REQUESTS_PER_MINUTE} requests and {TOKENS_PER_MINUTE:,} tokens in any {WINDOW_SECONDS:g} seconds (a sliding"
        " window: no vendor is stricter) and takes 0.5 s for a call. The first minute from the first call on is"
        " looked at; the goals are 95 % of the allowance that binds, and less than 1 % of the calls answered 429.",
        "",
        "| bound by | replicas | requests used | tokens used | answered 429 |",
        "|---|--:|--:|--:|--:|",
        *(f"| {' | '.join(_cells_of_use(use))} |" for use in uses),
        "",
        "What the service adds to a call: from the POST of one comparison to the arrival of its result, beside the same"
        f" call made directly with httpx2, to a vendor that takes {CALL_SECONDS:g} s; as many as that at a time, begun"
        " evenly over that time. Milliseconds. Vendor, callers and receivers share the cores with the service, its"
        " database and its broker.",
        "",
        "| at a time | result by | direct p50 | direct p99 | through p50 | through p99 | added p50 | added p99 |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
        *(f"| {' | '.join(_cells_of_overhead(one))} |" for one in added),
        END,
    ]
    return "\n".join(lines)


def _cells_of_use(use: Use) -> list[str]:
    shares = (f"{use.requests:.1%}", f"{use.tokens:.1%}", f"{use.refused:.2%}")
    return [use.bound_by, str(use.replicas), *shares]


def _cells_of_overhead(one: Overhead) -> list[str]:
    times = (one.direct, one.through, one.added)
    return [
        str(one.concurrency),
        one.way,
        *(f"{number:,.0f}" for each in times for number in (each.p50, each.p99)),
    ]


def main() -> None:
    """Measure, write the section of the page, and end with one line of the worst figures (overhead: by topic)."""
    # What the client says while the leaders of new topics are being found is no news.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="bench-provider-") as folder:
        uses, added = asyncio.run(measure(Path(folder)))
    write_section(section(uses, added))
    print(
        f"allowance_used={min(use.allowance for use in uses):.3f}"
        f" rate_limited={max(use.refused for use in uses):.4f}"
        f" overhead_p99_ms={max(one.added.p99 for one in added if one.way == 'topic'):.0f}"
    )


if __name__ == "__main__":
    main()
