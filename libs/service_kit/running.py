"""Running a service: migrate, connect, serve and work until told to stop, then close in reverse order."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
import stamina
import structlog
import uvloop
from event_contracts import ConfigurationError, Unavailable
from quart import Quart

from service_kit.http.server import serve_until
from service_kit.messaging.event_bus import EventBus
from service_kit.storage.database import Database, create_database_if_missing, migrate
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.work.loop_watchdog import LoopWatchdog

log = structlog.get_logger()

GRACE_SECONDS = 10.0
"""How long requests may take to end once the service was told to stop."""

CONNECT_TIMEOUT_SECONDS = 60.0
"""How long a starting service waits for its database and broker, which may be starting too."""

GC_THRESHOLD = 10_000
"""New objects that start a garbage collection; Python's default, 700, is reached by any batch of messages."""

STARTING_ERRORS = (OSError, Unavailable, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)


class ReadsHeartbeat(Protocol):
    """Says how long ago a step was last completed."""

    def silent_seconds(self) -> float:
        """Seconds since the last completed step."""
        ...


class BackgroundLoop(Protocol):
    """Something that works until it is cancelled, such as a ``Worker``."""

    @property
    def name(self) -> str:
        """What it is called in the logs."""
        ...

    @property
    def heartbeat(self) -> ReadsHeartbeat:
        """When it last completed a step."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class EndedUnexpectedly(RuntimeError):
    """Part of a service ended although it had not been told to stop."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """An assembled service, not yet started."""

    name: str
    app: Quart
    host: str
    port: int
    database_url: str
    migrations: Path
    oldest_schema: str
    migrates_at_start: bool
    bus: EventBus
    workers: Sequence[BackgroundLoop]
    metrics: ServiceMetrics
    close: Callable[[], Awaitable[None]]


async def run_services(
    services: Sequence[Service], *, stop: asyncio.Event, started: asyncio.Event | None = None
) -> None:
    """Run the services until ``stop`` is set; ``started`` is set when all of them accept connections.

    Several services may share one bus object (the embedded stack does): it is started and run once.
    A worker's or server's unexpected end ends them all: better a restart than half a service. Raises
    ``ConfigurationError`` when an address is taken, and what the database or the broker said when one of
    them does not come up.
    """
    async with AsyncExitStack() as closing:
        listening = [closing.enter_context(_listen(service)) for service in services]
        for service in services:
            closing.push_async_callback(service.close)
        buses = list({id(service.bus): service.bus for service in services}.values())
        for bus in buses:
            closing.push_async_callback(bus.close)
        if await _unless_stopped(_connect(services, buses), stop):
            for service in services:
                service.metrics.loop.watch_tasks(asyncio.get_running_loop())
            watchdog = LoopWatchdog([service.metrics.loop.lag.observe for service in services])
            parts = [
                *_parts(services, listening, buses, stop),
                _Part(name="loop-watchdog", run=watchdog.run),
            ]
            await _run_until(stop, started, parts)


async def _connect(services: Sequence[Service], buses: Sequence[EventBus]) -> None:
    for service in services:
        await _prepare_database(service)
    for bus in buses:
        await _start_bus(bus)


async def _unless_stopped(starting: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """True when ``starting`` has ended; False when the service was told to stop first."""
    task, told = asyncio.ensure_future(starting), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        for one in (task, told):
            one.cancel()
        await asyncio.gather(task, told, return_exceptions=True)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One thing that runs; one that ``drains`` ends by itself when told to stop, the others are cancelled."""

    name: str
    run: Callable[[], Awaitable[None]]
    drains: bool = False


async def _prepare_database(service: Service) -> None:
    if not service.migrates_at_start:
        await _await_schema(service)
        return
    async for attempt in stamina.retry_context(
        on=STARTING_ERRORS, attempts=None, timeout=CONNECT_TIMEOUT_SECONDS
    ):
        with attempt:
            await create_database_if_missing(service.database_url)
    await migrate(service.database_url, service.migrations)


async def _await_schema(service: Service) -> None:
    """Wait for the schema that somebody else is to bring up to date."""
    database = Database(service.database_url, pool_size=1, application_name=service.name)
    try:
        async for attempt in stamina.retry_context(
            on=STARTING_ERRORS, attempts=None, timeout=CONNECT_TIMEOUT_SECONDS
        ):
            with attempt:
                await database.check_schema(service.migrations, oldest=service.oldest_schema)
    finally:
        await database.close()


async def _start_bus(bus: EventBus) -> None:
    async for attempt in stamina.retry_context(
        on=STARTING_ERRORS, attempts=None, timeout=CONNECT_TIMEOUT_SECONDS
    ):
        with attempt:
            await bus.start()


def _listen(service: Service) -> socket.socket:
    """Listen before anything else is done: a client that comes early waits instead of being refused."""
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    try:
        return socket.create_server((service.host, service.port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"{service.name} cannot listen on {service.host}:{service.port} ({error.strerror}): choose another port"
        ) from error


def _parts(
    services: Sequence[Service],
    listening: Sequence[socket.socket],
    buses: Sequence[EventBus],
    stop: asyncio.Event,
) -> list[_Part]:
    parts = [_Part(name=f"bus-{number}", run=bus.run) for number, bus in enumerate(buses)]
    for service, where in zip(services, listening, strict=True):
        parts.append(_Part(name=f"{service.name}.http", run=_http(service, where, stop), drains=True))
        parts += [_Part(name=f"{service.name}.{worker.name}", run=worker.run) for worker in service.workers]
        log.info("service.started", name=service.name, address=f"http://{service.host}:{service.port}")
    return parts


async def _run_until(stop: asyncio.Event, started: asyncio.Event | None, parts: Sequence[_Part]) -> None:
    async with asyncio.TaskGroup() as group, _cancelled_at_exit() as cancelled:
        tasks = {part.name: group.create_task(_run(part, stop), name=part.name) for part in parts}
        draining = [tasks[part.name] for part in parts if part.drains]
        cancelled += tasks.values()
        if started is not None:
            started.set()
        await stop.wait()
        log.info("service.stopping", parts=len(parts))
        # Requests in progress still find everything at work.
        await asyncio.wait(draining, timeout=GRACE_SECONDS + 1)


async def _run(part: _Part, stop: asyncio.Event) -> None:
    await part.run()
    if not stop.is_set():
        raise EndedUnexpectedly(part.name)


@asynccontextmanager
async def _cancelled_at_exit() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()


def _http(service: Service, where: socket.socket, stop: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        await serve_until(service.app, where, stop, service=service.name, grace_seconds=GRACE_SECONDS)

    return run


def run_until_signalled(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``main(stop)``; SIGTERM and SIGINT set ``stop``."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    # Objects made by imports live until exit: frozen, so that no garbage collection walks through them.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    uvloop.run(run())
