"""The embedded stack: three services in one process on real ports, one memory bus, one embedded PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import batch_conductor.main
import batch_conductor.settings
import cj_assessment.main
import cj_assessment.settings
import llm_provider.main
import llm_provider.settings
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service, run_services

from suite.embedded.postgres import PostgresServer, embedded_postgres
from suite.processes import free_port, new_secret

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the services listen on loopback."""

    cj_assessment: int = 8101
    llm_provider: int = 8102
    batch_conductor: int = 8103

    @classmethod
    def free(cls) -> "Ports":
        """Three ports that nobody uses now."""
        return cls(cj_assessment=free_port(), llm_provider=free_port(), batch_conductor=free_port())


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """``data`` holds the database and the logs; ``quality_file`` is what the simulated judge knows."""

    data: Path
    ports: Ports = Ports()
    provider: str = "mock"
    quality_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Base URLs of the running services."""

    cj_assessment: str
    llm_provider: str
    batch_conductor: str


@asynccontextmanager
async def embedded_stack(options: StackOptions) -> AsyncIterator[Addresses]:
    """Run the stack until the context ends; a service that fails ends the context with its error."""
    addresses = _addresses(options.ports)
    with embedded_postgres(options.data / "postgres") as postgres, _plainly():
        services = await _assemble(options, postgres, addresses)
        stop, started = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run_services(services, stop=stop, started=started))
            waiting = group.create_task(started.wait())
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            try:
                if started.is_set():
                    yield addresses
            finally:
                stop.set()


@contextmanager
def _plainly() -> Iterator[None]:
    """Raise what went wrong, not the groups of tasks that it went through."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from error.__cause__


async def _assemble(options: StackOptions, postgres: PostgresServer, addresses: Addresses) -> list[Service]:
    bus = MemoryEventBus()
    # The services of one process sign for each other: a secret that lives as long as they do is enough.
    secret = SecretStr(new_secret())
    conductor = batch_conductor.settings.Settings(
        database_url=postgres.url_for("batch_conductor"),
        event_bus="memory",
        http_port=options.ports.batch_conductor,
        callback_signing_secret=secret,
    )
    provider = llm_provider.settings.Settings(
        database_url=postgres.url_for("llm_provider"),
        event_bus="memory",
        http_port=options.ports.llm_provider,
        callback_signing_secret=secret,
        vendor_settings={"simulated_quality_file": options.quality_file},
    )
    assessment = cj_assessment.settings.Settings(
        database_url=postgres.url_for("cj_assessment"),
        event_bus="memory",
        http_port=options.ports.cj_assessment,
        callback_signing_secret=secret,
        llm_provider_url=addresses.llm_provider,
        default_provider=options.provider,
    )
    return [
        await batch_conductor.main.assemble(conductor, bus=bus),
        await llm_provider.main.assemble(provider, bus=bus),
        await cj_assessment.main.assemble(assessment, bus=bus),
    ]


def _addresses(ports: Ports) -> Addresses:
    return Addresses(
        cj_assessment=f"http://{HOST}:{ports.cj_assessment}",
        llm_provider=f"http://{HOST}:{ports.llm_provider}",
        batch_conductor=f"http://{HOST}:{ports.batch_conductor}",
    )
