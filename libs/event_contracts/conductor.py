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
from event_contracts.fields import (
    MAX_ESSAYS_PER_BATCH,
    Count,
    Flag,
    Identifier,
    JsonObject,
    Name,
    Text,
    UtcDatetime,
)

PipelineLabel = Annotated[Name, Field(max_length=100)]
"""The name of a pipeline; which ones there are is a matter of the conductor's rules."""

_MAX_GATES = 16


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


class GateVerdict(StrEnum):
    """What a gate says: the batch may pass, it may not, or the fact is currently unavailable."""

    OPEN = "open"
    BLOCKED = "blocked"
    NOT_EVALUATED = "not_evaluated"


class PhaseOutcome(StrEnum):
    """How a phase ended."""

    COMPLETED_SUCCESSFULLY = "completed_successfully"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    FAILED = "failed"


class PipelineRequest(WireModel):
    """POST /internal/v1/pipelines/define and /internal/v1/pipelines/validate."""

    batch_id: Identifier
    requested_pipeline: PipelineLabel
    correlation_id: Annotated[Name, Field(max_length=100)]
    batch_metadata: JsonObject | None = None


class PlannedPhase(WireModel):
    """A phase that is still to be run: who runs it, on which event, and whose results it reads."""

    phase_name: PhaseName
    service_name: Name
    event_type: Name
    event_data_model: Name
    depends_on: Annotated[tuple[PhaseName, ...], Field(max_length=len(PhaseName))]


class SkippedPhase(WireModel):
    """A phase that is not run again, and why."""

    phase_name: PhaseName
    reason: Name


class GateReport(WireModel):
    """What one gate says about a batch, and what would open it; `phases` stand behind it."""

    gate: Name
    verdict: GateVerdict
    phases: Annotated[tuple[PhaseName, ...], Field(max_length=len(PhaseName))]
    reason: Text = ""
    what_to_do: Text = ""


class PipelineDetails(WireModel):
    """What an answer consists of; `plan_id` is the same for the same question with the same state."""

    plan_id: UUID
    requested_pipeline: PipelineLabel
    phases: Annotated[tuple[PlannedPhase, ...], Field(max_length=len(PhaseName))]
    skipped_phases: Annotated[tuple[SkippedPhase, ...], Field(max_length=len(PhaseName))]
    excluded_essay_ids: EssayIds
    gates: Annotated[tuple[GateReport, ...], Field(max_length=_MAX_GATES)]


class PipelineResolution(WireModel):
    """The phases that a batch still has to go through, in order, and why these."""

    batch_id: Identifier
    final_pipeline: Annotated[tuple[PhaseName, ...], Field(max_length=len(PhaseName))]
    analysis_summary: Text
    details: PipelineDetails | None = None


class PipelineValidation(WireModel):
    """What `define` would answer now; asking plans, announces and keeps nothing."""

    batch_id: Identifier
    valid: Flag
    final_pipeline: Annotated[tuple[PhaseName, ...], Field(max_length=len(PhaseName))]
    analysis_summary: Text
    details: PipelineDetails


class PhaseCompletion(WireModel):
    """POST /internal/v1/phases/complete: a phase ended now, or at `completed_at`."""

    batch_id: Identifier
    phase_name: PhaseName
    success: Flag
    completed_at: UtcDatetime | None = None


class PhaseProgress(WireModel):
    """One phase of a batch, counted in essays; `expected` is null while it is not known."""

    phase_name: PhaseName
    status: ProcessingStage
    outcome: PhaseOutcome | None = None
    expected: Count | None = None
    succeeded: Count = 0
    failed: Count = 0
    skipped: Count = 0
    failed_essay_ids: EssayIds = ()
    skipped_essay_ids: EssayIds = ()
    updated_at: UtcDatetime | None = None


class BatchPhases(WireModel):
    """GET /internal/v1/batches/{id}/phases."""

    batch_id: Identifier
    phases: Annotated[tuple[PhaseProgress, ...], Field(max_length=len(PhaseName))]
