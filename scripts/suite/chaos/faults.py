"""What happens to services and servers during a run: each kind is a task that goes on until the batch has ended."""

import asyncio
import os
import random
import signal
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from event_contracts import BatchStatusView
from rich.console import Console

from suite.chaos.clocks import SteppableClock
from suite.chaos.recovery import Recovery
from suite.embedded.kafka import KafkaBroker
from suite.processes.pair import ServicePair
from suite.processes.service_process import ServiceEnded, ServiceProcess

MAX_UPTIME_SECONDS: Final = 0.3
"""From when judging has resumed after a kill until the next kill."""
POLL_SECONDS: Final = 0.1
POSTGRES_EVERY_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 3.0
"""Longer than the leases of this run: a service that wakes up has lost what it held, and does not know."""
MAX_UNPAUSED_SECONDS: Final = 6.0
MAX_STEP_SECONDS: Final = 25
"""Many leases long, and within the leeway of tokens: this program's clock is that of the identity service."""
STEP_EVERY_SECONDS: Final = 4.0
START_SECONDS: Final = 300.0
"""A service is not ready before its database and its broker are back."""
RESTART_DELAY_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 5.0
"""Judging goes on for so long before the broker goes away."""

console = Console()


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The faults of one run: kills and pauses per service, steps of the services' clocks; kills of PostgreSQL and the
    seconds between them; the seconds for which the broker is frozen, and those for which it is gone.
    """

    kills: int = 0
    pauses: int = 0
    clock_steps: int = 0
    postgres_kills: int = 0
    postgres_every: float = POSTGRES_EVERY_SECONDS
    broker_frozen: float = 0.0
    broker_down: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FaultInjector:
    """Injects the faults of one run. Its tasks return the number of kills, and end early when the batch does."""

    pair: ServicePair
    postgres_data: Path
    kafka: KafkaBroker
    clock: SteppableClock
    batch: asyncio.Task[BatchStatusView]
    recovery: Recovery
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def tasks(self, planned: Faults) -> list[Coroutine[Any, Any, int]]:
        """One for each kind of fault, of each service where a kind is of services."""
        services = (self.pair.assessment, self.pair.provider)
        return [
            *(self._kill_service(service, planned.kills) for service in services),
            *(self._pause_service(service, planned.pauses) for service in services),
            self._step_clocks(planned.clock_steps),
            self._kill_postgres(planned.postgres_kills, planned.postgres_every),
            self._fail_broker(frozen=planned.broker_frozen, down=planned.broker_down),
        ]

    async def _pause(self, seconds: float) -> bool:
        """Whether the batch still goes on after so many seconds."""
        await asyncio.wait((self.batch,), timeout=seconds)
        return not self.batch.done()

    async def _until_judging(self, *, since: float) -> None:
        """Wait until judging has resumed: a service that is killed before it does anything proves little, and a request
        whose paid calls are lost three times fails by design.
        """
        while not self.recovery.has_resumed(since) and await self._pause(POLL_SECONDS):
            pass

    async def _kill_service(self, service: ServiceProcess, kills: int) -> int:
        chance, hits = random.Random(service.package), 0
        while hits < kills and await self._pause(chance.uniform(0, MAX_UPTIME_SECONDS)):
            async with self._locks[service.package]:
                await service.kill()
                hits += 1
                await _start_again(service)
            await self._until_judging(since=self.recovery.ended(f"{service.package} killed"))
            if hits % 10 == 0:
                console.print(f"{service.package}: killed {hits} times", style="dim", highlight=False)
        return hits

    async def _pause_service(self, service: ServiceProcess, pauses: int) -> int:
        chance, hits = random.Random(f"{service.package} paused"), 0
        while hits < pauses and await self._pause(chance.uniform(0, MAX_UNPAUSED_SECONDS)):
            async with self._locks[service.package]:
                os.kill(service.pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(PAUSE_SECONDS)
                finally:
                    os.kill(service.pid, signal.SIGCONT)
            hits += 1
            self.recovery.ended(f"{service.package} paused")
        return 0

    async def _step_clocks(self, steps: int) -> int:
        """Step the clock of all services at once, there and back: they share a machine's clock."""
        chance, hits = random.Random("clocks"), 0
        while hits < steps and await self._pause(STEP_EVERY_SECONDS):
            self.clock.step(chance.uniform(-MAX_STEP_SECONDS, MAX_STEP_SECONDS))
            hits += 1
            self.recovery.ended("clock stepped")
        self.clock.step(0)
        return 0

    async def _kill_postgres(self, kills: int, every: float) -> int:
        """Kill PostgreSQL's first process, as a crash would; it is started again by itself."""
        hits, killed = 0, None
        while hits < kills and await self._pause(every):
            pid = _postmaster(self.postgres_data)
            if pid not in (None, killed):
                os.kill(pid, signal.SIGKILL)
                hits, killed = hits + 1, pid
                self.recovery.ended("postgres killed")
                console.print(f"postgres: killed {hits} times", style="dim", highlight=False)
        return hits

    async def _fail_broker(self, *, frozen: float, down: float) -> int:
        """Let the broker answer nothing for a while, which to its clients is a network that lets nothing through; then
        kill it and start it again later.
        """
        if frozen and await self._pause(QUIET_SECONDS):
            os.kill(self.kafka.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(frozen)
            finally:
                os.kill(self.kafka.pid, signal.SIGCONT)
            since = self.recovery.ended("broker frozen", stopped_all=True)
            console.print(f"broker: frozen for {frozen:g} s", style="dim", highlight=False)
            await self._until_judging(since=since)
        if not down or not await self._pause(QUIET_SECONDS):
            return 0
        await asyncio.to_thread(self.kafka.kill)
        await asyncio.sleep(down)
        await asyncio.to_thread(self.kafka.start)
        self.recovery.ended("broker down", stopped_all=True)
        console.print(f"broker: down for {down:g} s", style="dim", highlight=False)
        return 1


async def _start_again(service: ServiceProcess) -> None:
    """As its supervisor would: a service whose broker is away at the start says so and ends."""
    while True:
        await service.launch()
        try:
            await service.wait_until_ready(seconds=START_SECONDS)
        except ServiceEnded:
            await asyncio.sleep(RESTART_DELAY_SECONDS)
        else:
            return


def _postmaster(data: Path) -> int | None:
    """The first process of the running server; None while it is being started again."""
    try:
        return int((data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
