"""Outcomes: what the events of other services say about a batch's phases."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from event_contracts import (
    BatchStatus,
    CJAssessmentCompletedV1,
    ELSBatchPhaseOutcomeV1,
    EventEnvelope,
    InvalidRequest,
    PhaseName,
    ProcessingStage,
    SpellcheckPhaseCompletedV1,
)

from batch_conductor.domain.pipeline import BatchId

OutcomeEvent = (
    EventEnvelope[ELSBatchPhaseOutcomeV1]
    | EventEnvelope[SpellcheckPhaseCompletedV1]
    | EventEnvelope[CJAssessmentCompletedV1]
)


class EssayOutcome(StrEnum):
    """How an essay came out of a phase; skipped means that the phase left it out."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReport:
    """Where a phase of a batch was at ``reported_at``, and of how many essays the report speaks, where it does."""

    batch_id: BatchId
    phase: PhaseName
    stage: ProcessingStage
    with_failures: bool = False
    essays: int | None = None
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EssayReport:
    """How one essay came out of a phase at ``reported_at``."""

    batch_id: BatchId
    phase: PhaseName
    essay_id: str
    outcome: EssayOutcome
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one event says; ``phase`` is None where it speaks of an essay alone."""

    phase: PhaseReport | None
    essays: tuple[EssayReport, ...]


_ENDS: Final[Mapping[BatchStatus, ProcessingStage]] = MappingProxyType(
    {
        BatchStatus.COMPLETED_SUCCESSFULLY: ProcessingStage.COMPLETED,
        BatchStatus.COMPLETED_WITH_FAILURES: ProcessingStage.COMPLETED,
        BatchStatus.FAILED_CRITICALLY: ProcessingStage.FAILED,
        BatchStatus.CONTENT_INGESTION_FAILED: ProcessingStage.FAILED,
        BatchStatus.CANCELLED: ProcessingStage.CANCELLED,
    }
)
_SPELLINGS: Final[Mapping[ProcessingStage, EssayOutcome]] = MappingProxyType(
    {
        ProcessingStage.COMPLETED: EssayOutcome.SUCCEEDED,
        ProcessingStage.FAILED: EssayOutcome.FAILED,
        ProcessingStage.CANCELLED: EssayOutcome.SKIPPED,
    }
)


def stage_of(status: BatchStatus) -> ProcessingStage:
    """The stage of a phase that is reported with this status: every status that does not end it is processing."""
    return _ENDS.get(status, ProcessingStage.PROCESSING)


def read_report(event: OutcomeEvent) -> Report:
    """What the event says; raises ``InvalidRequest`` when it contradicts itself."""
    match event.data:
        case ELSBatchPhaseOutcomeV1() as outcome:
            return _phase_outcome(outcome, at=event.event_timestamp)
        case SpellcheckPhaseCompletedV1() as spelling:
            return _spelling(spelling, at=event.event_timestamp)
        case CJAssessmentCompletedV1() as assessment:
            return _assessment(assessment, at=event.event_timestamp)


def _phase_outcome(outcome: ELSBatchPhaseOutcomeV1, *, at: datetime) -> Report:
    return _batch_report(
        BatchId(outcome.batch_id),
        phase=outcome.phase_name,
        status=outcome.phase_status,
        succeeded=[essay.essay_id for essay in outcome.processed_essays],
        failed=outcome.failed_essay_ids,
        at=at,
    )


def _assessment(assessment: CJAssessmentCompletedV1, *, at: datetime) -> Report:
    summary = assessment.processing_summary
    return _batch_report(
        BatchId(assessment.entity_id),
        phase=PhaseName.CJ_ASSESSMENT,
        status=assessment.status,
        succeeded=summary.successful_essay_ids,
        failed=summary.failed_essay_ids,
        at=at,
        essays=summary.total_essays,
    )


def _batch_report(
    batch_id: BatchId,
    *,
    phase: PhaseName,
    status: BatchStatus,
    succeeded: Collection[str],
    failed: Collection[str],
    at: datetime,
    essays: int | None = None,
) -> Report:
    if both := set(succeeded) & set(failed):
        raise InvalidRequest(f"essays are named as succeeded and as failed: {', '.join(sorted(both))}")
    outcomes = {
        **dict.fromkeys(succeeded, EssayOutcome.SUCCEEDED),
        **dict.fromkeys(failed, EssayOutcome.FAILED),
    }
    return Report(
        phase=PhaseReport(
            batch_id=batch_id,
            phase=phase,
            stage=stage_of(status),
            with_failures=status == BatchStatus.COMPLETED_WITH_FAILURES,
            essays=len(outcomes) if essays is None else essays,
            reported_at=at,
        ),
        essays=tuple(
            EssayReport(batch_id=batch_id, phase=phase, essay_id=essay_id, outcome=outcome, reported_at=at)
            for essay_id, outcome in outcomes.items()
        ),
    )


def _spelling(spelling: SpellcheckPhaseCompletedV1, *, at: datetime) -> Report:
    if spelling.status not in _SPELLINGS:
        raise InvalidRequest(
            f"status {spelling.status} is not an outcome of an essay: send one of {', '.join(_SPELLINGS)}"
        )
    essay = EssayReport(
        batch_id=BatchId(spelling.batch_id),
        phase=PhaseName.SPELLCHECK,
        essay_id=spelling.entity_id,
        outcome=_SPELLINGS[spelling.status],
        reported_at=at,
    )
    return Report(phase=None, essays=(essay,))
