"""The service's HTTP routes: pipelines, and which phases a batch has gone through."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from event_contracts import (
    BatchPhases,
    ErrorBody,
    PhaseCompletion,
    PhaseProgress,
    PipelineRequest,
    PipelineResolution,
    PipelineValidation,
)
from quart import Blueprint
from quart_schema import document_response
from service_kit.http.bodies import answers, takes

from batch_conductor.adapters.batch_metadata import read_facts
from batch_conductor.domain.gates import BatchFacts
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan

MAX_REQUEST_BYTES: Final = 1024 * 1024
"""Most of it is the batch's metadata, which is kept."""


class MakePlan(Protocol):
    """Plans the way of a batch through a pipeline."""

    def __call__(self, request: PipelineRequest, *, facts: BatchFacts) -> Awaitable[Plan]: ...


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    define: MakePlan
    validate: MakePlan
    complete: Callable[[PhaseCompletion], Awaitable[PhaseProgress]]
    phases: Callable[[BatchId], Awaitable[BatchPhases]]


def pipelines_api(actions: Actions) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("pipelines", __name__, url_prefix="/internal/v1")

    @blueprint.post("/pipelines/define")
    @takes(PipelineRequest, max_bytes=MAX_REQUEST_BYTES)
    @answers(PipelineResolution)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    async def define(data: PipelineRequest) -> PipelineResolution:
        """The phases that a batch still has to go through; 422 says what it lacks, 503 what is not known now."""
        plan = await actions.define(data, facts=read_facts(data.batch_metadata))
        return plan.resolution()

    @blueprint.post("/pipelines/validate")
    @takes(PipelineRequest, max_bytes=MAX_REQUEST_BYTES)
    @answers(PipelineValidation)
    @document_response(ErrorBody, 422)
    async def validate(data: PipelineRequest) -> PipelineValidation:
        """What define would answer now, every gate included; nothing is kept or announced."""
        plan = await actions.validate(data, facts=read_facts(data.batch_metadata))
        return plan.validation()

    @blueprint.post("/phases/complete")
    @takes(PhaseCompletion)
    @answers(PhaseProgress)
    @document_response(ErrorBody, 422)
    async def complete(data: PhaseCompletion) -> PhaseProgress:
        """A phase of a batch has ended; the newest report of a phase counts."""
        return await actions.complete(data)

    @blueprint.get("/batches/<batch_id>/phases")
    @answers(BatchPhases)
    @document_response(ErrorBody, 404)
    async def phases(batch_id: str) -> BatchPhases:
        """Every phase of a batch that is planned or reported, counted in essays."""
        return await actions.phases(BatchId(batch_id))

    return blueprint
