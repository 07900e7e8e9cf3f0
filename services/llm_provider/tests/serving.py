"""Running the service in a test: real sockets, a real database, and a listener for its results."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache

import httpx2
from dishka import Provider
from event_contracts import (
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    LLMComparisonResultV1,
    parse_envelope,
)
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import Framework
from llm_provider.adapters.vendors import registrations
from llm_provider.providers import build_service
from llm_provider.settings import Settings
from llm_provider.tests.building import RESULTS
from pydantic import SecretStr
from service_kit.messaging.event_bus import EventBus, MemoryEventBus, Record
from service_kit.running import run_services
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import ADMIN, KEYS

HOST = "127.0.0.1"
SECRET = "whsec_" + base64.b64encode(b"a secret that only this test knows").decode()
TIMEOUT_SECONDS = 180.0


def settings_for(database_url: str, **changes: object) -> Settings:
    """Settings of a service that has this database, listens on a free port and shares a memory bus."""
    defaults: dict[str, object] = {
        "database_url": database_url,
        "event_bus": "memory",
        "http_port": free_port(),
        "callback_signing_secret": SecretStr(SECRET),
        "callback_allowed_hosts": (HOST,),
        "drain_timeout": timedelta(0),
        "database_pool_size": 4,
    }
    unknown = changes.keys() - Settings.model_fields.keys() - _vendor_settings()
    assert not unknown, f"no settings, which would be ignored: {unknown}"
    keys = {} if "jwt_jwks_url" in changes else KEYS
    return Settings.model_validate({**defaults, **keys, **changes})


@cache
def _vendor_settings() -> frozenset[str]:
    """Names of the vendors' own settings, as one gives them to the service's."""
    return frozenset(
        f"{one.settings.model_config.get('env_prefix', '').removeprefix('LLM_PROVIDER_').lower()}{name}"
        for one in registrations().values()
        for name in one.settings.model_fields
    )


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    bus: EventBus | None = None,
    overrides: Sequence[Provider] = (),
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the service until the context ends; yields a client that is bound to it."""
    service = await build_service(settings, bus=bus, overrides=overrides)
    stop, started = asyncio.Event(), asyncio.Event()
    address = f"http://{settings.http_host}:{settings.http_port}"
    async with asyncio.TaskGroup() as group, httpx2.AsyncClient(base_url=address, headers=ADMIN) as client:
        group.create_task(run_services([service], stop=stop, started=started))
        try:
            await started.wait()
            await _answering(client)
            yield client
        finally:
            stop.set()


@asynccontextmanager
async def serving_app(app: Framework) -> AsyncIterator[str]:
    """Serve another application, such as a receiver of callbacks; yields its base URL."""
    config, stop = Config(), asyncio.Event()
    config.bind = [f"{HOST}:{free_port()}"]
    async with (
        asyncio.TaskGroup() as group,
        httpx2.AsyncClient(base_url=f"http://{config.bind[0]}") as client,
    ):
        group.create_task(serve(app, config, shutdown_trigger=stop.wait))
        try:
            await _answering(client)
            yield f"http://{config.bind[0]}"
        finally:
            stop.set()


async def _answering(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            try:
                await client.get("/healthz")
            except httpx2.TransportError:
                await asyncio.sleep(0.02)
            else:
                return


class Results:
    """Listens for results on a bus; ``waits_for(n)`` returns when n have come."""

    def __init__(self, bus: EventBus) -> None:
        self.received: list[LLMComparisonResultV1] = []
        self._arrived = asyncio.Event()
        bus.subscribe([RESULTS], group="results", handler=self._handle)

    async def _handle(self, records: Sequence[Record]) -> None:
        self.received += [
            parse_envelope(record.value or b"", LLMComparisonResultV1).data for record in records
        ]
        self._arrived.set()

    async def waits_for(self, count: int, *, seconds: float = TIMEOUT_SECONDS) -> list[LLMComparisonResultV1]:
        """Return all results as soon as there are ``count``."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.received

    async def of_requests(
        self, request_ids: Set[str], *, seconds: float = TIMEOUT_SECONDS
    ) -> list[LLMComparisonResultV1]:
        """Return one result per request as soon as all have come.

        A result may come twice, and one of an earlier test may come again: delivery is at least once.
        """
        wanted: dict[str, LLMComparisonResultV1] = {}
        async with asyncio.timeout(seconds):
            while True:
                self._arrived.clear()
                wanted = {
                    result.request_id: result for result in self.received if result.request_id in request_ids
                }
                if len(wanted) == len(request_ids):
                    return list(wanted.values())
                await self._arrived.wait()


def memory_bus() -> tuple[MemoryEventBus, Results]:
    """A bus for one process, and who listens for the results on it."""
    bus = MemoryEventBus()
    return bus, Results(bus)


async def submit(client: httpx2.AsyncClient, items: Sequence[ComparisonBatchItem]) -> ComparisonBatchAnswer:
    """Send comparisons in one call; the call itself must succeed."""
    answer = await post(client, items)
    assert answer.status_code == 202, answer.text
    return ComparisonBatchAnswer.model_validate_json(answer.content)


async def post(client: httpx2.AsyncClient, items: Sequence[ComparisonBatchItem]) -> httpx2.Response:
    """Send comparisons in one call."""
    body = ComparisonBatchRequest(comparisons=tuple(items)).model_dump_json(exclude_none=True)
    return await client.post(
        "/api/v1/comparisons", content=body, headers={"content-type": "application/json"}
    )
