"""The service's HTTP routes: pipelines, and which phases a batch has gone through."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from event_contracts import BatchPhases, ErrorBody, PipelineRequest, PipelineResolution
from quart import Blueprint
from quart_schema import document_response
from service_kit.http.bodies import answers, takes
from service_kit.http.permissions import Permission, requires

from batch_conductor.adapters.batch_metadata import read_facts
from batch_conductor.domain.gates import BatchFacts
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan

MAX_REQUEST_BYTES: Final = 1024 * 1024
"""Most of it is the batch's metadata, which is kept."""


class Define(Protocol):
    """Defines a pipeline."""

    def __call__(self, request: PipelineRequest, *, facts: BatchFacts) -> Awaitable[Plan]: ...


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    define: Define
    phases: Callable[[BatchId], Awaitable[BatchPhases]]


def pipelines_api(actions: Actions) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("pipelines", __name__, url_prefix="/internal/v1")

    @blueprint.post("/pipelines/define")
    @takes(PipelineRequest, max_bytes=MAX_REQUEST_BYTES)
    @answers(PipelineResolution)
    @document_response(ErrorBody, 409)
    @document_response(ErrorBody, 422)
    @requires(Permission.PLAN)
    async def define(data: PipelineRequest) -> PipelineResolution:
        """The phases that a batch still has to go through; 409 says what it lacks."""
        plan = await actions.define(data, facts=read_facts(data.batch_metadata))
        return plan.resolution()

    @blueprint.get("/batches/<batch_id>/phases")
    @answers(BatchPhases)
    @document_response(ErrorBody, 404)
    @requires(Permission.READ)
    async def phases(batch_id: str) -> BatchPhases:
        """Every phase of a batch that is planned or reported, counted in essays."""
        return await actions.phases(BatchId(batch_id))

    return blueprint
