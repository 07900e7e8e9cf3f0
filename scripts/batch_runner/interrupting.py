"""Running until the work ends or somebody interrupts it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def run_until_interrupted(work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Run ``work``; SIGINT and SIGTERM cancel it and let it close what it opened. True if it was interrupted."""

    async def run() -> None:
        task = asyncio.ensure_future(work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        await task

    try:
        asyncio.run(run())
    except asyncio.CancelledError:
        return True
    return False
