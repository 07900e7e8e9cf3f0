"""The Batch Conductor's contracts: phase outcomes that it hears of, and the pipelines that it defines."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from event_contracts.base import (
    BatchStatus,
    Count,
    EssayProcessingInputRefV1,
    Id,
    JsonObject,
    ProcessingStage,
    SystemProcessingMetadata,
    UtcDatetime,
    WireModel,
)


class PhaseName(StrEnum):
    """Phases that a batch can go through."""

    SPELLCHECK = "spellcheck"
    NLP = "nlp"
    CJ_ASSESSMENT = "cj_assessment"
    AI_FEEDBACK = "ai_feedback"
    STUDENT_MATCHING = "student_matching"


class ELSBatchPhaseOutcomeV1(WireModel):
    """A phase of a whole batch ended: which essays came through and which did not."""

    batch_id: Id
    phase_name: PhaseName
    phase_status: BatchStatus
    processed_essays: tuple[EssayProcessingInputRefV1, ...]
    failed_essay_ids: tuple[str, ...]
    correlation_id: UUID


class SpellcheckPhaseCompletedV1(WireModel):
    """One essay's spelling was checked, or could not be; `entity_id` is the essay id."""

    entity_id: Id
    batch_id: Id
    correlation_id: Id
    status: ProcessingStage
    corrected_text_storage_id: str | None = None
    error_code: str | None = None
    processing_duration_ms: Count
    timestamp: UtcDatetime


class PhaseSkippedV1(WireModel):
    """A phase was left out of a pipeline because its result is there already."""

    event: str = "batch.phase.skipped"
    batch_id: Id
    phase_name: PhaseName
    skip_reason: str = "already_completed"
    storage_id: str | None = None
    correlation_id: UUID
    metadata: SystemProcessingMetadata


class PipelineRequest(WireModel):
    """POST /internal/v1/pipelines/define."""

    batch_id: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    requested_pipeline: PhaseName
    correlation_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    batch_metadata: JsonObject | None = None


class PipelineResolution(WireModel):
    """The phases that a batch still has to go through, in order, and why these."""

    batch_id: Id
    final_pipeline: tuple[PhaseName, ...]
    analysis_summary: JsonObject = Field(default_factory=dict)


class PhaseProgress(WireModel):
    """One phase of a batch, counted in essays; `expected` is null while it is not known."""

    phase_name: PhaseName
    status: ProcessingStage
    expected: Count | None = None
    succeeded: Count = 0
    failed: Count = 0
    skipped: Count = 0
    updated_at: UtcDatetime | None = None


class BatchPhases(WireModel):
    """GET /internal/v1/batches/{id}/phases."""

    batch_id: Id
    phases: tuple[PhaseProgress, ...]
