"""Assembles the Batch Conductor service and serves it."""

import asyncio

from service_kit.messaging.event_bus import EventBus
from service_kit.running import Service, run_services, run_until_signalled
from service_kit.telemetry.logging import configure_logging

from batch_conductor.providers import build_service
from batch_conductor.settings import Settings


async def assemble(settings: Settings, *, bus: EventBus | None = None) -> Service:
    """The service, not yet started; ``bus`` is given where several services share one process."""
    return await build_service(settings, bus=bus)


def main() -> None:
    """Serve until SIGTERM or SIGINT; settings come from the environment."""
    settings = Settings()  # type: ignore[call-arg]  # the environment supplies what has no default
    configure_logging(service="batch_conductor", level=settings.log_level, fmt=settings.log_format)

    async def serve(stop: asyncio.Event) -> None:
        await run_services([await assemble(settings)], stop=stop)

    run_until_signalled(serve)
