"""Handing a batch to a handler until it is dealt with."""

import asyncio
from collections.abc import Sequence

import structlog

from service_kit.event_bus.port import Handler, Record

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0


async def handle_until_done(handler: Handler, records: Sequence[Record], *, group: str) -> None:
    """Call ``handler`` until it returns; a failure means that the handler's own database is away.

    What a record itself does wrong never arrives here: ``service_kit.consuming`` sends it to the dead letters.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            await handler(records)
        except Exception:  # the outermost loop of a consumer: giving up would lose the batch
            log.exception("bus.handler_failed", group=group, records=len(records), retry_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        else:
            return
