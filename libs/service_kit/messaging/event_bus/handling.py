"""Handing a batch to a handler: within a time limit, and where the bus keeps the records, until it is dealt with."""

import asyncio
import random
from collections.abc import Sequence

import structlog

from service_kit.messaging.event_bus.port import Handler, Record

log = structlog.get_logger()

HANDLER_TIMEOUT_SECONDS = 60.0
"""A handler works in milliseconds: one that hangs is cancelled, rolls back, and is called again."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0


async def handle_in_time(handler: Handler, records: Sequence[Record]) -> None:
    """Call ``handler`` once; raises what it raises, and ``TimeoutError`` when it hangs."""
    async with asyncio.timeout(HANDLER_TIMEOUT_SECONDS):
        await handler(records)


async def handle_until_done(handler: Handler, records: Sequence[Record], *, group: str) -> None:
    """Call ``handler`` until it returns; a failure means that the handler's own database is away.

    What a record itself does wrong never arrives here: ``service_kit.messaging.consumer`` sends it to the dead letters.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await handle_in_time(handler, records)
        except Exception:  # the outermost loop of a consumer: giving up would lose the batch
            log.exception("bus.handler_failed", group=group, records=len(records), retry_in_seconds=pause)
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
