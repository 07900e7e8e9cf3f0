"""Running until the work ends or a signal interrupts it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
STOP_SIGNALS: Final = (*INTERRUPTS, signal.SIGHUP)
"""SIGHUP is sent when the terminal is closed."""
REPEAT_SECONDS: Final = 1.0
"""Signals this soon after the first are taken for the same one: a key pressed twice, or a wrapper that passes it on."""


class _Interruption:
    """The first signal interrupts the work; one that is not a repetition of it also interrupts the closing."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self._first_at = 0.0
        self.number: signal.Signals | None = None

    def on(self, number: signal.Signals) -> None:
        now = self._task.get_loop().time()
        if self.number is None:
            self.number, self._first_at = number, now
        elif now - self._first_at < REPEAT_SECONDS:
            return
        self._task.cancel()


def run_until_interrupted(
    work: Callable[[], Coroutine[Any, Any, None]], *, signals: Sequence[signal.Signals] = INTERRUPTS
) -> signal.Signals | None:
    """Run ``work``; any of ``signals`` cancels it and lets it close what it opened. Returns the first one received.

    An error that ``work`` raises is raised here, also after a signal.
    """
    interruption: _Interruption | None = None

    async def run() -> None:
        nonlocal interruption
        task = asyncio.ensure_future(work())
        interruption = _Interruption(task)
        loop = asyncio.get_running_loop()
        for number in signals:
            # A program started by nohup is to outlive its terminal.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, interruption.on, number)
        try:
            await task
        finally:
            # A signal that comes while the loop closes would be written to a pipe that is closed already.
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    before = {number: signal.getsignal(number) for number in signals}
    try:
        asyncio.run(run())
    except asyncio.CancelledError:
        if interruption is None or interruption.number is None:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if interruption is not None and interruption.number is not None:
            while signal.sigtimedwait(signals, 0) is not None:
                pass  # the same interruption again
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    return None if interruption is None else interruption.number
