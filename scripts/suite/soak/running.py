"""One soak: the three services as processes, the load on them, the samples, and what was lost."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from command_line.loopback import free_port

from suite.embedded.postgres import PostgresServer, plain_connection
from suite.processes.batches import generated_essays, write_qualities
from suite.processes.pair import make_pair
from suite.processes.service_process import ServiceProcess
from suite.soak.growth import Bounds, Growth, growth
from suite.soak.load import Load
from suite.soak.sampling import APPLICATION, Sampler, core_share

SAMPLES: Final = 300
"""About as many in every soak, and no more than one per second."""
SETTLING_SECONDS: Final = 15.0
"""From the load's end until the idle services are measured."""
IDLE_SECONDS: Final = 10.0
SENT_SECONDS: Final = 60.0
"""How long the last messages are waited for."""

COMMON: Final = (
    "kafka_bootstrap_servers",
    "kafka_topic_prefix",
    "callback_signing_secret",
    "jwt_public_key",
    "jwt_issuer",
    "jwt_audience",
    "service_secret",
    "log_level",
)
PROVIDER: Final = {"simulated_latency_ms": "50", "simulated_seed": "3"}
UNSENT: Final = "SELECT count(*) FROM outbox"
UNENDED_BATCHES: Final = "SELECT count(*) FROM assessment_batch WHERE ended_at IS NULL"
UNENDED_REQUESTS: Final = "SELECT count(*) FROM judge_request WHERE ended_at IS NULL"


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What came of it; ``lost`` are batches, requests and messages that did not end as they should."""

    seconds: float
    load: Load
    services: tuple[Growth, ...]
    lost: int
    idle_core: float

    def broken(self, bounds: Bounds) -> list[str]:
        """What is not as it must be, in words."""
        found = [line for service in self.services for line in service.exceeded(bounds)]
        if self.lost:
            found.append(f"lost: {self.lost}")
        return found + self.load.failures

    def line(self) -> str:
        """The figures, each of the service that grew most."""
        grown = self.services
        return (
            f"minutes={self.seconds / 60:g} batches={self.load.batches}"
            f" memory_growth={max(one.memory_share for one in grown):+.1%}"
            f" memory_mb={max(one.megabytes for one in grown):+.1f}"
            f" files={max(one.files for one in grown):+d} threads={max(one.threads for one in grown):+d}"
            f" tasks={max(one.tasks for one in grown):+d}"
            f" connections={max(one.connections for one in grown):+d}"
            f" idle_core={self.idle_core:.3f} lost={self.lost}"
        )


async def soak(postgres: PostgresServer, kafka: str, *, name: str, folder: Path, seconds: float) -> Soak:
    """Run the services under the load for ``seconds``; their databases and topics begin with ``name``."""
    async with (
        _services(postgres, kafka, name=name, folder=folder) as services,
        plain_connection(postgres.url, application_name=APPLICATION) as rows,
    ):
        load = Load(
            assessment=services[f"{name}_cj_assessment"].url,
            provider=services[f"{name}_llm_provider"].url,
            conductor=services[f"{name}_batch_conductor"].url,
            kafka=kafka,
            prefix=f"{name}.",
            seconds=seconds,
        )
        sampler = Sampler(services, rows)
        sampling = asyncio.create_task(sampler.run(every=max(1.0, seconds / SAMPLES)))
        try:
            await load.run()
        finally:
            sampling.cancel()
            await asyncio.wait((sampling,))
        if not sampling.cancelled():
            sampling.result()
        lost = await _lost(postgres, name)
        await asyncio.sleep(SETTLING_SECONDS)
        idle = await asyncio.to_thread(core_share, list(services.values()), seconds=IDLE_SECONDS)
    grown = tuple(
        growth(service.removeprefix(f"{name}_"), samples, seconds=seconds)
        for service, samples in sampler.samples.items()
    )
    return Soak(seconds=seconds, load=load, services=grown, lost=lost, idle_core=idle)


@asynccontextmanager
async def _services(
    postgres: PostgresServer, kafka: str, *, name: str, folder: Path
) -> AsyncIterator[Mapping[str, ServiceProcess]]:
    """The three services, by the names of their databases."""
    qualities = write_qualities(generated_essays(2), folder / "qualities.toml")
    pair = make_pair(postgres, kafka, name=name, folder=folder, qualities=qualities, provider=PROVIDER)
    conductor = ServiceProcess(
        package="batch_conductor",
        port=free_port(),
        settings={
            **{setting: pair.provider.settings[setting] for setting in COMMON},
            "database_url": postgres.url_for(f"{name}_batch_conductor"),
            "cj_assessment_url": pair.assessment.url,
            "llm_provider_url": pair.provider.url,
        },
        log=folder / f"{name}-batch-conductor.log",
    )
    services = {f"{name}_{one.package}": one for one in (pair.assessment, pair.provider, conductor)}
    try:
        await asyncio.gather(*(one.start() for one in services.values()))
        yield services
    finally:
        await asyncio.gather(*(one.stop() for one in services.values()))


async def _lost(postgres: PostgresServer, name: str) -> int:
    """What has not ended although all batches have: batches, requests, and messages that nobody has sent."""
    lost = 0
    for service, statement in (
        ("cj_assessment", UNENDED_BATCHES),
        ("llm_provider", UNENDED_REQUESTS),
        ("cj_assessment", UNSENT),
        ("llm_provider", UNSENT),
        ("batch_conductor", UNSENT),
    ):
        async with plain_connection(
            postgres.url_for(f"{name}_{service}"), application_name=APPLICATION
        ) as rows:
            lost += await _once_none(rows, statement)
    return lost


async def _once_none(rows: asyncpg.Connection, statement: str) -> int:
    """The count, as soon as it is 0 or after ``SENT_SECONDS``: what was done last may still be on its way."""
    count = int(await rows.fetchval(statement))
    with suppress(TimeoutError):
        async with asyncio.timeout(SENT_SECONDS):
            while count:
                await asyncio.sleep(0.2)
                count = int(await rows.fetchval(statement))
    return count
