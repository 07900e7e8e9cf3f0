"""Batch jobs: what is in them, how far they are, and how each item ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from llm_provider.tests.vendors.fake_vendors.scenario import Behaviour, Received, Scenario


class JobEnd(StrEnum):
    """How a job as a whole ends."""

    ENDED = "ended"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(kw_only=True)
class Job:
    """A job runs until it has been looked at ``views_left`` times; then its items have met the scenario."""

    id: str
    items: Sequence[tuple[str, Received]]
    end: JobEnd
    views_left: int
    cancelled: bool = False
    outcomes: list[tuple[str, Received, Behaviour]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """True while there is nothing to fetch."""
        return self.views_left > 0 and not self.cancelled

    def look(self, scenario: Scenario) -> None:
        """The caller asks for the job's state."""
        if self.running:
            self.views_left -= 1
        elif not (self.outcomes or self.cancelled) and self.end is JobEnd.ENDED:
            # In another order than the items came in: no vendor promises the same one.
            self.outcomes = [(key, item, scenario(item)) for key, item in reversed(self.items)]
