"""The service's HTTP routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from event_contracts import BatchPhases, ErrorBody, PipelineRequest, PipelineResolution
from quart import Blueprint
from quart_schema import document_response, validate_request, validate_response

from batch_conductor.adapters.batch_metadata import read_facts
from batch_conductor.domain.gates import BatchFacts
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan


class Define(Protocol):
    """Defines a pipeline."""

    def __call__(self, request: PipelineRequest, *, facts: BatchFacts) -> Awaitable[Plan]: ...


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    define: Define
    phases: Callable[[BatchId], Awaitable[BatchPhases]]


def pipelines_api(actions: Actions) -> Blueprint:
    """Pipelines, and where a batch is."""
    blueprint = Blueprint("pipelines", __name__, url_prefix="/internal/v1")

    @blueprint.post("/pipelines/define")
    @validate_request(PipelineRequest)
    @validate_response(PipelineResolution)
    @document_response(ErrorBody, 409)
    @document_response(ErrorBody, 422)
    async def define(data: PipelineRequest) -> PipelineResolution:
        """The phases that a batch still has to go through; 409 says what it lacks."""
        plan = await actions.define(data, facts=read_facts(data.batch_metadata))
        return plan.resolution()

    @blueprint.get("/batches/<batch_id>/phases")
    @validate_response(BatchPhases)
    @document_response(ErrorBody, 404)
    async def phases(batch_id: str) -> BatchPhases:
        """Every phase of a batch that is planned or reported, counted in essays."""
        return await actions.phases(BatchId(batch_id))

    return blueprint
