"""Names the phases shortly, and builds the events that the conductor reads."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from event_contracts import (
    BatchStatus,
    CJAssessmentCompletedV1,
    ELSBatchPhaseOutcomeV1,
    EssayProcessingInputRefV1,
    EventEnvelope,
    EventName,
    PhaseName,
    ProcessingStage,
    ProcessingSummary,
    SpellcheckPhaseCompletedV1,
    SystemProcessingMetadata,
)

SPELLCHECK = PhaseName.SPELLCHECK
NLP = PhaseName.NLP
CJ_ASSESSMENT = PhaseName.CJ_ASSESSMENT
AI_FEEDBACK = PhaseName.AI_FEEDBACK
STUDENT_MATCHING = PhaseName.STUDENT_MATCHING
COMPREHENSIVE = "comprehensive"
"""The pipeline of everything."""

CORRELATION = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""The times of events are given in seconds after this."""


def at_second(second: float) -> datetime:
    """A moment of that morning."""
    return MORNING + timedelta(seconds=second)


def outcome(
    batch_id: str,
    phase: PhaseName,
    *,
    status: BatchStatus = BatchStatus.COMPLETED_SUCCESSFULLY,
    processed: Sequence[str] = ("essay-1", "essay-2"),
    failed: Sequence[str] = (),
    second: float = 0,
) -> EventEnvelope[ELSBatchPhaseOutcomeV1]:
    """A phase of a whole batch ended."""
    data = ELSBatchPhaseOutcomeV1(
        batch_id=batch_id,
        phase_name=phase,
        phase_status=status,
        processed_essays=tuple(
            EssayProcessingInputRefV1(essay_id=essay_id, text_storage_id=f"text-of-{essay_id}")
            for essay_id in processed
        ),
        failed_essay_ids=tuple(failed),
        correlation_id=CORRELATION,
    )
    return EventEnvelope.wrap(
        data,
        source_service="essay_lifecycle_service",
        correlation_id=CORRELATION,
        event_timestamp=at_second(second),
    )


def spelling(
    batch_id: str,
    essay_id: str,
    *,
    status: ProcessingStage = ProcessingStage.COMPLETED,
    second: float = 0,
) -> EventEnvelope[SpellcheckPhaseCompletedV1]:
    """One essay's spelling was checked."""
    data = SpellcheckPhaseCompletedV1(
        entity_id=essay_id,
        batch_id=batch_id,
        correlation_id=str(CORRELATION),
        status=status,
        processing_duration_ms=120,
        timestamp=at_second(second),
    )
    return EventEnvelope.wrap(
        data,
        source_service="spellchecker_service",
        correlation_id=CORRELATION,
        event_timestamp=at_second(second),
    )


def assessment(
    batch_id: str,
    *,
    successful: Sequence[str] = ("essay-1", "essay-2"),
    failed: Sequence[str] = (),
    second: float = 0,
) -> EventEnvelope[CJAssessmentCompletedV1]:
    """A batch was ranked."""
    data = CJAssessmentCompletedV1(
        event_name=EventName.CJ_ASSESSMENT_COMPLETED,
        entity_id=batch_id,
        entity_type="batch",
        timestamp=at_second(second),
        status=BatchStatus.COMPLETED_WITH_FAILURES if failed else BatchStatus.COMPLETED_SUCCESSFULLY,
        system_metadata=SystemProcessingMetadata(
            entity_id=batch_id, entity_type="batch", timestamp=at_second(second)
        ),
        cj_assessment_job_id="job-1",
        processing_summary=ProcessingSummary(
            total_essays=len(successful) + len(failed),
            successful=len(successful),
            failed=len(failed),
            successful_essay_ids=tuple(successful),
            failed_essay_ids=tuple(failed),
            processing_time_seconds=12.5,
        ),
    )
    return EventEnvelope.wrap(
        data,
        source_service="cj_assessment_service",
        correlation_id=CORRELATION,
        event_timestamp=at_second(second),
    )
