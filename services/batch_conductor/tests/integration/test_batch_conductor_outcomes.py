"""From the bus into the database: the newest report counts, in whatever order and however often reports come."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import pytest
from batch_conductor.tests.building import (
    AI_FEEDBACK,
    CJ_ASSESSMENT,
    NLP,
    SPELLCHECK,
    assessment,
    at_second,
    outcome,
    spelling,
)
from batch_conductor.tests.serving import Conductor, deliver, message, rows
from event_contracts import (
    BatchStatus,
    PhaseName,
    PhaseOutcome,
    PhaseProgress,
    ProcessingStage,
    Topic,
    dead_letter_topic,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_kit.messaging.event_bus import MemoryEventBus, Message, Record

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_batchs_story(batch_id: str) -> list[Message]:
    """Spelling fails as a whole, is tried again and succeeds but for one essay; the others are ranked."""
    return [
        message(event)
        for event in (
            spelling(batch_id, "e1", status=ProcessingStage.FAILED, second=1),
            spelling(batch_id, "e2", status=ProcessingStage.FAILED, second=2),
            outcome(
                batch_id,
                SPELLCHECK,
                status=BatchStatus.FAILED_CRITICALLY,
                processed=[],
                failed=["e1", "e2"],
                second=3,
            ),
            spelling(batch_id, "e1", second=11),
            spelling(batch_id, "e2", status=ProcessingStage.FAILED, second=12),
            spelling(batch_id, "e3", second=13),
            spelling(batch_id, "e4", status=ProcessingStage.CANCELLED, second=14),
            outcome(
                batch_id,
                SPELLCHECK,
                status=BatchStatus.COMPLETED_WITH_FAILURES,
                processed=["e1", "e3"],
                failed=["e2"],
                second=15,
            ),
            assessment(batch_id, successful=["e1", "e3"], second=20),
        )
    ]


def end_of_story() -> dict[PhaseName, PhaseProgress]:
    return {
        SPELLCHECK: PhaseProgress(
            phase_name=SPELLCHECK,
            status=ProcessingStage.COMPLETED,
            outcome=PhaseOutcome.COMPLETED_WITH_FAILURES,
            expected=4,
            succeeded=2,
            failed=1,
            skipped=1,
            failed_essay_ids=("e2",),
            skipped_essay_ids=("e4",),
            updated_at=at_second(15),
        ),
        CJ_ASSESSMENT: PhaseProgress(
            phase_name=CJ_ASSESSMENT,
            status=ProcessingStage.COMPLETED,
            outcome=PhaseOutcome.COMPLETED_SUCCESSFULLY,
            expected=2,
            succeeded=2,
            updated_at=at_second(20),
        ),
    }


@dataclass(frozen=True)
class Report:
    """What one event says, of whatever batch."""

    second: int
    essay: str | None
    """One essay's spelling; None for the outcome of a whole phase."""

    phase: PhaseName
    is_good: bool

    def about(self, batch_id: str) -> Message:
        """The event of this batch."""
        if self.essay is not None:
            status = ProcessingStage.COMPLETED if self.is_good else ProcessingStage.FAILED
            return message(spelling(batch_id, self.essay, status=status, second=self.second))
        ended = BatchStatus.COMPLETED_SUCCESSFULLY if self.is_good else BatchStatus.FAILED_CRITICALLY
        return message(outcome(batch_id, self.phase, status=ended, second=self.second))


REPORTS = st.lists(
    st.builds(
        Report,
        second=st.integers(1, 6),  # few: equal times must be decided as well
        essay=st.sampled_from(["e1", "e2", "e3", None, None]),
        phase=st.sampled_from([SPELLCHECK, NLP, CJ_ASSESSMENT]),
        is_good=st.booleans(),
    ),
    min_size=1,
    max_size=9,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS, data=st.data())
