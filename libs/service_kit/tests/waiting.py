"""How tests wait: until what they wait for is so, and never longer than a limit, which says what did not happen."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

WAIT_TIMEOUT_SECONDS = 180.0
"""How long a test waits for what must happen; longer than the broker takes on a busy machine."""
POLL_SECONDS = 0.05

T = TypeVar("T")


async def eventually(
    holds: Callable[[], bool],
    *,
    what: str = "what is waited for in the line that called this",
    seconds: float = WAIT_TIMEOUT_SECONDS,
    every: float = POLL_SECONDS,
) -> None:
    """Return as soon as ``holds()`` is true; fail after ``seconds``, naming ``what`` did not happen."""

    async def read() -> bool:
        return holds()

    await read_until(read, holds=bool, what=what, seconds=seconds, every=every)


async def read_until(
    read: Callable[[], Awaitable[T]],
    *,
    holds: Callable[[T], bool],
    what: str = "what is read in the line that called this",
    seconds: float = WAIT_TIMEOUT_SECONDS,
    every: float = POLL_SECONDS,
) -> T:
    """Return what is read as soon as it is as it should be; fail after ``seconds``, naming ``what`` did not happen."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            while not holds(found := await read()):  # noqa: ASYNC110 - nothing here says when
                await asyncio.sleep(every)
            return found
    except TimeoutError:
        if limit.expired():
            raise AssertionError(f"not in {seconds:g} s: {what}") from None
        raise
