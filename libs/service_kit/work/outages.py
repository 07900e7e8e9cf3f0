"""Outages in the log: one line when one begins, one per minute while it lasts, one when it is over."""

import time
from dataclasses import dataclass, field

import structlog

from service_kit.telemetry.error_text import error_text

log = structlog.get_logger()

REPEAT_SECONDS = 60.0
MAX_REASON_CHARACTERS = 300


@dataclass
class Outages:
    """What the workers of this process report about a database, broker or service that is unavailable.

    They all meet the same outage, many times per second: that is one fact, and one line.
    """

    _affected: set[str] = field(default_factory=set)
    _failures: int = 0
    _began: float = 0.0
    _logged: float = 0.0

    def report(self, worker: str, error: BaseException) -> None:
        """A step of ``worker`` failed because of the infrastructure."""
        now = time.monotonic()
        if not self._affected:
            self._began, self._failures, self._logged = now, 0, 0.0
        self._affected.add(worker)
        self._failures += 1
        if self._logged == 0.0 or now - self._logged >= REPEAT_SECONDS:
            self._logged = now
            log.warning(
                "infrastructure.unavailable",
                reason=error_text(error)[:MAX_REASON_CHARACTERS],
                workers=sorted(self._affected),
                failed_steps=self._failures,
                for_seconds=round(now - self._began, 1),
            )

    def recovered(self, worker: str) -> None:
        """A step of ``worker`` was completed again."""
        if worker in self._affected:
            self._affected.discard(worker)
            if not self._affected:
                log.info(
                    "infrastructure.recovered",
                    for_seconds=round(time.monotonic() - self._began, 1),
                    failed_steps=self._failures,
                )


OUTAGES = Outages()
"""Those of this process."""
