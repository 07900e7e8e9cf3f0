"""A plan: one call's question, its answer, and how both go onto the wire."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from event_contracts import (
    EventEnvelope,
    PhaseName,
    PhaseSkippedV1,
    PipelineRequest,
    PipelineResolution,
    ProcessingStage,
    SourceService,
    SystemProcessingMetadata,
)

from batch_conductor.domain.errors import PipelineBlocked
from batch_conductor.domain.gates import BatchFacts, Gate, Obstacle
from batch_conductor.domain.pipeline import BatchId, Pipeline

ENTITY_TYPE: Final = "batch"
SKIP_REASON: Final = "already_completed"
_CORRELATIONS: Final = UUID("c1c29cc1-9a5e-4d0e-8a56-4e0b4b4d9a1f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked about a batch and what the answer is; a plan with obstacles must not be run."""

    request: PipelineRequest
    pipeline: Pipeline
    obstacles: tuple[Obstacle, ...]

    @property
    def batch_id(self) -> BatchId:
        """The batch concerned."""
        return BatchId(self.request.batch_id)

    @property
    def correlation_id(self) -> UUID:
        """The caller's correlation id, as events carry it."""
        return event_correlation_id(self.request.correlation_id)

    def resolution(self) -> PipelineResolution:
        """The answer to the caller."""
        return PipelineResolution(
            batch_id=self.batch_id,
            final_pipeline=self.pipeline.phases,
            analysis_summary={
                "requested_pipeline": self.pipeline.requested,
                "needs": {phase: list(needs) for phase, needs in self.pipeline.needs.items()},
                "skipped_phases": [
                    {"phase_name": phase, "reason": SKIP_REASON} for phase in self.pipeline.skipped
                ],
            },
        )

    def blocked(self) -> PipelineBlocked:
        """The error that a plan with obstacles is answered with."""
        reasons = "; ".join(
            f"{obstacle.phase}: {obstacle.reason}; {obstacle.remedy}" for obstacle in self.obstacles
        )
        return PipelineBlocked(
            f"{self.request.requested_pipeline} is blocked: {reasons}",
            details={"obstacles": [asdict(obstacle) for obstacle in self.obstacles]},
        )


def make_plan(
    request: PipelineRequest, pipeline: Pipeline, *, facts: BatchFacts, gates: Sequence[Gate]
) -> Plan:
    """Ask every gate, so that a caller learns of all obstacles at once."""
    found = (gate(pipeline, facts) for gate in gates)
    return Plan(
        request=request,
        pipeline=pipeline,
        obstacles=tuple(obstacle for obstacle in found if obstacle is not None),
    )


def event_correlation_id(correlation_id: str) -> UUID:
    """The same UUID for the same string: HTTP callers may correlate by any string, events only by a UUID."""
    try:
        return UUID(correlation_id)
    except ValueError:
        return uuid5(_CORRELATIONS, correlation_id)


def skipped_event(plan: Plan, phase: PhaseName, *, now: datetime) -> EventEnvelope[PhaseSkippedV1]:
    """A phase of the plan is left out: its result is there."""
    data = PhaseSkippedV1(
        batch_id=plan.batch_id,
        phase_name=phase,
        skip_reason=SKIP_REASON,
        correlation_id=plan.correlation_id,
        metadata=SystemProcessingMetadata(
            entity_id=plan.batch_id,
            entity_type=ENTITY_TYPE,
            timestamp=now,
            processing_stage=ProcessingStage.COMPLETED,
        ),
    )
    return EventEnvelope.wrap(
        data,
        source_service=SourceService.BATCH_CONDUCTOR,
        correlation_id=plan.correlation_id,
        event_timestamp=now,
    )
