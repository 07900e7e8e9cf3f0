"""Assembles the CJ Assessment service and serves it."""

import asyncio
from collections.abc import Sequence

from dishka import Provider
from service_kit.messaging.event_bus import EventBus
from service_kit.running import Service, run_services, run_until_signalled
from service_kit.telemetry.logging import configure_logging

from cj_assessment.providers import build_service
from cj_assessment.settings import Settings


async def assemble(
    settings: Settings, *, bus: EventBus | None = None, overrides: Sequence[Provider] = ()
) -> Service:
    """The service, not yet started; ``bus`` is given where several services share one process.

    What ``overrides`` provide takes the place of the service's own adapters and rules.
    """
    return await build_service(settings, bus=bus, overrides=overrides)


def main() -> None:
    """Serve until SIGTERM or SIGINT; settings come from the environment."""
    settings = Settings()  # type: ignore[call-arg]  # the environment supplies what has no default
    configure_logging(service="cj_assessment", level=settings.log_level, fmt=settings.log_format)

    async def serve(stop: asyncio.Event) -> None:
        await run_services([await assemble(settings)], stop=stop)

    run_until_signalled(serve)
