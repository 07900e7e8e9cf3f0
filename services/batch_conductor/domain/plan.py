"""A plan: one call's question, its answer, and how both go onto the wire."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from event_contracts import (
    EventEnvelope,
    GateReport,
    GateVerdict,
    JsonObject,
    PhaseName,
    PhaseSkippedV1,
    PipelineDetails,
    PipelineRequest,
    PipelineResolution,
    PipelineValidation,
    PlannedPhase,
    ProcessingStage,
    SkippedPhase,
    SourceService,
    SystemProcessingMetadata,
)

from batch_conductor.domain.errors import GatesNotEvaluated, PipelineBlocked
from batch_conductor.domain.gates import GateResult
from batch_conductor.domain.phases import BatchRecord
from batch_conductor.domain.pipeline import BatchId, Pipeline, PipelineRules, Step

ENTITY_TYPE: Final = "batch"
SKIP_REASON: Final = "already_completed"
_CORRELATIONS: Final = UUID("c1c29cc1-9a5e-4d0e-8a56-4e0b4b4d9a1f")
_PLANS: Final = UUID("5b1d0a44-0f6b-4d0c-9a0a-6a2f6e3d8c17")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked about a batch and what the answer is; a plan whose gates are not all open must not be run.

    ``plan_id`` is the same for the same question and answer.
    """

    plan_id: UUID
    request: PipelineRequest
    pipeline: Pipeline
    steps: tuple[Step, ...]
    gates: tuple[GateResult, ...]
    excluded_essay_ids: tuple[str, ...]
    essay_count: int | None = None
    """How many essays the caller says the batch has."""

    @property
    def batch_id(self) -> BatchId:
        """The batch concerned."""
        return BatchId(self.request.batch_id)

    @property
    def correlation_id(self) -> UUID:
        """The caller's correlation id, as events carry it."""
        return event_correlation_id(self.request.correlation_id)

    @property
    def blocked(self) -> tuple[GateResult, ...]:
        """The gates that keep the batch out."""
        return tuple(gate for gate in self.gates if gate.verdict == GateVerdict.BLOCKED)

    @property
    def unknown(self) -> tuple[GateResult, ...]:
        """The gates that could not be evaluated."""
        return tuple(gate for gate in self.gates if gate.verdict == GateVerdict.NOT_EVALUATED)

    def resolution(self) -> PipelineResolution:
        """The answer to a caller whose batch may continue."""
        return PipelineResolution(
            batch_id=self.batch_id,
            final_pipeline=self.pipeline.phases,
            analysis_summary=self._summary(),
            details=self._details(),
        )

    def validation(self) -> PipelineValidation:
        """The answer to a caller who only wants to know."""
        return PipelineValidation(
            batch_id=self.batch_id,
            valid=not self.blocked and not self.unknown,
            final_pipeline=self.pipeline.phases,
            analysis_summary=self._summary(),
            details=self._details(),
        )

    def refusal(self) -> PipelineBlocked | GatesNotEvaluated | None:
        """The error that a plan with a gate that is not open is answered with; what blocks comes first."""
        refusing = self.blocked or self.unknown
        if not refusing:
            return None
        first = refusing[0]
        message = f"{self.pipeline.requested}: " + "; ".join(
            f"{gate.gate}: {gate.reason}: {gate.what_to_do}" for gate in refusing
        )
        details: JsonObject = {
            "gate": str(first.gate),
            "reason": first.reason,
            "what_to_do": first.what_to_do,
            "gates": [
                report.model_dump(mode="json") for report in map(_report, (*self.blocked, *self.unknown))
            ],
        }
        if self.blocked:
            return PipelineBlocked(message, details=details)
        return GatesNotEvaluated(
            message, retry_after=max(gate.retry_after for gate in self.unknown), details=details
        )

    def _summary(self) -> str:
        left = ", ".join(self.pipeline.phases)
        done = ", ".join(self.pipeline.skipped)
        parts = [f"to run, in this order: {left}" if left else "nothing left to do"]
        if done:
            parts.append(f"completed already: {done}")
        if self.excluded_essay_ids:
            parts.append(f"essays excluded because they failed: {len(self.excluded_essay_ids)}")
        parts += [f"{gate.gate} is {gate.verdict}: {gate.reason}" for gate in (*self.blocked, *self.unknown)]
        return f"{self.pipeline.requested}: {'; '.join(parts)}"

    def _details(self) -> PipelineDetails:
        return PipelineDetails(
            plan_id=self.plan_id,
            requested_pipeline=self.pipeline.requested,
            phases=tuple(_planned(step) for step in self.steps),
            skipped_phases=tuple(
                SkippedPhase(phase_name=phase, reason=SKIP_REASON) for phase in self.pipeline.skipped
            ),
            excluded_essay_ids=self.excluded_essay_ids,
            gates=tuple(map(_report, self.gates)),
        )


def make_plan(
    request: PipelineRequest,
    pipeline: Pipeline,
    *,
    batch: BatchRecord,
    rules: PipelineRules,
    gates: Sequence[GateResult],
    essay_count: int | None = None,
) -> Plan:
    """The answer to a call; essays that failed in a phase that is completed are excluded from what is left."""
    excluded = {
        essay_id
        for phase in pipeline.skipped
        if phase in batch.phases
        for essay_id in batch.phases[phase].failed_essay_ids
    }
    excluded_essay_ids = tuple(sorted(excluded)) if pipeline.phases else ()
    asked = (request.batch_id, pipeline.requested, request.batch_metadata)
    answered = (
        pipeline.phases,
        pipeline.skipped,
        excluded_essay_ids,
        [(one.gate, one.verdict) for one in gates],
    )
    return Plan(
        plan_id=uuid5(_PLANS, json.dumps((asked, answered), sort_keys=True)),
        request=request,
        pipeline=pipeline,
        steps=tuple(rules.steps[phase] for phase in pipeline.phases),
        gates=tuple(gates),
        excluded_essay_ids=excluded_essay_ids,
        essay_count=essay_count,
    )


def _planned(step: Step) -> PlannedPhase:
    return PlannedPhase(
        phase_name=step.name,
        service_name=step.service_name,
        event_type=step.event_type,
        event_data_model=step.event_data_model,
        depends_on=step.depends_on,
    )


def _report(gate: GateResult) -> GateReport:
    return GateReport(
        gate=gate.gate,
        verdict=gate.verdict,
        phases=gate.phases,
        reason=gate.reason,
        what_to_do=gate.what_to_do,
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
