"""Whether a service grew: what its samples say once it has warmed up.

The first fifth of the time is the warm-up, which is not looked at: pools fill, caches and code are loaded, the
allocator finds its size. Of the rest, the first fifth is the warm level and the last fifth the end. Memory has grown by
the median of the samples at the end less the median of those at the warm level. Files, threads, tasks and connections
are compared by the lowest sample of each: what is in use comes and goes with the load, what is leaked stays.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

WARM_UP_SHARE: Final = 0.2
COMPARED_SHARE: Final = 0.2
MIN_SAMPLES: Final = 2
"""Of the warm level, and of the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A service's process at a moment: ``at`` in seconds since the load began, ``megabytes`` resident.

    ``connections`` are those that it holds to PostgreSQL.
    """

    at: float
    megabytes: float
    files: int
    threads: int
    tasks: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a service may grow by; counts have some room, because a fifth of a short soak may have no quiet moment.

    ``memory_share`` is of the warm level; None: only ``megabytes`` counts, as short runs need.
    """

    memory_share: float | None = 0.05
    megabytes: float = math.inf
    files: int = 4
    threads: int = 4
    tasks: int = 12
    connections: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a service grew by after the warm-up; ``warm_megabytes`` is what it had then."""

    service: str
    warm_megabytes: float
    megabytes: float
    files: int
    threads: int
    tasks: int
    connections: int

    @property
    def memory_share(self) -> float:
        """Growth of its memory, as a share of the warm level."""
        return self.megabytes / self.warm_megabytes

    def exceeded(self, bounds: Bounds) -> list[str]:
        """The bounds that are broken, in words."""
        broken = [
            f"{self.service}: {name} {grown:+d}, at most {allowed:+d} allowed"
            for name, grown, allowed in (
                ("open files", self.files, bounds.files),
                ("threads", self.threads, bounds.threads),
                ("tasks", self.tasks, bounds.tasks),
                ("connections", self.connections, bounds.connections),
            )
            if grown > allowed
        ]
        share = math.inf if bounds.memory_share is None else bounds.memory_share
        if self.megabytes > bounds.megabytes or self.memory_share >= share:
            broken.append(
                f"{self.service}: memory {self.megabytes:+.1f} MB ({self.memory_share:+.1%})"
                f" on {self.warm_megabytes:.0f} MB"
            )
        return broken


def growth(service: str, samples: Sequence[Sample], *, seconds: float) -> Growth:
    """What a service grew by in a load of ``seconds``; raises ``ValueError`` for too few samples to tell."""
    warm_from = seconds * WARM_UP_SHARE
    width = (seconds - warm_from) * COMPARED_SHARE
    warm = [one for one in samples if warm_from <= one.at < warm_from + width]
    end = [one for one in samples if seconds - width <= one.at <= seconds]
    if min(len(warm), len(end)) < MIN_SAMPLES:
        raise ValueError(
            f"{service}: {len(warm)} samples at the warm level and {len(end)} at the end are too few"
        )

    def rise(read: Callable[[Sample], int]) -> int:
        return min(map(read, end)) - min(map(read, warm))

    warm_megabytes = statistics.median(one.megabytes for one in warm)
    return Growth(
        service=service,
        warm_megabytes=warm_megabytes,
        megabytes=statistics.median(one.megabytes for one in end) - warm_megabytes,
        files=rise(lambda one: one.files),
        threads=rise(lambda one: one.threads),
        tasks=rise(lambda one: one.tasks),
        connections=rise(lambda one: one.connections),
    )
