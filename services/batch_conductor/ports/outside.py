"""What the use cases need besides the database: facts of other services, and who watches."""

from decimal import Decimal
from typing import Any, Protocol

from event_contracts import EventEnvelope

from batch_conductor.domain.gates import GateName, GateResult
from batch_conductor.domain.outcome import PhaseReport
from batch_conductor.domain.pipeline import BatchId


class Facts(Protocol):
    """What other services know of a batch; each question raises ``FactUnknown`` when it cannot be answered now."""

    async def has_text(self, storage_id: str) -> bool:
        """Whether the content store has a text."""
        ...

    async def has_prompt(self, assignment_id: str) -> bool:
        """Whether an assignment has a student prompt."""
        ...

    async def has_anchors(self, assignment_id: str) -> bool:
        """Whether essays with known grades are registered for an assignment."""
        ...

    async def spent_usd(self, batch_id: BatchId) -> Decimal:
        """What the batch's judgements have cost so far."""
        ...


class Watcher(Protocol):
    """Shows operators what the service does."""

    def watch_resolution(self, *, pipeline: str, outcome: str, seconds: float) -> None:
        """A call was answered: defined, blocked, not_evaluated or refused."""
        ...

    def watch_gate(self, result: GateResult, *, seconds: float) -> None:
        """A gate was evaluated."""
        ...

    def watch_block(self, gate: GateName, *, pipeline: str) -> None:
        """A gate has blocked a call."""
        ...

    def watch_event(self, event: EventEnvelope[Any], *, outcome: str) -> None:
        """An event was recorded, repeated or refused."""
        ...

    def watch_lag(self, report: PhaseReport) -> None:
        """A phase's report is on record now."""
        ...
