"""Complete a phase: the orchestrator says over HTTP that it has ended, well or not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from event_contracts import InvalidRequest, PhaseCompletion, PhaseProgress, ProcessingStage

from batch_conductor.domain.outcome import PhaseReport
from batch_conductor.domain.phases import progress
from batch_conductor.domain.pipeline import BatchId, PipelineRules
from batch_conductor.ports import Store, Watcher

log = structlog.get_logger()

CLOCK_LEEWAY: Final = timedelta(minutes=5)
"""How far a caller's clock may be ahead: a report from further in the future would outlast every correction."""


@dataclass(frozen=True, kw_only=True)
class CompletePhase:
    """Records one report of a whole phase; the newest report counts, as with events."""

    store: Store
    rules: PipelineRules
    watcher: Watcher

    async def __call__(self, completion: PhaseCompletion) -> PhaseProgress:
        """Where the phase is now; raises ``InvalidRequest`` for a moment in the future."""
        now = datetime.now(UTC)
        at = completion.completed_at or now
        if at > now + CLOCK_LEEWAY:
            raise InvalidRequest("completed_at: is in the future: send when the phase ended, or leave it out")
        batch_id = BatchId(completion.batch_id)
        report = PhaseReport(
            batch_id=batch_id,
            phase=completion.phase_name,
            stage=ProcessingStage.COMPLETED if completion.success else ProcessingStage.FAILED,
            reported_at=at,
        )
        async with self.store.transaction() as transaction:
            await transaction.record_phases([report])
            batch = (await transaction.batches([batch_id]))[batch_id]
        self.watcher.watch_lag(report)
        log.info(
            "phase.completed", batch_id=batch_id, phase=completion.phase_name, success=completion.success
        )
        return progress(batch, completion.phase_name, self.rules)
