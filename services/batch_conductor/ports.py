"""What the use cases need from outside, one Protocol each."""

from collections.abc import Sequence, Set
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from event_contracts import EventEnvelope, PhaseName, PhaseProgress

from batch_conductor.domain.outcome import EssayReport, PhaseReport
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan


class Transaction(Protocol):
    """One unit of work on the service's database; everything in it happens, or nothing."""

    async def claim_events(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        """Record events as handled; return those that never were before."""
        ...

    def announce(self, events: Sequence[EventEnvelope[Any]]) -> None:
        """Send the events to their topics after the commit."""
        ...

    async def record_phases(self, reports: Sequence[PhaseReport]) -> None:
        """Keep the newest report of every phase, in whatever order they come."""
        ...

    async def record_essays(self, reports: Sequence[EssayReport]) -> None:
        """Keep the newest report of every essay in every phase, in whatever order they come."""
        ...

    async def completed_phases(self, batch_id: BatchId) -> Set[PhaseName]:
        """Phases whose newest report says that they are completed."""
        ...

    async def phases(self, batch_id: BatchId) -> Sequence[PhaseProgress]:
        """Every phase of a batch that is planned or reported, in the order of ``PhaseName``."""
        ...

    async def add_plan(self, plan: Plan) -> None:
        """Keep what was asked and what was answered."""
        ...

    async def first_skips(self, plan: Plan) -> Sequence[PhaseName]:
        """Record the plan's skipped phases; return those new to its batch and correlation id."""
        ...


class Store(Protocol):
    """The service's database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of work: committed at the end, rolled back on any error."""
        ...
