"""Record what other services say about phases: each event has its effect once, in whatever order they come."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from batch_conductor.domain.outcome import OutcomeEvent, read_report
from batch_conductor.ports import Store

log = structlog.get_logger()

CONSUMER = "batch_conductor.record_outcomes"


@dataclass(frozen=True, kw_only=True)
class RecordOutcomes:
    """Stores what a batch of events says in one commit."""

    store: Store

    async def __call__(self, events: Sequence[OutcomeEvent]) -> None:
        """Raises ``InvalidRequest`` for an event that contradicts itself."""
        reports = {event.event_id: read_report(event) for event in events}
        async with self.store.transaction() as transaction:
            new = await transaction.claim_events(consumer=CONSUMER, event_ids=list(reports))
            fresh = [report for event_id, report in reports.items() if event_id in new]
            await transaction.record_phases([report.phase for report in fresh if report.phase is not None])
            await transaction.record_essays([essay for report in fresh for essay in report.essays])
        log.debug("phase.outcomes_recorded", received=len(events), new=len(fresh))
