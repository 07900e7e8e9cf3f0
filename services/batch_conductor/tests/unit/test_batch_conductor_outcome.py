"""Three events are read as one kind of report, and one that contradicts itself is refused."""

import pytest
from batch_conductor.domain.outcome import EssayOutcome, OutcomeEvent, Report, read_report, stage_of
from batch_conductor.tests.building import assessment, at_second, outcome, spelling
from event_contracts import BatchStatus, InvalidRequest, PhaseName, ProcessingStage


def outcomes(report: Report) -> dict[str, EssayOutcome]:
    return {essay.essay_id: essay.outcome for essay in report.essays}


def test_a_phase_outcome_speaks_of_the_phase_and_of_each_essay() -> None:
    event = outcome("batch-1", PhaseName.NLP, processed=["e1", "e2"], failed=["e3"], second=5)

    report = read_report(event)

    assert report.phase is not None
    assert (report.phase.batch_id, report.phase.phase) == ("batch-1", PhaseName.NLP)
    assert (report.phase.stage, report.phase.essays) == (ProcessingStage.COMPLETED, 3)
    assert outcomes(report) == {"e1": "succeeded", "e2": "succeeded", "e3": "failed"}
    assert {essay.reported_at for essay in report.essays} == {report.phase.reported_at} == {at_second(5)}


def test_a_completed_assessment_completes_its_phase() -> None:
    report = read_report(assessment("batch-1", successful=["e1"], failed=["e2"]))

    assert report.phase is not None
    assert (report.phase.phase, report.phase.stage) == (PhaseName.CJ_ASSESSMENT, ProcessingStage.COMPLETED)
    assert (report.phase.batch_id, report.phase.essays) == ("batch-1", 2)
    assert outcomes(report) == {"e1": "succeeded", "e2": "failed"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ProcessingStage.COMPLETED, EssayOutcome.SUCCEEDED),
        (ProcessingStage.FAILED, EssayOutcome.FAILED),
        (ProcessingStage.CANCELLED, EssayOutcome.SKIPPED),
    ],
)
def test_a_checked_spelling_speaks_of_its_essay_alone(
    status: ProcessingStage, expected: EssayOutcome
) -> None:
    report = read_report(spelling("batch-1", "e1", status=status))

    assert report.phase is None
    assert outcomes(report) == {"e1": expected}


@pytest.mark.parametrize(
    "status", [ProcessingStage.PENDING, ProcessingStage.INITIALIZED, ProcessingStage.PROCESSING]
)
def test_an_unfinished_spellcheck_is_not_an_outcome(status: ProcessingStage) -> None:
    with pytest.raises(InvalidRequest, match="completed, failed, cancelled"):
        read_report(spelling("batch-1", "e1", status=status))


@pytest.mark.parametrize(
    "event",
    [
        outcome("batch-1", PhaseName.NLP, processed=["e1", "e2"], failed=["e2"]),
        assessment("batch-1", successful=["e1", "e2"], failed=["e2"]),
    ],
    ids=["phase outcome", "assessment"],
)
def test_an_essay_that_succeeded_and_failed_is_refused_by_name(event: OutcomeEvent) -> None:
    with pytest.raises(InvalidRequest, match="e2"):
        read_report(event)


def test_an_essay_that_is_named_twice_counts_once() -> None:
    report = read_report(outcome("batch-1", PhaseName.NLP, processed=["e1", "e1"]))

    assert report.phase is not None
    assert report.phase.essays == len(report.essays) == 1


def test_only_a_completed_status_completes_a_phase() -> None:
    completing = {status for status in BatchStatus if stage_of(status) == ProcessingStage.COMPLETED}

    assert completing == {BatchStatus.COMPLETED_SUCCESSFULLY, BatchStatus.COMPLETED_WITH_FAILURES}


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        (BatchStatus.FAILED_CRITICALLY, ProcessingStage.FAILED),
        (BatchStatus.CONTENT_INGESTION_FAILED, ProcessingStage.FAILED),
        (BatchStatus.CANCELLED, ProcessingStage.CANCELLED),
        (BatchStatus.PROCESSING_PIPELINES, ProcessingStage.PROCESSING),
    ],
)
def test_an_end_that_is_not_a_completion_keeps_its_name(status: BatchStatus, stage: ProcessingStage) -> None:
    assert stage_of(status) == stage
