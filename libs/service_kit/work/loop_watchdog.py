"""Watches the event loop: anything that holds it for long delays every request, heartbeat and worker of the process."""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger()

INTERVAL_SECONDS = 0.1
SLOW_SECONDS = 0.1
"""Work that may hold the loop for longer than this belongs in a thread."""


class LoopWatchdog:
    """Measures how late the loop resumes a task that is due; logs every delay of ``SLOW_SECONDS`` or more."""

    def __init__(self, observers: Sequence[Callable[[float], None]]) -> None:
        """``observers`` are told every measured lag, in seconds."""
        self._observers = observers

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            due = time.perf_counter() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            lag = max(0.0, time.perf_counter() - due)
            for observe in self._observers:
                observe(lag)
            if lag >= SLOW_SECONDS:
                log.warning("event_loop.blocked", seconds=round(lag, 3))
