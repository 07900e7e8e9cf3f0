"""Clocks of services that can be stepped while they run: the wall clock alone, as a correction by NTP steps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("libfaketimeMT.so.1", "libfaketime.so.1")
PLACES: Final = ("/usr/lib", "/usr/local/lib")


class NoSteppableClock(RuntimeError):
    """The library that steps clocks is not installed."""


@dataclass(frozen=True)
class SteppableClock:
    """The wall clock of every process that is started with ``environment``; it reads its step from ``file``.

    PostgreSQL and the broker, which are not started with it, keep the time: they are other machines.
    """

    file: Path

    def step(self, seconds: float) -> None:
        """Let the clock be this many seconds ahead of the true time, or behind it."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}\n", encoding="ascii")
        new.replace(self.file)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables for the processes; raises ``NoSteppableClock``."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            # Without a cache the file would be read at every look at the clock.
            "FAKETIME_CACHE_DURATION": "1",
            # Timeouts and intervals are measured by the monotonic clock, which no correction steps.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


def _library() -> Path:
    for place in PLACES:
        for name in LIBRARIES:
            if found := next(Path(place).glob(f"**/faketime/{name}"), None):
                return found
    raise NoSteppableClock(
        "clocks are stepped by libfaketime: install it (Debian: apt-get install libfaketime)"
    )
