"""Soaks the three services, over real Kafka and PostgreSQL, in a steady moderate load, and says what has grown.

Small batches over HTTP and over Kafka, one after the other, some of them cancelled, every text uploaded once; plans
asked of the conductor; status reads; malformed and unsigned requests. How growth is measured: ``suite.soak.growth``.
Memory may grow by less than 5 % in a soak of half an hour; shorter ones are held to megabytes, because the allocator
has not found its size by then. Files, threads, tasks and connections may not grow in any, but for a moment's load.
"""

import asyncio
import logging
import os
import tempfile
from pathlib import Path
from typing import Annotated, Final

import stamina
import typer
from command_line.exit_codes import ExitCode

from suite.benchmarks.page import write_section
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import throwaway_postgres
from suite.soak.growth import Bounds
from suite.soak.running import Soak, soak

MINUTES: Final = 30.0
FULL_MINUTES: Final = 30.0
"""From here on memory is held to a share."""
SHORT_MEGABYTES: Final = 12.0


def bounds_of(minutes: float) -> Bounds:
    """What a soak of that length is held to."""
    if minutes >= FULL_MINUTES:
        return Bounds()
    return Bounds(memory_share=None, megabytes=SHORT_MEGABYTES)


def section(done: Soak) -> str:
    """The section of the page of figures."""
    minutes, load = done.seconds / 60, done.load
    bounds = bounds_of(minutes)
    memory = (
        f"{bounds.megabytes:g} MB" if bounds.memory_share is None else f"less than {bounds.memory_share:.0%}"
    )
    rows = [
        f"| {one.service} | {one.warm_megabytes:.0f} | {one.megabytes:+.1f} | {one.memory_share:+.1%}"
        f" | {one.files:+d} | {one.threads:+d} | {one.tasks:+d} | {one.connections:+d} |"
        for one in done.services
    ]
    return "\n".join(
        [
            "<!-- soak: written by make soak -->",
            "## Soak",
            "",
            f"`make soak MINUTES={minutes:g}`, all on one machine of {os.cpu_count()} cores: {load.batches:,} small"
            f" batches ({load.cancelled:,} cancelled), {load.defined:,} plans and {load.refused:,} refused requests."
            " After a warm-up of a fifth of the time, the last fifth of the rest is compared with the first: medians"
            " of memory, lowest values of the others. Bounds of a soak of this length, per service:"
            f" memory {memory}, files {bounds.files:+d}, threads {bounds.threads:+d}, tasks {bounds.tasks:+d},"
            f" connections {bounds.connections:+d}. `idle_core` is the share of a core that the three services use"
            " once nothing is asked of them.",
            "",
            "| service | MB, warm | MB grown | share | files | threads | tasks | connections |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
            "",
            f"`{done.line()}`",
            "<!-- soak: end -->",
        ]
    )


async def _soak(folder: Path, seconds: float) -> Soak:
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        return await soak(postgres, kafka.bootstrap, name="soak", folder=folder, seconds=seconds)


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="Length of the load.")] = MINUTES,
    page: Annotated[
        bool,
        typer.Option(help="Write the section of the page of figures, after a full soak within its bounds."),
    ] = True,
) -> None:
    """Soak and print; exit code 1 if anything has grown or was lost. A full soak is recorded on the page of figures."""
    stamina.instrumentation.set_on_retry_hooks([])
    # While new topics have no leader yet the client warns of it; that is expected here.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory(prefix="cj-soak-", ignore_cleanup_errors=True) as folder:
        done = asyncio.run(_soak(Path(folder), minutes * 60))
    for service in done.services:
        print(service)
    broken = done.broken(bounds_of(minutes))
    for line in broken:
        print(f"broken: {line}")
    print(done.line())
    if broken:
        raise typer.Exit(ExitCode.FAILED)
    if page and minutes >= FULL_MINUTES:
        write_section(section(done))


if __name__ == "__main__":
    typer.run(main)
