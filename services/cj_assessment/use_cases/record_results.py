"""Record what judges answered: each result has its effect once, however and however often it arrives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from event_contracts import EventEnvelope, LLMComparisonResultV1

from cj_assessment.domain.comparison import Answer, read_answer
from cj_assessment.ports import ResultWatcher, Store, Wake

log = structlog.get_logger()

CONSUMER = "cj_assessment.record_results"


@dataclass(frozen=True, kw_only=True)
class RecordResults:
    """Stores a set of results in one commit and wakes the workers that wait for them.

    A result that is not an answer to one of our attempts is counted and changes nothing: the topic is shared.
    """

    store: Store
    watcher: ResultWatcher
    wake_advance: Wake
    wake_submit: Wake
    wake_report: Wake

    async def __call__(self, envelopes: Sequence[EventEnvelope[LLMComparisonResultV1]]) -> None:
        """Record them; a repeat changes nothing."""
        read = [read_answer(envelope.data, event_id=envelope.event_id) for envelope in envelopes]
        answers = [answer for answer in read if answer is not None]
        async with self.store.transaction() as transaction:
            new = await transaction.events.claim(
                consumer=CONSUMER, event_ids=[answer.event_id for answer in answers]
            )
            fresh = {_identity(answer): answer for answer in answers if answer.event_id in new}
            recorded = await transaction.attempts.record([fresh[key] for key in sorted(fresh)])
        recorded = replace(
            recorded,
            repeated=recorded.repeated + len(answers) - len(fresh),
            unknown=recorded.unknown + len(read) - len(answers),
        )
        self.watcher.watch(recorded, error_codes=[answer.error_code for answer in fresh.values()])
        self._wake(recorded.new, recorded.late)
        log.debug(
            "comparison.results_recorded",
            received=len(envelopes),
            recorded=recorded.new,
            repeated=recorded.repeated,
            unknown=recorded.unknown,
            mismatched=recorded.mismatched,
            late=recorded.late,
            refused=sum(answer.winner is None for answer in answers),
        )

    def _wake(self, new: int, late: int) -> None:
        if new:
            self.wake_advance()
            # What an answer did not cost of the money reserved for it can be spent on another comparison.
            self.wake_submit()
        if late:
            self.wake_report()


def _identity(answer: Answer) -> tuple[str, ...]:
    """Answers are recorded in the order of their attempts, so that two replicas do not wait for each other."""
    return (
        str(answer.attempt_id),
        answer.request_id,
        answer.batch_id,
        answer.essay_a_id,
        answer.essay_b_id,
    )
