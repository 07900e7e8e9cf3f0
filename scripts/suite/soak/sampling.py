"""Samples of the services' processes: memory, files and threads from the system, tasks from their own metrics."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families

from suite.processes.service_process import ServiceProcess
from suite.soak.growth import Sample

APPLICATION: Final = "suite-soak"
"""The name of this program's own connections, which are not counted."""

MEGABYTE: Final = 1_000_000
CONNECTIONS: Final = """
    SELECT datname, count(*) AS connections FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND application_name <> $1 GROUP BY datname
"""


class Sampler:
    """Takes a sample of each service now and then; each service has a database of its own, by which it is counted."""

    def __init__(self, services: Mapping[str, ServiceProcess], rows: asyncpg.Connection) -> None:
        """``services`` are by the name of their database."""
        self._services = services
        self._rows = rows
        self._processes = {name: psutil.Process(service.pid) for name, service in services.items()}
        self.samples: dict[str, list[Sample]] = {name: [] for name in services}

    async def run(self, *, every: float) -> None:
        """Sample until cancelled."""
        began = time.monotonic()
        async with httpx2.AsyncClient(timeout=30) as http:
            while True:
                at = time.monotonic() - began
                counted = await self._rows.fetch(CONNECTIONS, APPLICATION)
                connections = {row["datname"]: row["connections"] for row in counted}
                counts = await asyncio.gather(*(_tasks(http, one) for one in self._services.values()))
                for name, tasks in zip(self._services, counts, strict=True):
                    self.samples[name].append(self._sample(name, at, tasks, connections.get(name, 0)))
                await asyncio.sleep(every)

    def _sample(self, name: str, at: float, tasks: int, connections: int) -> Sample:
        process = self._processes[name]
        with process.oneshot():
            return Sample(
                at=at,
                megabytes=process.memory_info().rss / MEGABYTE,
                files=process.num_fds(),
                threads=process.num_threads(),
                tasks=tasks,
                connections=connections,
            )


async def _tasks(http: httpx2.AsyncClient, service: ServiceProcess) -> int:
    text = (await http.get(f"{service.url}/metrics")).raise_for_status().text
    [tasks] = [family for family in text_string_to_metric_families(text) if family.name == "asyncio_tasks"]
    return int(tasks.samples[0].value)


def core_share(services: Sequence[ServiceProcess], *, seconds: float) -> float:
    """The processor time that the services use during these seconds, as a share of one core."""
    processes = [psutil.Process(service.pid) for service in services]
    before, began = sum(map(_processor_seconds, processes)), time.monotonic()
    time.sleep(seconds)
    return (sum(map(_processor_seconds, processes)) - before) / (time.monotonic() - began)


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
