"""What a check says of one thing: passed, failed or not checked, and what to do."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

MAX_CLOCK_SECONDS: Final = 60.0
"""Signed callbacks are accepted for five minutes: a clock that is off by a minute leaves margin for transit."""


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: ``said`` is what was seen where it passed, and what to do where it did not."""

    what: str
    verdict: Verdict
    said: str


def passed(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.PASSED, said=said)


def failed(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.FAILED, said=said)


def not_checked(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.NOT_CHECKED, said=said)


def clock(what: str, theirs: datetime, *, ours: datetime | None = None) -> Finding:
    """Whether another machine's clock agrees with this one's."""
    seconds = abs((theirs - (ours or datetime.now(UTC))).total_seconds())
    if seconds > MAX_CLOCK_SECONDS:
        return failed(what, f"differs by {seconds:.0f} s: set both machines' clocks, for example with NTP")
    return passed(what, f"agrees to {seconds:.0f} s")
