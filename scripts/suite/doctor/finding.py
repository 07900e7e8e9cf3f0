"""What the doctor says of one thing: passed, failed or not checked, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


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
