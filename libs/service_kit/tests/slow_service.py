"""A small service whose one route takes its time, assembled as services are, and runnable as a program."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from quart import Blueprint
from service_kit.http.app import HttpService, create_app
from service_kit.http.permissions import open_to_all
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.running import Service, run_services, run_until_signalled
from service_kit.telemetry.logging import configure_logging
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tests.tokens import OpenGate

log = structlog.get_logger()

ENTERED: Final = "slow.entered"
"""The log's word for a request that has begun."""


def slow_service(database_url: str, port: int, folder: Path, *more: Blueprint) -> Service:
    """A service whose one route takes its time."""
    blueprint = Blueprint("slow", __name__)

    @blueprint.get("/slow")
    @open_to_all("a test")
    async def slow() -> dict[str, str]:
        log.info(ENTERED)
        await asyncio.sleep(1)
        return {"done": "yes"}

    metrics = ServiceMetrics(CollectorRegistry())
    service = HttpService(
        name="slow",
        title="Slow",
        version="1",
        blueprints=[blueprint, *more],
        checks={},
        metrics=metrics,
        gate=OpenGate(),
    )

    async def close() -> None:
        return

    return Service(
        name="slow",
        app=create_app(service),
        host="127.0.0.1",
        port=port,
        database_url=database_url,
        migrations=folder,
        oldest_schema="0001",
        migrates_at_start=True,
        bus=MemoryEventBus(),
        workers=(),
        metrics=metrics,
        close=close,
    )


def main(database_url: str, port: str, folder: str) -> None:
    """Serve until told to stop."""

    async def serve(stop: asyncio.Event) -> None:
        await run_services([slow_service(database_url, int(port), Path(folder))], stop=stop)

    configure_logging(service="slow", stream=sys.stdout)
    run_until_signalled(serve)


if __name__ == "__main__":
    main(*sys.argv[1:])
