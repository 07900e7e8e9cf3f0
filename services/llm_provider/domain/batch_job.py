"""A job at a vendor's batch API, from the requests that are collected for it to its last outcome."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from uuid import UUID

JobId = NewType("JobId", UUID)


class JobState(StrEnum):
    """The state of a job; the last two are final."""

    COLLECTED = "collected"
    SUBMITTING = "submitting"
    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that is due for its next step."""

    job_id: JobId
    provider: str
    model: str
    state: JobState
    items: int
    submissions: int
    created_at: datetime

    def is_older_than(self, age: timedelta, *, now: datetime) -> bool:
        """True once it has been collected so long ago."""
        return now - self.created_at > age


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob(Job):
    """A job that the vendor works on, under its own id."""

    vendor_job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPolicy:
    """When relaxed requests become a job, and how often the vendor is asked about it.

    A job is made of ``max_items`` requests, or of fewer once the first of them has waited for ``collect_for``, or
    where more of them would exceed ``max_bytes``. A job whose submission fails is submitted again,
    ``max_submissions`` times at most; one whose vendor says nothing is given up at the age of ``give_up_after``.
    """

    max_items: int = 2_000
    max_bytes: int = 100_000_000
    collect_for: timedelta = timedelta(minutes=1)
    poll_interval: timedelta = timedelta(minutes=1)
    max_submissions: int = 5
    give_up_after: timedelta = timedelta(hours=48)
