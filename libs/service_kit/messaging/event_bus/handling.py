"""Handing a batch to a handler: within a time limit; on a bus that keeps records, again until it succeeds."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from service_kit.messaging.event_bus.port import Handler, Record
from service_kit.storage.errors import is_infrastructure_error
from service_kit.work.back_off import BackOff, jittered
from service_kit.work.outages import OUTAGES

log = structlog.get_logger()

HANDLER_TIMEOUT_SECONDS = 60.0
"""A handler works in milliseconds: one that hangs is cancelled, rolls back, and is called again."""

RETRY: Final = BackOff(first_seconds=0.1, longest_seconds=15.0)
"""After a handler that failed."""


async def handle_with_timeout(handler: Handler, records: Sequence[Record]) -> None:
    """Call ``handler`` once; raises what it raises, and ``TimeoutError`` when it hangs."""
    async with asyncio.timeout(HANDLER_TIMEOUT_SECONDS):
        await handler(records)


def report_failed(error: Exception, *, group: str, records: int) -> None:
    """Log a handler's failure; an outage is reported together with all others, once per minute."""
    if is_infrastructure_error(error):
        OUTAGES.report(group, error)
    else:
        log.error("bus.handler_failed", group=group, records=records, exc_info=error)


async def handle_until_success(handler: Handler, records: Sequence[Record], *, group: str) -> None:
    """Call ``handler`` until it returns; a failure means that the handler's own database is unavailable.

    What a record itself does wrong never arrives here: ``service_kit.messaging.consumer`` sends it to the dead letters.
    """
    failures = 0
    while True:
        try:
            await handle_with_timeout(handler, records)
        except Exception as error:  # the outermost loop of a consumer: giving up would lose the batch
            report_failed(error, group=group, records=len(records))
        else:
            return OUTAGES.recovered(group)
        failures += 1
        await asyncio.sleep(jittered(RETRY.seconds(failures=failures)))
