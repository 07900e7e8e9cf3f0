"""Tells readers of this process that some batch may have changed; readers of other replicas poll."""

import asyncio

from cj_assessment.ports import Wake


class Changes:
    """A change of any batch in this process."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notify(self) -> None:
        """Let every waiting reader look."""
        self._next.set()
        self._next = asyncio.Event()

    def notify_and_wake(self, *others: Wake) -> Wake:
        """A wake-up for workers that tells readers as well: what gives workers something to do is a change."""

        def wake() -> None:
            for other in others:
                other()
            self.notify()

        return wake

    async def wait(self, seconds: float) -> None:
        """Return at the next change, at the latest after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._next.wait()
        except TimeoutError:
            pass
