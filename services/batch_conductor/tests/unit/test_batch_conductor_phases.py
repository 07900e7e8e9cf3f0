"""A phase has ended when its report says so or every expected essay is accounted for, whatever the order of events."""

import pytest
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.domain.phases import (
    BatchRecord,
    EssayCounts,
    PhaseRecord,
    completed_phases,
    expected_essays,
    phase_state,
    state_of,
)
from batch_conductor.settings import PIPELINES
from batch_conductor.tests.building import CJ_ASSESSMENT, NLP, SPELLCHECK
from event_contracts import PhaseOutcome, ProcessingStage
from hypothesis import given
from hypothesis import strategies as st

RULES = load_pipelines(PIPELINES)
COMPLETED, FAILED = ProcessingStage.COMPLETED, ProcessingStage.FAILED
PROCESSING, PENDING = ProcessingStage.PROCESSING, ProcessingStage.PENDING


def by_essays(succeeded: int = 0, failed: int = 0, skipped: int = 0) -> PhaseRecord:
    """Essays were reported, the phase itself was not."""
    counts = EssayCounts(succeeded=succeeded, failed=failed, skipped=skipped)
    return PhaseRecord(counts=counts, since=counts)


@pytest.mark.parametrize(
    ("record", "expected", "stage", "outcome"),
    [
        (PhaseRecord(), None, PENDING, None),
        (PhaseRecord(), 3, PENDING, None),
        (by_essays(1), None, PROCESSING, None),
        (by_essays(2), 3, PROCESSING, None),
        (by_essays(3), 3, COMPLETED, PhaseOutcome.COMPLETED_SUCCESSFULLY),
        (by_essays(1, 1, 1), 3, COMPLETED, PhaseOutcome.COMPLETED_WITH_FAILURES),
        (by_essays(0, 2, 1), 3, FAILED, PhaseOutcome.FAILED),
        (by_essays(0, 0, 3), 3, ProcessingStage.CANCELLED, PhaseOutcome.FAILED),
        (PhaseRecord(stage=COMPLETED), None, COMPLETED, PhaseOutcome.COMPLETED_SUCCESSFULLY),
        (
            PhaseRecord(stage=COMPLETED, with_failures=True),
            None,
            COMPLETED,
            PhaseOutcome.COMPLETED_WITH_FAILURES,
        ),
        (PhaseRecord(stage=FAILED), 3, FAILED, PhaseOutcome.FAILED),
        (PhaseRecord(stage=FAILED, counts=EssayCounts(succeeded=3)), 3, FAILED, PhaseOutcome.FAILED),
        (
            PhaseRecord(stage=FAILED, counts=EssayCounts(succeeded=3), since=EssayCounts(succeeded=3)),
            3,
            COMPLETED,
            PhaseOutcome.COMPLETED_SUCCESSFULLY,
        ),
    ],
)
def test_a_phase_ends_by_its_report_or_by_its_last_essay(
    record: PhaseRecord, expected: int | None, stage: ProcessingStage, outcome: PhaseOutcome | None
) -> None:
    state = phase_state(record, expected=expected)

    assert (state.stage, state.outcome) == (stage, outcome)


def test_essays_that_failed_before_are_not_expected_downstream() -> None:
    failed = PhaseRecord(stage=COMPLETED, with_failures=True, failed_essay_ids=("e1", "e2"))
    batch = BatchRecord(essay_count=10, phases={SPELLCHECK: failed, NLP: by_essays(8)})

    assert expected_essays(batch, NLP, RULES) == expected_essays(batch, CJ_ASSESSMENT, RULES) == 8
    assert expected_essays(batch, SPELLCHECK, RULES) == 10
    assert state_of(batch, NLP, RULES).stage == COMPLETED
    assert completed_phases(batch, RULES) == {SPELLCHECK, NLP}


@given(essays=st.integers(2, 40), reported=st.data())
def test_no_phase_ends_before_its_last_expected_essay(essays: int, reported: st.DataObject) -> None:
    succeeded = reported.draw(st.integers(0, essays - 1))
    failed = reported.draw(st.integers(0, essays - 1 - succeeded))

    state = phase_state(by_essays(succeeded, failed), expected=essays)

    assert state.outcome is None
