"""The whole suite in one process, with poison at hand: three services, one memory bus, a judge that takes its time."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import batch_conductor.providers
import batch_conductor.settings
import cj_assessment.providers
import cj_assessment.settings
import httpx2
import llm_provider.providers
import llm_provider.settings
from cj_assessment.tests.building import request
from command_line.loopback import HOST, free_ports
from dishka import Provider
from event_contracts import FINAL_STATES, BatchStatusView, EventEnvelope, JsonObject
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus, Message
from service_kit.running import Service, run_services
from service_kit.tests.tokens import ADMIN, KEYS
from suite.installed import PACKAGES
from suite.processes.batches import WORDS
from suite.tests.poison.census import Census, with_named_workers
from suite.tests.poison.ports import PortPoison
from suite.tests.poison.triggers import PoisonedDatabase, poisoned_database

LATENCY_MS: Final = 700
ESSAYS: Final = 6
COMPARISONS: Final = 12
PRICE: Final = Decimal(1)
WAIT_TIMEOUT_SECONDS: Final = 60.0
POLLING_SECONDS: Final = 0.25
"""Between two looks at a batch: how long it took is read from its own times, and each look costs the machine some."""


class LearningBus(MemoryEventBus):
    """Learns the ids of events about chosen batches, before they arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.correlations: dict[str, str] = {}
        """Batches by the correlation id of all their events."""

        self.learn: Callable[[str, str], Awaitable[None]] | None = None

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, once the ids are known."""
        if self.correlations and self.learn is not None:
            for message in messages:
                envelope = json.loads(message.value or b"{}")
                batch_id = self.correlations.get(envelope.get("correlation_id", ""))
                if batch_id is not None:
                    await self.learn(batch_id, envelope["event_id"])
        await super().publish(messages)


@dataclass
class RunningSuite:
    """The running suite."""

    databases: Mapping[str, PoisonedDatabase]
    http: Mapping[str, httpx2.AsyncClient]
    bus: LearningBus
    census: Census
    ports: PortPoison
    receiver: str
    """URL of a receiver that takes every callback."""

    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A connection to a database runs one query at a time."""

    storage: dict[str, dict[str, str]] = field(default_factory=dict)
    """Storage ids of the essays that hold a word, by essay."""

    @property
    def assessment(self) -> httpx2.AsyncClient:
        """CJ Assessment, over HTTP."""
        return self.http["cj_assessment"]

    async def request(self, *, word: str = "", **hints: Any) -> EventEnvelope[Any]:
        """A request to assess essays that hold ``word``; its ids are new."""
        if word not in self.storage:
            self.storage[word] = await self._store_essays(word)
        chosen: JsonObject = {"target_reliability": 0.9, "max_comparisons": COMPARISONS, **hints}
        return request(self.storage[word], batch_id=f"batch-{uuid4()}", hints=chosen)

    async def _store_essays(self, word: str) -> dict[str, str]:
        chance, storage = random.Random(7), {}
        for number in range(ESSAYS):
            words = " ".join(chance.choice(WORDS) for _ in range(30 + 25 * number))
            answer = await self.assessment.post(
                "/v1/content", content=f"{number} {words} {word}", headers={"content-type": "text/plain"}
            )
            storage[f"essay-{number}"] = answer.raise_for_status().json()["storage_id"]
        return storage

    async def ask(self, envelope: EventEnvelope[Any]) -> str:
        """Ask for an assessment over HTTP; returns the batch id."""
        answer = await self.assessment.post(
            "/api/v1/assessments", content=envelope.to_json(), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 202, answer.text
        batch_id: str = envelope.data.entity_id
        return batch_id

    async def publish(self, envelope: EventEnvelope[Any]) -> str:
        """Ask for an assessment by an event; returns the batch id."""
        message = Message(topic=envelope.event_type, key=envelope.key.encode(), value=envelope.to_json())
        await self.bus.publish([message])
        batch_id: str = envelope.data.entity_id
        return batch_id

    async def status(self, batch_id: str) -> BatchStatusView | None:
        """The status of a batch; None where there is no such batch."""
        answer = await self.assessment.get(f"/api/v1/batches/{batch_id}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return BatchStatusView.model_validate_json(answer.content)

    async def cancel(self, batch_id: str) -> int:
        """Cancel a batch; returns the HTTP status."""
        return (await self.assessment.post(f"/api/v1/batches/{batch_id}/cancel")).status_code

    async def until_ended(self, batch_id: str, *, seconds: float = WAIT_TIMEOUT_SECONDS) -> BatchStatusView:
        """The final status of a batch."""
        async with asyncio.timeout(seconds):
            while True:
                status = await self.status(batch_id)
                if status is not None and status.state in FINAL_STATES:
                    return status
                await asyncio.sleep(POLLING_SECONDS)

    async def healthy(self) -> tuple[BatchStatusView, float]:
        """A batch from its acceptance to its end, and the seconds that it took."""
        status = await self.until_ended(await self.ask(await self.request()))
        assert status.completed_at is not None
        return status, (status.completed_at - status.created_at).total_seconds()

    async def owns(self, batch_id: str, *ids: str) -> None:
        """These ids belong to the batch, in every database."""
        async with self.looking:
            for database in self.databases.values():
                await database.owns(batch_id, *ids)

    async def heal(self) -> None:
        """Nothing fails."""
        self.ports.failing.clear()
        self.ports.batches.clear()
        self.bus.correlations.clear()
        async with self.looking:
            for database in self.databases.values():
                await database.heal()

    async def not_ready(self) -> list[str]:
        """The services that say they are not ready."""
        answers = {name: await client.get("/readyz") for name, client in self.http.items()}
        return [f"{name}: {answer.text}" for name, answer in answers.items() if answer.status_code != 200]


@asynccontextmanager
async def run_suite(
    make_database: Callable[[str], str], *, overrides: Mapping[str, Sequence[Provider]]
) -> AsyncIterator[RunningSuite]:
    """Run the suite until the context ends; ``overrides``, by service, take the place of adapters and rules."""
    urls = {name: make_database(f"poison_{name}") for name in PACKAGES}
    ports = dict(zip(PACKAGES, free_ports(3), strict=True))
    bus, census = LearningBus(), Census()
    poison = PortPoison()
    chosen = {name: [*overrides.get(name, ()), poison.overrides(name)] for name in PACKAGES}
    services = await _assemble(urls, ports, bus, chosen)
    async with AsyncExitStack() as closing:
        stop, started = asyncio.Event(), asyncio.Event()
        group = await closing.enter_async_context(asyncio.TaskGroup())
        closing.callback(stop.set)
        serving = group.create_task(run_services(services, stop=stop, started=started))
        starting = group.create_task(started.wait())
        await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        databases = {
            name: await closing.enter_async_context(poisoned_database(url)) for name, url in urls.items()
        }
        census.services.update({database.name: name for name, database in databases.items()})
        closing.enter_context(census.taken())
        http = {
            name: await closing.enter_async_context(
                httpx2.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30, headers=ADMIN)
            )
            for name, port in ports.items()
        }
        receiver = await closing.enter_async_context(_receiver())
        suite = RunningSuite(
            databases=databases, http=http, bus=bus, census=census, ports=poison, receiver=receiver
        )
        bus.learn = suite.owns
        yield suite


@asynccontextmanager
async def _receiver() -> AsyncIterator[str]:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, HOST, 0) as server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}/"


