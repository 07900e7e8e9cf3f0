"""What a check says of one thing: passed, failed or not checked, and what to do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import typer
from rich.console import Console

from command_line.exit_codes import ExitCode

MAX_CLOCK_SECONDS: Final = 60.0
"""Signed callbacks are accepted for five minutes: a clock that is off by a minute leaves margin for transit."""


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


_STYLES: Final = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.NOT_CHECKED: "dim"}
_WIDTH: Final = max(len(verdict) for verdict in Verdict)


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


def show(found: Finding, *, console: Console) -> None:
    """One line: the verdict, what was checked, and what is said of it."""
    console.out(f"{found.verdict:<{_WIDTH}}  ", style=_STYLES[found.verdict], end="")
    console.out(f"{found.what}: {found.said}", highlight=False)


def show_counts(found: Sequence[Finding], *, console: Console) -> None:
    """How many findings there are of each verdict."""
    counts = Counter(finding.verdict for finding in found)
    console.out(", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict), highlight=False)


def exit_where_any_failed(found: Sequence[Finding]) -> None:
    """Raise ``typer.Exit`` with the code of a failure where there is one."""
    if any(finding.verdict is Verdict.FAILED for finding in found):
        raise typer.Exit(ExitCode.FAILED)
