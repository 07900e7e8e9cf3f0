"""Throughput of `define` of the Batch Conductor, compared with GET /healthz of the same process, at 64 connections.

Both are asked in turns, a few seconds each, so that both see the same machine. The calls are about many batches,
half of which have a phase completed. The client writes and reads bare HTTP, so that little of the machine is its own.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
from command_line.exit_codes import ExitCode
from command_line.loopback import HOST, free_port

from suite.benchmarks.page import write_section
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import throwaway_postgres
from suite.processes.service_process import ServiceProcess, new_secret
from suite.processes.tokens import TOKEN_SETTINGS, OwnToken, own_token

CONNECTIONS: Final = 64
BATCHES: Final = 2_000
TURN_SECONDS: Final = 4.0
TURNS: Final = 4
MIN_RATIO: Final = 0.5
MAX_P99_RATIO: Final = 3.0


@dataclass
class Timing:
    """Seconds of every call of one kind, and of its turns together."""

    calls: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return len(self.calls) / self.seconds

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of a call's time."""
        return 1000 * statistics.quantiles(self.calls, n=100)[98]


def healthz_request(_number: int) -> bytes:
    """The request of a liveness probe."""
    return b"GET /healthz HTTP/1.1\r\nHost: conductor\r\n\r\n"


def define_request(number: int, *, token: str) -> bytes:
    """A call about one of the batches."""
    body = json.dumps(
        {
            "batch_id": f"batch-{number % BATCHES}",
            "requested_pipeline": "comprehensive",
            "correlation_id": f"run-{number % BATCHES}",
            "batch_metadata": {"prompt_attached": True, "essay_count": 30},
        }
    ).encode()
    head = (
        f"POST /internal/v1/pipelines/define HTTP/1.1\r\nHost: conductor\r\n"
        f"Authorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _connection(port: int, kind: str, offset: int, until: float, timing: Timing) -> None:
    request = healthz_request if kind == "healthz" else partial(define_request, token=own_token())
    reader, writer = await asyncio.open_connection(HOST, port)
    number = offset
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{kind} answered {head[:60]!r}")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        timing.calls.append(time.perf_counter() - started)
        number += CONNECTIONS
    writer.close()


async def _turn(port: int, kind: str, first: int, timing: Timing, *, seconds: float = TURN_SECONDS) -> None:
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for offset in range(CONNECTIONS):
            group.create_task(_connection(port, kind, first + offset, started + seconds, timing))
    timing.seconds += time.perf_counter() - started


async def _complete_phases(service: ServiceProcess) -> None:
    async with httpx2.AsyncClient(base_url=service.url, timeout=30, auth=OwnToken()) as http:
        for number in range(0, BATCHES, 2):
            body = {"batch_id": f"batch-{number}", "phase_name": "spellcheck", "success": True}
            (await http.post("/internal/v1/phases/complete", json=body)).raise_for_status()


async def measure(folder: Path) -> dict[str, Timing]:
    """Run the service and ask it."""
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        service = ServiceProcess(
            package="batch_conductor",
            port=free_port(),
            settings={
                "database_url": postgres.create_database("bench_conductor"),
                "kafka_bootstrap_servers": kafka.bootstrap,
                "kafka_topic_prefix": f"bench-{uuid4().hex[:8]}.",
                "callback_signing_secret": new_secret(),
                **TOKEN_SETTINGS,
                "log_level": "warning",
            },
            log=folder / "conductor.log",
        )
        await service.start()
        try:
            await _complete_phases(service)
            timings = {"define": Timing(), "healthz": Timing()}
            for kind in timings:
                await _turn(service.port, kind, 0, Timing())
            for turn in range(TURNS):
                for kind, timing in timings.items():
                    await _turn(service.port, kind, turn * 100_003, timing)
        finally:
            await service.stop()
    return timings


def section(define: Timing, healthz: Timing, line: str) -> str:
    """The section of the page of figures."""
    return "\n".join(
        [
            "<!-- conductor: written by make bench-conductor -->",
            "## Batch Conductor",
            "",
            f"`make bench-conductor`: one process with Kafka and PostgreSQL, {CONNECTIONS} connections, "
            f"{BATCHES:,} batches of which half have a phase completed; define calls and `GET /healthz` in turns of "
            f"{TURN_SECONDS:g} s, all on one machine.",
            "",
            "| | calls per second | p50 ms | p99 ms |",
            "|---|--:|--:|--:|",
            *(
                f"| {name} | {timing.per_second:,.0f} | {1000 * statistics.median(timing.calls):.1f} "
                f"| {timing.p99_ms:.1f} |"
                for name, timing in (("define", define), ("healthz", healthz))
            ),
            "",
            f"`{line}`",
            "<!-- conductor: end -->",
        ]
    )


def main() -> None:
    """Measure, write the section, and say the line; exit code 1 where a bound is not kept."""
    with tempfile.TemporaryDirectory() as folder:
        timings = asyncio.run(measure(Path(folder)))
    define, healthz = timings["define"], timings["healthz"]
    ratio, p99_ratio = define.per_second / healthz.per_second, define.p99_ms / healthz.p99_ms
    line = f"define_per_second={define.per_second:.0f} healthz_per_second={healthz.per_second:.0f} ratio={ratio:.2f}"
    write_section(section(define, healthz, line))
    print(f"p99: define {define.p99_ms:.1f} ms, healthz {healthz.p99_ms:.1f} ms, {p99_ratio:.1f} times")
    print(line)
    if ratio < MIN_RATIO or p99_ratio > MAX_P99_RATIO:
        sys.exit(ExitCode.FAILED)


if __name__ == "__main__":
    main()
