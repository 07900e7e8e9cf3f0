"""How long it takes after a fault until another comparison is judged."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from suite.processes.pair import ServicePair

SAMPLE_SECONDS: Final = 0.1
CONCURRENCY: Final = 4
"""Calls to the judge at once."""
LOST_CONNECTION: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises for a connection that went away while it was in use."""

JUDGED: Final = "SELECT count(*) FROM comparison WHERE state = 'judged'"


@dataclass
class Recovery:
    """Samples how many comparisons are judged, and knows when the faults ended."""

    _ended: list[tuple[str, float]] = field(default_factory=list)
    _growth: list[tuple[float, int]] = field(default_factory=list)
    _outages: list[float] = field(default_factory=list)

    def ended(self, kind: str, *, stopped_all: bool = False) -> float:
        """A fault of this kind ends now: what it took away is back, or comes back by itself. Returns now.

        ``stopped_all``: while it lasted nothing could be judged, so recovery from any other fault counts from its end.
        """
        now = time.monotonic()
        self._ended.append((kind, now))
        if stopped_all:
            self._outages.append(now)
        return now

    def has_resumed(self, since: float) -> bool:
        """Whether as many comparisons were judged after this moment as are judged at once.

        Those that were answered before it, and counted after it, are fewer.
        """
        known = max((judged for at, judged in self._growth if at <= since), default=0)
        return bool(self._growth) and self._growth[-1][1] >= known + CONCURRENCY

    async def watch(self, pair: ServicePair) -> None:
        """Look at the database until cancelled; while it is away, nothing is judged."""
        last = 0
        while True:
            try:
                async with pair.database(pair.assessment) as database:
                    while True:
                        judged = await database.fetchval(JUDGED)
                        if judged > last:
                            self._growth.append((time.monotonic(), judged))
                            last = judged
                        await asyncio.sleep(SAMPLE_SECONDS)
            except (OSError, asyncpg.PostgresError, *LOST_CONNECTION):
                await asyncio.sleep(SAMPLE_SECONDS)

    def longest(self) -> Mapping[str, float]:
        """By kind of fault, the longest time in seconds until another comparison was judged.

        Faults after which none was left to judge are left out.
        """
        found: dict[str, float] = {}
        for kind, ended in self._ended:
            if (after := next((at for at, _ in self._growth if at > ended), None)) is not None:
                over = max((end for end in self._outages if ended < end < after), default=ended)
                found[kind] = max(found.get(kind, 0.0), after - over)
        return found
