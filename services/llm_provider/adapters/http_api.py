"""The service's HTTP routes for requests to judge."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from event_contracts import (
    ComparisonAccepted,
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    ComparisonItemAnswer,
    ComparisonRequest,
    ErrorBody,
    RequestStatus,
)
from quart import Blueprint, request
from quart_schema import document_request, document_response, validate_request, validate_response
from service_kit.http.app import json_body

from llm_provider.domain.requests.request import QueueId

IDEMPOTENCY_HEADER = "Idempotency-Key"


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    accept_one: Callable[[ComparisonBatchItem], Awaitable[ComparisonAccepted]]
    accept_many: Callable[[Sequence[ComparisonBatchItem]], Awaitable[Sequence[ComparisonItemAnswer]]]
    read: Callable[[QueueId], Awaitable[RequestStatus]]
    cancel: Callable[[QueueId], Awaitable[RequestStatus]]


def comparisons_api(actions: Actions) -> Blueprint:
    """Requests to judge, and their state."""
    blueprint = Blueprint("comparisons", __name__, url_prefix="/api/v1")

    @blueprint.post("/comparison")
    @validate_request(ComparisonRequest)
    @validate_response(ComparisonAccepted, 202)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    async def accept_one(data: ComparisonRequest) -> tuple[ComparisonAccepted, int]:
        """Queue one comparison; the result comes as one callback."""
        key = request.headers.get(IDEMPOTENCY_HEADER)
        item = ComparisonBatchItem.model_validate({**dict(data), "idempotency_key": key})
        return await actions.accept_one(item), 202

    @blueprint.post("/comparisons")
    @document_request(ComparisonBatchRequest)
    @validate_response(ComparisonBatchAnswer, 202)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    async def accept_many() -> tuple[ComparisonBatchAnswer, int]:
        """Queue up to 500 comparisons; each is answered for itself."""
        asked = await json_body(ComparisonBatchRequest)
        return ComparisonBatchAnswer(items=tuple(await actions.accept_many(asked.comparisons))), 202

    @blueprint.get("/requests/<uuid:queue_id>")
    @validate_response(RequestStatus)
    @document_response(ErrorBody, 404)
    async def read(queue_id: UUID) -> RequestStatus:
        """The state of a request and, once it has ended, its result."""
        return await actions.read(QueueId(queue_id))

    @blueprint.post("/requests/<uuid:queue_id>/cancel")
    @validate_response(RequestStatus)
    @document_response(ErrorBody, 404)
    async def cancel(queue_id: UUID) -> RequestStatus:
        """Take a request back: it ends with an error callback; one that has ended stays as it is."""
        return await actions.cancel(QueueId(queue_id))

    return blueprint
