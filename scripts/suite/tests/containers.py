"""The containers of docker-compose.yml as processes on this machine, with exactly their environment."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from uuid import uuid4

import httpx2
from command_line.loopback import HOST, free_ports
from service_kit.tests.tokens import SHARED_SECRET, signed_with_secret
from suite.embedded.guarding import kill_on_parent_death
from suite.embedded.postgres import PostgresServer
from suite.installed import SERVICES, InstalledService
from suite.processes.service_process import new_secret
from suite.tests.compose_file import ComposeFile

WAIT_TIMEOUT_SECONDS = 300
DATABASE = re.compile(r"postgresql\+asyncpg://postgres:secret@postgres/(\w+)")


class AdministratorsToken(httpx2.Auth):
    """As the platform's identity service signs them with the installation's secret."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {signed_with_secret()}"
        yield request


ENDPOINTS_FILE = "/etc/suite/endpoints.toml"
"""Where Compose mounts the file of named endpoints; without one it mounts /dev/null there."""


class Containers:
    """The file's containers as processes: the same environment, with the addresses of this machine in it."""

    def __init__(
        self, postgres: PostgresServer, kafka: str, folder: Path, given: Mapping[str, str] | None = None
    ) -> None:
        self.name = f"compose{uuid4().hex[:8]}"
        self._postgres = postgres
        self._kafka = kafka
        self._folder = folder
        self._file = ComposeFile.read()
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self._given = {
            "POSTGRES_PASSWORD": "secret",
            "CALLBACK_SIGNING_SECRET": new_secret(),
            "SERVICE_SECRET": token_urlsafe(48),
            "JWT_SECRET": SHARED_SECRET,
            "LLM_PROVIDER_SIMULATED_SEED": "7",
            **{service.variable("kafka_topic_prefix"): f"{self.name}." for service in SERVICES},
            **(given or {}),
        }

    def url(self, service: InstalledService) -> str:
        return f"http://{HOST}:{self.ports[service]}"

    def environment(self, container: str) -> dict[str, str]:
        """What Compose would give the container, with only addresses replaced."""
        return {
            name: self._here(value) for name, value in self._file.environment(container, self._given).items()
        }

    def _here(self, value: str) -> str:
        for service, port in self.ports.items():
            value = value.replace(f"http://{service.container}:{service.port}", f"http://{HOST}:{port}")
        value = value.replace("kafka:9092", self._kafka).replace("0.0.0.0", HOST)
        value = value.replace(ENDPOINTS_FILE, "/dev/null")
        return DATABASE.sub(lambda found: self._postgres.url_for(f"{self.name}_{found[1]}"), value)

    def run_job(self, container: str, extra: Mapping[str, str] | None = None) -> str:
        """Run a one-shot container's command to its end; returns what it printed."""
        command = list(self._file.services[container]["command"])
        command[0] = str(Path(sys.executable).parent / command[0])
        ended = subprocess.run(
            command,
            env={**self.environment(container), **(extra or {})},
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_TIMEOUT_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @asynccontextmanager
    async def running(self, service: InstalledService) -> AsyncIterator[None]:
        """Run a service's command with its environment and nothing else, and wait until it is ready."""
        command = list(self._file.services[service.container]["command"])
        assert command[0] == "python"
        log = self._folder / f"{service.container}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command[1:],
                env={
                    **self.environment(service.container),
                    service.variable("http_port"): str(self.ports[service]),
                },
                cwd=self._folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        with kill_on_parent_death(process.pid, signal.SIGKILL):
            try:
                await self._ready(service, process, log)
                yield
            finally:
                if process.returncode is None:
                    process.terminate()
                assert await process.wait() == 0, f"{service.title} ended badly: see {log}"

    async def _ready(self, service: InstalledService, process: asyncio.subprocess.Process, log: Path) -> None:
        async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                assert process.returncode is None, f"{service.title} ended: see {log}"
                try:
                    if (await http.get(f"{self.url(service)}/readyz")).is_success:
                        return
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.05)
