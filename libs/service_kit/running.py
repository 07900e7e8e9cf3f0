"""Running a service: migrate, connect, serve and work until told to stop, then close in reverse order."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from event_contracts import ConfigurationError
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from service_kit.database import create_database_if_missing, migrate
from service_kit.event_bus import EventBus

log = structlog.get_logger()


class BackgroundLoop(Protocol):
    """Something that works until it is cancelled, such as a ``Worker``."""

    @property
    def name(self) -> str:
        """What it is called in the logs."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """An assembled service, not yet started."""

    name: str
    app: Quart
    host: str
    port: int
    database_url: str
    migrations: Path
    bus: EventBus
    workers: Sequence[BackgroundLoop]
    close: Callable[[], Awaitable[None]]


async def run_services(
    services: Sequence[Service], *, stop: asyncio.Event, started: asyncio.Event | None = None
) -> None:
    """Run the services until ``stop`` is set; ``started`` is set when all of them accept connections.

    Raises ``ConfigurationError`` when an address is taken.

    Several services may share one bus object (the embedded stack does): it is started and run once.
    A worker's or server's unexpected end ends them all: better a restart than half a service.
    """
    listeners = {service.name: _listen(service) for service in services}
    for service in services:
        await create_database_if_missing(service.database_url)
        await migrate(service.database_url, service.migrations)
    async with AsyncExitStack() as closing:
        for service in services:
            closing.push_async_callback(service.close)
        for bus in {id(service.bus): service.bus for service in services}.values():
            await bus.start()
            closing.push_async_callback(bus.close)
        await _run_until(stop, services, listeners, started)


def _listen(service: Service) -> socket.socket:
    """Listen before anything else is done: a client that comes early waits instead of being refused."""
    try:
        return socket.create_server((service.host, service.port), backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"{service.name} cannot listen on {service.host}:{service.port} ({error.strerror}): choose another port"
        ) from error


async def _run_until(
    stop: asyncio.Event,
    services: Sequence[Service],
    listeners: Mapping[str, socket.socket],
    started: asyncio.Event | None,
) -> None:
    async with asyncio.TaskGroup() as group, _cancelled_at_exit() as tasks:
        for service in services:
            serving = _serve_http(service, listeners[service.name], stop)
            tasks.append(group.create_task(serving, name=f"{service.name}.http"))
            tasks.extend(
                group.create_task(worker.run(), name=f"{service.name}.{worker.name}")
                for worker in service.workers
            )
            log.info("service.started", name=service.name, address=f"http://{service.host}:{service.port}")
        for bus in {id(service.bus): service.bus for service in services}.values():
            tasks.append(group.create_task(bus.run(), name="bus"))
        if started is not None:
            started.set()
        await stop.wait()
        log.info("service.stopping", names=[service.name for service in services])


@asynccontextmanager
async def _cancelled_at_exit() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()


async def _serve_http(service: Service, listener: socket.socket, stop: asyncio.Event) -> None:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 5
    config.accesslog = None
    config.errorlog = "-"
    await serve(service.app, config, shutdown_trigger=stop.wait)


def run_until_signalled(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``main(stop)``; SIGTERM and SIGINT set ``stop``."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    asyncio.run(run())
