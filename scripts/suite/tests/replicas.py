"""Replicas of the three services as processes, and a balancer in front of the replicas of each."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from command_line.loopback import HOST, free_port
from suite.embedded.postgres import PostgresServer
from suite.installed import PACKAGES
from suite.processes.service_process import ServiceProcess, new_secret
from suite.processes.tokens import TOKEN_SETTINGS

CHUNK_BYTES: Final = 64 * 1024
SIGNING_SECRET: Final = new_secret()


@dataclass
class Balancer:
    """An address for several replicas, as a Kubernetes Service is one: connections are given to each in turn.

    Those who have left get no new ones. Where a connection is refused, the next replica gets it.
    """

    ports: Sequence[int]
    port: int = field(default_factory=free_port)
    out_of_rotation: set[int] = field(default_factory=set)
    unanswered: int = 0
    _turn: int = 0

    @property
    def url(self) -> str:
        """The base URL of the service behind it."""
        return f"http://{HOST}:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Balancer"]:
        """Balance until the context ends."""
        server = await asyncio.start_server(self._connected, HOST, self.port, backlog=1024)
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await self._replica()
            if behind is None:
                self.unanswered += 1
                return
            there, back = behind
            try:
                await _until_either(_pumped(reader, back), _pumped(there, writer))
            finally:
                back.close()
        finally:
            writer.close()

    async def _replica(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self.ports:
            self._turn += 1
            port = self.ports[self._turn % len(self.ports)]
            if port in self.out_of_rotation:
                continue
            try:
                return await asyncio.open_connection(HOST, port)
            except ConnectionRefusedError:
                continue
        return None


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(CHUNK_BYTES):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return


async def _until_either(first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(pump) for pump in (first, second)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def replica(
    package: str,
    postgres: PostgresServer,
    kafka: str,
    *,
    name: str,
    folder: Path,
    settings: dict[str, str],
    number: int = 1,
    source: Path | None = None,
) -> ServiceProcess:
    """A replica of a service, not yet started; replicas of one ``name`` share databases, topics and secrets.

    ``source`` is a folder with another version's ``libs`` and ``services``, which are run instead of these.
    """
    return ServiceProcess(
        package=package,
        port=free_port(),
        settings={
            "kafka_bootstrap_servers": kafka,
            "kafka_topic_prefix": f"{name}.",
            "database_url": postgres.url_for(f"{name}_{package}"),
            "callback_signing_secret": SIGNING_SECRET,
            "log_level": "warning",
            **TOKEN_SETTINGS,
            **settings,
        },
        log=folder / f"{package}-{number}.log",
        environment={}
        if source is None
        else {"PYTHONPATH": f"{source / 'libs'}{os.pathsep}{source / 'services'}"},
    )


@dataclass(frozen=True, kw_only=True)
class ReplicatedService:
    """The replicas of one service, and the address that they share."""

    balancer: Balancer
    replicas: Sequence[ServiceProcess]


@asynccontextmanager
async def replicated(
    postgres: PostgresServer,
    kafka: str,
    *,
    name: str,
    folder: Path,
    settings: Mapping[str, Mapping[str, str]],
    count: int,
) -> AsyncIterator[dict[str, ReplicatedService]]:
    """``count`` replicas of each service, each service behind an address; ``settings`` are by service."""
    services: dict[str, ReplicatedService] = {}
    address_of_provider = free_port()
    async with AsyncExitStack() as closing:
        for package in PACKAGES:
            own = dict(settings[package])
            if package == "cj_assessment":
                own["llm_provider_url"] = f"http://{HOST}:{address_of_provider}"
            replicas = [
                replica(package, postgres, kafka, name=name, folder=folder, settings=own, number=number)
                for number in range(count)
            ]
            port = address_of_provider if package == "llm_provider" else free_port()
            balancer = Balancer(ports=[one.port for one in replicas], port=port)
            await closing.enter_async_context(balancer.serving())
            services[package] = ReplicatedService(balancer=balancer, replicas=replicas)
        every = [one for service in services.values() for one in service.replicas]
        try:
            await asyncio.gather(*(one.start() for one in every))
            yield services
        finally:
            await asyncio.gather(*(one.kill() for one in every))
