"""What the use cases need besides the database: facts of other services, and who watches."""

from decimal import Decimal
from typing import Any, Literal, Protocol

from event_contracts import EventEnvelope

from batch_conductor.domain.gates import GateName, GateResult
from batch_conductor.domain.outcome import PhaseReport
from batch_conductor.domain.pipeline import BatchId

ResolutionOutcome = Literal["success", "blocked", "not_evaluated", "failed"]
"""How a call was answered; ``failed``: it was refused, or a fact could not be learnt."""

EventOutcome = Literal["recorded", "repeated", "refused"]
"""What became of an event; ``refused``: it contradicts itself."""


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

    def watch_resolution(self, *, pipeline: str, outcome: ResolutionOutcome, seconds: float) -> None:
        """A call was answered."""
        ...

    def watch_gate(self, result: GateResult, *, seconds: float) -> None:
        """A gate was evaluated."""
        ...

    def watch_block(self, gate: GateName, *, pipeline: str) -> None:
        """A gate has blocked a call."""
        ...

    def watch_event(self, event: EventEnvelope[Any], *, outcome: EventOutcome) -> None:
        """An event was handled."""
        ...

    def watch_lag(self, report: PhaseReport) -> None:
        """A phase's report is on record now."""
        ...
