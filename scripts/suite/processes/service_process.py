"""One replica of a service as a process: started, awaited, killed and started again."""

import asyncio
import base64
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from command_line.loopback import HOST

from suite.embedded.guarding import kill_on_parent_death

READY_SECONDS = 60.0


def new_secret() -> str:
    """A random secret for signing callbacks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class ServiceNotStarted(RuntimeError):
    """A process is asked for that was never started."""


class ServiceEnded(RuntimeError):
    """A process ended before it was ready."""


@dataclass
class ServiceProcess:
    """One replica of a service: ``python -m {package}.main`` with its settings in the environment.

    ``settings`` are named as in the service's settings reference, without its prefix; ``environment`` holds other
    variables under their own names. What it logs goes to ``log``.
    """

    package: str
    port: int
    settings: Mapping[str, str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    starts: int = 0
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _guard: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id; raises ``ServiceNotStarted``."""
        return self._started.pid

    @property
    def whole_environment(self) -> Mapping[str, str]:
        """The environment that it runs in: this process's, ``environment`` and ``settings``."""
        prefix = self.package.upper()
        settings = {"http_port": str(self.port), **self.settings}
        named = {f"{prefix}_{name.upper()}": value for name, value in settings.items()}
        return {**os.environ, **self.environment, **named}

    async def start(self) -> None:
        """Start it and wait until it is ready; raises ``ServiceEnded``."""
        await self.launch()
        await self.wait_until_ready()

    async def launch(self) -> None:
        """Start it without waiting."""
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"{self.package}.main",
                env=self.whole_environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guard.enter_context(kill_on_parent_death(self._process.pid, signal.SIGKILL))

    async def wait_until_ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Wait until ``/readyz`` says so; raises ``ServiceEnded``, ``ServiceNotStarted``, ``TimeoutError``."""
        async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(seconds):
            while not await self._is_ready(http):  # noqa: ASYNC110 - another process becomes ready, not a task
                await asyncio.sleep(0.05)

    @property
    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ServiceNotStarted(f"{self.package} was not started: call launch() first")
        return self._process

    async def _is_ready(self, http: httpx2.AsyncClient) -> bool:
        code = self._started.returncode
        if code is not None:
            raise ServiceEnded(f"{self.package} ended with {code}: see {self.log}")
        try:
            return (await http.get(f"{self.url}/readyz")).is_success
        except httpx2.HTTPError:
            return False

    async def kill(self) -> None:
        """End it with SIGKILL, and wait until it has ended."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int | None:
        """End it with SIGTERM, and wait until it has ended; returns its exit code, None if it was never started."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int | None:
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._process.send_signal(number)
        code = await self._process.wait()
        self._guard.close()
        return code
