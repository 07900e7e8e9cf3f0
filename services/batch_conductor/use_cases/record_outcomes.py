"""Record what other services say about phases: each event has its effect once, in whatever order they come."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from event_contracts import InvalidRequest

from batch_conductor.domain.outcome import OutcomeEvent, read_report
from batch_conductor.ports import Store, Watcher

log = structlog.get_logger()

CONSUMER = "batch_conductor.record_outcomes"


@dataclass(frozen=True, kw_only=True)
class RecordOutcomes:
    """Stores what a batch of events says in one commit."""

    store: Store
    watcher: Watcher

    async def __call__(self, events: Sequence[OutcomeEvent]) -> None:
        """Raises ``InvalidRequest`` for an event that contradicts itself."""
        try:
            reports = {event.event_id: read_report(event) for event in events}
        except InvalidRequest:
            if len(events) == 1:  # the others are handled without it
                self.watcher.watch_event(events[0], outcome="refused")
            raise
        async with self.store.transaction() as transaction:
            new = await transaction.claim_events(consumer=CONSUMER, event_ids=list(reports))
            fresh = [report for event_id, report in reports.items() if event_id in new]
            await transaction.record_phases([report.phase for report in fresh if report.phase is not None])
            await transaction.record_essays([essay for report in fresh for essay in report.essays])
        for event in events:
            self.watcher.watch_event(event, outcome="recorded" if event.event_id in new else "repeated")
        for report in fresh:
            if report.phase is not None:
                self.watcher.watch_lag(report.phase)
        log.debug("phase.outcomes_recorded", received=len(events), new=len(fresh))
