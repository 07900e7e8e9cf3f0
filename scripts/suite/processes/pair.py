"""CJ Assessment and LLM Provider as processes of their own, on servers that are running already."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from command_line.loopback import free_port

from suite.embedded.postgres import PostgresServer, plain_connection
from suite.processes.service_process import ServiceProcess, new_secret
from suite.processes.tokens import TOKEN_SETTINGS


@dataclass(frozen=True, kw_only=True)
class ServicePair:
    """The two services, not yet started."""

    assessment: ServiceProcess
    provider: ServiceProcess

    async def start(self) -> None:
        """Start both services and wait until they are ready."""
        await asyncio.gather(self.assessment.start(), self.provider.start())

    async def stop(self) -> None:
        """Stop both services."""
        await asyncio.gather(self.assessment.stop(), self.provider.stop())

    def database(self, service: ServiceProcess) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """A plain connection to the database of one of the services."""
        return plain_connection(service.settings["database_url"])


def make_pair(
    postgres: PostgresServer,
    kafka: str,
    *,
    name: str,
    folder: Path,
    qualities: Path,
    assessment: Mapping[str, str] | None = None,
    provider: Mapping[str, str] | None = None,
) -> ServicePair:
    """Services with their own databases and topics, prefixed with ``name``.

    ``assessment`` and ``provider`` are further settings, named as in the settings reference without the prefix.
    """
    secret = new_secret()
    common = {
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": f"{name}.",
        "callback_signing_secret": secret,
        **TOKEN_SETTINGS,
        "log_level": "warning",
    }
    llm_provider = ServiceProcess(
        package="llm_provider",
        port=free_port(),
        settings={
            **common,
            "database_url": postgres.url_for(f"{name}_llm_provider"),
            "simulated_quality_file": str(qualities),
            **(provider or {}),
        },
        log=folder / f"{name}-llm-provider.log",
    )
    cj_assessment = ServiceProcess(
        package="cj_assessment",
        port=free_port(),
        settings={
            **common,
            "database_url": postgres.url_for(f"{name}_cj_assessment"),
            "llm_provider_url": llm_provider.url,
            "default_provider": "mock",
            **(assessment or {}),
        },
        log=folder / f"{name}-cj-assessment.log",
    )
    return ServicePair(assessment=cj_assessment, provider=llm_provider)


@asynccontextmanager
async def running(pair: ServicePair) -> AsyncIterator[ServicePair]:
    """Run both services until the context ends."""
    await pair.start()
    try:
        yield pair
    finally:
        await pair.stop()
