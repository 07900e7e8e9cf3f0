"""Processor time that an idle embedded stack takes: the services' process and PostgreSQL's, as a share of a core."""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import uvloop

from suite.stack.log_file import log_to_file
from suite.stack.options import Ports, StackOptions
from suite.stack.running import embedded_stack

SETTLING_SECONDS: Final = 45.0
"""What starting has left to do is done by then."""
MEASURED_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class IdleUse:
    """Shares of one core."""

    services: float
    postgres: float

    @property
    def total(self) -> float:
        """The whole stack."""
        return self.services + self.postgres


def use_of(process: psutil.Process, *, seconds: float = MEASURED_SECONDS) -> IdleUse:
    """What a process that runs the stack uses during these seconds, and what its PostgreSQL does."""
    before, began = _processor_seconds(process), time.monotonic()
    time.sleep(seconds)
    after, elapsed = _processor_seconds(process), time.monotonic() - began
    services, postgres = ((now - then) / elapsed for then, now in zip(before, after, strict=True))
    return IdleUse(services=services, postgres=postgres)


def _processor_seconds(process: psutil.Process) -> tuple[float, float]:
    own = process.cpu_times()
    servers = [child.cpu_times() for child in process.children(recursive=True) if child.name() == "postgres"]
    return own.user + own.system, sum(times.user + times.system for times in servers)


async def measure(folder: Path) -> IdleUse:
    """Run the stack and measure it once it has settled."""
    log_to_file(folder / "idle.log")
    async with embedded_stack(StackOptions(data=folder / "data", ports=Ports.free())):
        await asyncio.sleep(SETTLING_SECONDS)
        return await asyncio.to_thread(use_of, psutil.Process(os.getpid()))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="cj-idle-") as folder:
        use = uvloop.run(measure(Path(folder)))
    print(f"idle_core_share={use.total:.4f} services={use.services:.4f} postgres={use.postgres:.4f}")


if __name__ == "__main__":
    main()
