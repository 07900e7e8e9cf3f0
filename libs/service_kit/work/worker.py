"""Worker loops: work while there is work, then sleep until woken or until the idle time is over."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

Step = Callable[[], Awaitable[bool]]
"""One unit of work; True means that more may be waiting."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Wakeup:
    """Tells a loop of the same process that there is work; other replicas find it when they next look."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let the waiting loop go on at once."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when woken, at the latest after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A named loop around one step; a failing step is logged and tried again after a growing pause."""

    name: str
    step: Step
    idle_seconds: float = 0.25
    wakeup: Wakeup = field(default_factory=Wakeup)

    async def run(self) -> None:
        """Run until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                more = await self.step()
            except Exception:  # the outermost loop of a worker: nothing above it could go on
                log.exception("worker.step_failed", worker=self.name, retry_in_seconds=pause)
                await asyncio.sleep(pause * random.uniform(0.75, 1.25))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            if not more:
                await self.wakeup.wait(self.idle_seconds)
