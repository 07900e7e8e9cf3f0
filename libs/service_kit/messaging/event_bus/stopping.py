"""Stopping a Kafka client that may not be able to stop now, because its broker does not answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

STOP_TIMEOUT_SECONDS = 5.0

_still_stopping: set[asyncio.Task[None]] = set()


async def stop_with_timeout(stop: Coroutine[Any, Any, None], *, client: str) -> None:
    """Await ``stop`` for a while; one that takes longer continues by itself until the broker answers.

    It is not cancelled: a half-stopped client keeps its connections and its place in the group.
    """
    task = asyncio.ensure_future(stop)
    _still_stopping.add(task)
    task.add_done_callback(_stopped)
    await asyncio.wait((task,), timeout=STOP_TIMEOUT_SECONDS)
    if not task.done():
        log.warning("bus.client_still_stopping", client=client)


def _stopped(task: asyncio.Task[None]) -> None:
    _still_stopping.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.warning("bus.client_stopped_with_error", reason=repr(error))
