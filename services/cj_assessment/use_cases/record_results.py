"""Record what judges answered: each result has its effect once, however and however often it arrives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from event_contracts import EventEnvelope, LLMComparisonResultV1

from cj_assessment.domain.comparison import AttemptPolicy, read_answer
from cj_assessment.ports import ResultWatcher, Store, Wake

log = structlog.get_logger()

CONSUMER = "cj_assessment.record_results"


@dataclass(frozen=True, kw_only=True)
class RecordResults:
    """Stores a batch of results in one commit and lets the batches concerned be looked at."""

    store: Store
    policy: AttemptPolicy
    watcher: ResultWatcher
    wake_advance: Wake

    async def __call__(self, envelopes: Sequence[EventEnvelope[LLMComparisonResultV1]]) -> None:
        """Raises ``InvalidRequest`` for a result that is not an answer to one of our attempts."""
        answers = [read_answer(envelope.data, event_id=envelope.event_id) for envelope in envelopes]
        async with self.store.transaction() as transaction:
            new = await transaction.claim_events(
                consumer=CONSUMER, event_ids=[answer.event_id for answer in answers]
            )
            fresh = {answer.attempt_id: answer for answer in answers if answer.event_id in new}
            in_order = [fresh[attempt] for attempt in sorted(fresh)]
            recorded = await transaction.record_answers(in_order, policy=self.policy)
        repeated = recorded.repeated + len(answers) - len(fresh)
        self.watcher.watch(replace(recorded, repeated=repeated))
        self.wake_advance()
        log.debug(
            "comparison.results_recorded",
            received=len(envelopes),
            recorded=recorded.new,
            repeated=repeated,
            unknown=recorded.unknown,
            late=recorded.late,
            refused=sum(answer.winner is None for answer in answers),
        )
