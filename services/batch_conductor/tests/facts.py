"""What other services know of batches in tests: set, or not to be learnt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batch_conductor.domain.gates import FactUnknown, GateName, GateResult
from batch_conductor.domain.outcome import PhaseReport
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.ports import EventOutcome, ResolutionOutcome
from event_contracts import EventEnvelope


@dataclass
class KnownFacts:
    """Implements ``ports.Facts`` from values; with ``away``, nothing can be learnt."""

    texts: set[str] = field(default_factory=set)
    prompts: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=set)
    spent: Decimal = Decimal(0)
    away: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def _answer(self, service: str, answer: Callable[[], bool]) -> bool:
        self.asked.append(service)
        if service in self.away:
            raise FactUnknown(f"{service} does not answer", retry_after=7)
        return answer()

    async def has_text(self, storage_id: str) -> bool:
        return self._answer("content", lambda: storage_id in self.texts)

    async def has_prompt(self, assignment_id: str) -> bool:
        return self._answer("prompts", lambda: assignment_id in self.prompts)

    async def has_anchors(self, assignment_id: str) -> bool:
        return self._answer("anchors", lambda: assignment_id in self.anchors)

    async def spent_usd(self, batch_id: BatchId) -> Decimal:  # noqa: ARG002 - of all batches alike
        self._answer("costs", lambda: True)
        return self.spent


class NobodyWatches:
    """Implements ``ports.Watcher``."""

    def watch_resolution(self, *, pipeline: str, outcome: ResolutionOutcome, seconds: float) -> None: ...
    def watch_gate(self, result: GateResult, *, seconds: float) -> None: ...
    def watch_block(self, gate: GateName, *, pipeline: str) -> None: ...
    def watch_event(self, event: EventEnvelope[Any], *, outcome: EventOutcome) -> None: ...
    def watch_lag(self, report: PhaseReport) -> None: ...