async def test_any_interleaving_and_any_duplication_of_reports_give_one_state(
    conductor: Conductor, bus: MemoryEventBus, reports: list[Report], data: st.DataObject
) -> None:
    in_order, shuffled = (f"batch-{uuid4().hex[:12]}" for _ in range(2))
    order = data.draw(st.permutations([*range(len(reports))] * 2))
    size = data.draw(st.integers(1, len(order)))
    events = [report.about(shuffled) for report in reports]

    for report in sorted(reports, key=lambda report: report.second):
        await bus.publish([report.about(in_order)])
    for start in range(0, len(order), size):
        await bus.publish([events[place] for place in order[start : start + size]])

    assert await conductor.phases(shuffled) == await conductor.phases(in_order)


async def test_a_batchs_events_in_reverse_order_give_the_same_phases(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    await bus.publish(a_batchs_story(batch_id)[::-1] * 2)

    assert await conductor.phases(batch_id) == end_of_story()


async def test_an_event_is_on_record_once_however_often_it_comes(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    event = outcome(batch_id, NLP)

    await deliver(bus, event, event)
    await deliver(bus, event)

    statement = "SELECT consumer FROM inbox WHERE event_id = :event_id"
    assert await rows(conductor.settings, statement, event_id=event.event_id) == [
        ("batch_conductor.record_outcomes",)
    ]


async def test_an_essay_at_a_time_a_phase_is_under_way_and_its_size_unknown(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    await deliver(bus, spelling(batch_id, "e1", second=1))
    phases = await conductor.phases(batch_id)
    answer = await conductor.pipeline(batch_id, NLP)

    assert (phases[SPELLCHECK].status, phases[SPELLCHECK].expected) == (ProcessingStage.PROCESSING, None)
    assert phases[SPELLCHECK].succeeded == 1
    assert SPELLCHECK in answer.final_pipeline


async def test_an_old_failure_that_arrives_late_undoes_nothing(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    failed = outcome(batch_id, NLP, status=BatchStatus.FAILED_CRITICALLY, second=1)
    completed = outcome(batch_id, NLP, second=2)

    await deliver(bus, completed)
    await deliver(bus, failed)
    phases = await conductor.phases(batch_id)

    assert phases[NLP].status == ProcessingStage.COMPLETED


async def test_a_newer_failure_takes_the_completion_back(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    await deliver(bus, outcome(batch_id, NLP, second=1))
    await deliver(bus, outcome(batch_id, NLP, status=BatchStatus.FAILED_CRITICALLY, processed=[], second=2))
    answer = await conductor.pipeline(batch_id, NLP)

    assert answer.final_pipeline == (SPELLCHECK, NLP)


async def test_events_that_cannot_be_handled_are_set_aside_and_the_others_count(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    topic = Topic.ELS_BATCH_PHASE_OUTCOME
    malformed = Message(topic=topic, key=batch_id.encode(), value=b'{"event_type": "nonsense"}')
    contradictory = message(outcome(batch_id, AI_FEEDBACK, processed=["e1"], failed=["e1"]))
    set_aside: list[Record] = []

    async def keep(records: Sequence[Record]) -> None:
        set_aside.extend(records)

    bus.subscribe([dead_letter_topic(topic)], group="operator", handler=keep)

    await bus.publish(
        [
            message(outcome(batch_id, SPELLCHECK)),
            malformed,
            contradictory,
            message(outcome(batch_id, NLP)),
        ]
    )
    phases = await conductor.phases(batch_id)

    assert phases.keys() == {SPELLCHECK, NLP}
    assert [record.value for record in set_aside] == [malformed.value, contradictory.value]
    reasons = [dict(record.headers)["dlq-reason"] for record in set_aside]
    assert reasons == [b"malformed", b"not_handled"]


async def test_a_full_delivery_of_whole_classes_is_recorded(
    conductor: Conductor, bus: MemoryEventBus, batch_id: str
) -> None:
    essays = [f"e{number}" for number in range(30)]
    events = [outcome(f"{batch_id}-{number}", NLP, processed=essays) for number in range(500)]

    await deliver(bus, *events)
    last = await conductor.phases(f"{batch_id}-499")

    assert (last[NLP].expected, last[NLP].succeeded) == (30, 30)
