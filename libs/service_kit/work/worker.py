"""Worker loops: work while there is work, then rest until woken or until the next item is due."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from service_kit.storage.errors import is_infrastructure_error
from service_kit.work.back_off import BackOff, jittered
from service_kit.work.outages import OUTAGES

log = structlog.get_logger()

Step = Callable[[], Awaitable[float | None]]
"""One unit of work; returns the seconds until there may be more: 0 for now, None when only a wake-up brings it."""

IMMEDIATELY: Final = 0.0
FALLBACK_SECONDS: Final = 5.0
"""Maximum idle time of a worker: a wake-up tells only the workers of its own process."""

QUIET_RESTS: Final = 6
"""Consecutive full idle periods after which a worker rests longer: a quiet suite should take under 2 % of a core."""

QUIET_FACTOR: Final = 2.0

RETRY: Final = BackOff(first_seconds=0.2, longest_seconds=10.0)
"""After a step that failed."""


class Wakeup:
    """Tells a worker of the same process that there is work; other replicas find it when they next look."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let the resting worker continue immediately."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Return when woken, at the latest after ``seconds``; True when woken."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        was_woken = self._event.is_set()
        self._event.clear()
        return was_woken


class Heartbeat:
    """When a worker last completed a step: a worker without a heartbeat for a minute is not ready."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """A step was completed."""
        self._last = time.monotonic()

    def silent_seconds(self) -> float:
        """Seconds since the last completed step."""
        return time.monotonic() - self._last


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A named loop around one step; a step that fails is repeated after a growing delay.

    A step fails for reasons of the infrastructure only, or because of a bug in the worker itself: items that cannot be
    handled are the business of ``ItemWorker`` and ``TaskWorker``, whose steps complete all the same.
    """

    name: str
    step: Step
    max_rest_seconds: float = FALLBACK_SECONDS
    wakeup: Wakeup = field(default_factory=Wakeup)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)

    async def run(self) -> None:
        """Run until cancelled."""
        failed_steps = quiet_rests = 0
        while True:
            try:
                rest = await self.step()
            except Exception as error:  # the outermost loop of a worker: nothing above it could continue
                failed_steps += 1
                delay = RETRY.seconds(failures=failed_steps)
                self._report(error, delay)
                await asyncio.sleep(jittered(delay))
                continue
            if failed_steps:
                OUTAGES.recovered(self.name)
            failed_steps = 0
            self.heartbeat.beat()
            if rest is not None and rest <= 0:
                quiet_rests = 0
                continue
            longest = self.max_rest_seconds * (QUIET_FACTOR if quiet_rests >= QUIET_RESTS else 1.0)
            was_woken = await self.wakeup.wait(min(rest or longest, longest))
            quiet_rests = 0 if was_woken or rest is not None else quiet_rests + 1

    def _report(self, error: Exception, delay: float) -> None:
        if is_infrastructure_error(error):
            OUTAGES.report(self.name, error)
        else:
            log.exception("worker.step_failed", worker=self.name, retry_in_seconds=delay)
