"""The Batch Conductor's contracts: phase outcomes that it hears of, and the pipelines that it defines."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from event_contracts.base import (
    BatchStatus,
    EssayIds,
    EssayProcessingInputRefV1,
    ProcessingStage,
    SystemProcessingMetadata,
    WireModel,
)
from event_contracts.fields import MAX_ESSAYS_PER_BATCH, Count, Identifier, JsonObject, Name, UtcDatetime


class PhaseName(StrEnum):
    """Phases that a batch can go through."""

    SPELLCHECK = "spellcheck"
    NLP = "nlp"
    CJ_ASSESSMENT = "cj_assessment"
    AI_FEEDBACK = "ai_feedback"
    STUDENT_MATCHING = "student_matching"


class ELSBatchPhaseOutcomeV1(WireModel):
    """A phase of a whole batch ended: which essays came through and which did not."""

    batch_id: Identifier
    phase_name: PhaseName
    phase_status: BatchStatus
    processed_essays: Annotated[tuple[EssayProcessingInputRefV1, ...], Field(max_length=MAX_ESSAYS_PER_BATCH)]
    failed_essay_ids: EssayIds
    correlation_id: UUID


class SpellcheckPhaseCompletedV1(WireModel):
    """One essay's spelling was checked, or could not be; `entity_id` is the essay id."""

    entity_id: Identifier
    batch_id: Identifier
    correlation_id: Identifier
    status: ProcessingStage
    corrected_text_storage_id: Identifier | None = None
    error_code: Name | None = None
    processing_duration_ms: Count
    timestamp: UtcDatetime


class PhaseSkippedV1(WireModel):
    """A phase was left out of a pipeline because its result is there already."""

    event: Name = "batch.phase.skipped"
    batch_id: Identifier
    phase_name: PhaseName
    skip_reason: Name = "already_completed"
    storage_id: Identifier | None = None
    correlation_id: UUID
    metadata: SystemProcessingMetadata


class PipelineRequest(WireModel):
    """POST /internal/v1/pipelines/define."""

    batch_id: Identifier
    requested_pipeline: PhaseName
    correlation_id: Annotated[Name, Field(max_length=100)]
    batch_metadata: JsonObject | None = None


class PipelineResolution(WireModel):
    """The phases that a batch still has to go through, in order, and why these."""

    batch_id: Identifier
    final_pipeline: Annotated[tuple[PhaseName, ...], Field(max_length=len(PhaseName))]
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

    batch_id: Identifier
    phases: Annotated[tuple[PhaseProgress, ...], Field(max_length=len(PhaseName))]