async def _assemble(
    urls: Mapping[str, str],
    ports: Mapping[str, int],
    bus: MemoryEventBus,
    overrides: Mapping[str, Sequence[Provider]],
) -> list[Service]:
    secret = SecretStr("whsec_" + base64.b64encode(bytes(32)).decode())

    def common(name: str) -> dict[str, Any]:
        return {
            "database_url": urls[name],
            "http_port": ports[name],
            "event_bus": "memory",
            "callback_signing_secret": secret,
            **KEYS,
            "callback_allowed_hosts": (HOST, *(f"{HOST}:{port}" for port in ports.values())),
        }

    conductor = batch_conductor.settings.Settings(**common("batch_conductor"))
    provider = llm_provider.settings.Settings(
        **common("llm_provider"),
        vendor_settings={
            "simulated_latency_ms": LATENCY_MS,
            "simulated_input_price": PRICE,
            "simulated_output_price": PRICE,
        },
        first_retry_delay=timedelta(seconds=0.05),
        breaker_failures=1_000_000,
        drain_timeout=timedelta(0),
        batch_collect_for=timedelta(seconds=0.1),
        batch_poll_interval=timedelta(seconds=0.1),
        concurrency=1_000,  # slow judgements of poisoned batches must not take the slots of others
        lease_duration=timedelta(seconds=2),
    )
    assessment = cj_assessment.settings.Settings(
        **common("cj_assessment"),
        llm_provider_url=f"http://{HOST}:{ports['llm_provider']}",
        default_provider="mock",
        simulated_input_price=PRICE,
        simulated_output_price=PRICE,
        straggler_timeout=timedelta(seconds=1),
    )
    return [
        with_named_workers(
            await batch_conductor.providers.build_service(
                conductor, bus=bus, overrides=overrides["batch_conductor"]
            ),
            "batch_conductor",
        ),
        with_named_workers(
            await llm_provider.providers.build_service(
                provider, bus=bus, overrides=overrides["llm_provider"]
            ),
            "llm_provider",
        ),
        with_named_workers(
            await cj_assessment.providers.build_service(
                assessment, bus=bus, overrides=overrides["cj_assessment"]
            ),
            "cj_assessment",
        ),
    ]
