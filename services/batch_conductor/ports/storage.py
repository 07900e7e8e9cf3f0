"""The service's database as the use cases see it: one transaction per unit of work."""

from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from event_contracts import EventEnvelope, PhaseName

from batch_conductor.domain.outcome import EssayReport, PhaseReport
from batch_conductor.domain.phases import BatchRecord
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

    async def batches(self, batch_ids: Sequence[BatchId]) -> Mapping[BatchId, BatchRecord]:
        """What is on record of each batch; of an unknown batch, an empty record."""
        ...

    async def planned_phases(self, batch_id: BatchId) -> Set[PhaseName]:
        """Phases that a granted plan of the batch has left to run."""
        ...

    async def record_essay_counts(self, counts: Mapping[BatchId, int]) -> None:
        """Keep how many essays each batch has, as its caller says."""
        ...

    async def add_plans(self, plans: Sequence[Plan]) -> None:
        """Keep what was asked and what was answered, once for each plan id."""
        ...

    async def first_skips(self, plans: Sequence[Plan]) -> Set[tuple[BatchId, UUID, PhaseName]]:
        """Record the plans' skipped phases; return those new to their batch and correlation id."""
        ...


class Store(Protocol):
    """The service's database."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a unit of work: committed at the end, rolled back on any error."""
        ...
