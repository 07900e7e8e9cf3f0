"""The service's HTTP routes for requests to judge a pair of essays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from event_contracts import (
    MAX_COMPARISONS_PER_SUBMISSION,
    MAX_SUBMISSION_BYTES,
    ComparisonAccepted,
    ComparisonBatchAnswer,
    ComparisonBatchItem,
    ComparisonBatchRequest,
    ComparisonItemAnswer,
    ComparisonRequest,
    ErrorBody,
    InvalidRequest,
    RequestStatus,
    WireModel,
)
from pydantic import Field, ValidationError
from quart import Blueprint, request
from quart_schema import document_request, document_response
from service_kit.http.app import correlation_id
from service_kit.http.bodies import answers, json_body, max_body_bytes, takes
from service_kit.http.permissions import Permission, requires
from service_kit.tracing import current_trace

from llm_provider.domain.requests.request import SERVICE, QueueId

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
MAX_COMPARISON_BYTES: Final = 8 * 1024 * 1024
"""Of one comparison: two essays, each of them twice and in JSON's longest spelling, and the longest instructions."""

ITEMS_PER_STEP: Final = 20
"""Items that are validated before other requests get their turn."""


class _Submission(WireModel):
    """The body of a call that brings several comparisons, before each of them is checked."""

    comparisons: Annotated[tuple[Any, ...], Field(min_length=1, max_length=MAX_COMPARISONS_PER_SUBMISSION)]


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    accept_one: Callable[[ComparisonBatchItem], Awaitable[ComparisonAccepted]]
    accept_many: Callable[[Sequence[ComparisonBatchItem]], Awaitable[Sequence[ComparisonItemAnswer]]]
    read: Callable[[QueueId], Awaitable[RequestStatus]]
    cancel: Callable[[QueueId], Awaitable[RequestStatus]]


def comparisons_api(actions: Actions) -> Blueprint:
    """The routes: submit comparisons, read and cancel requests."""
    blueprint = Blueprint("comparisons", __name__, url_prefix="/api/v1")

    @blueprint.post("/comparison")
    @takes(ComparisonRequest, max_bytes=MAX_COMPARISON_BYTES)
    @answers(ComparisonAccepted, 202)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    @requires(Permission.JUDGE)
    async def accept_one(data: ComparisonRequest) -> ComparisonAccepted:
        """Queue one comparison; the result comes as one callback."""
        key = request.headers.get(IDEMPOTENCY_HEADER)
        return await actions.accept_one(_item({**dict(data), "idempotency_key": key}))

    @blueprint.post("/comparisons")
    @document_request(ComparisonBatchRequest)
    @max_body_bytes(MAX_SUBMISSION_BYTES)
    @answers(ComparisonBatchAnswer, 202)
    @document_response(ErrorBody, 422)
    @document_response(ErrorBody, 503)
    @requires(Permission.JUDGE)
    async def accept_many() -> ComparisonBatchAnswer:
        """Queue up to 500 comparisons; each has its own answer, even if another one is invalid."""
        asked = [_item_or_error(raw) async for raw in _in_steps(await json_body(_Submission))]
        items = [item for item in asked if isinstance(item, ComparisonBatchItem)]
        accepted = iter(await actions.accept_many(items) if items else ())
        return ComparisonBatchAnswer(
            items=tuple(next(accepted) if isinstance(item, ComparisonBatchItem) else item for item in asked)
        )

    @blueprint.get("/requests/<uuid:queue_id>")
    @answers(RequestStatus)
    @document_response(ErrorBody, 404)
    @requires(Permission.READ, Permission.JUDGE)
    async def read(queue_id: UUID) -> RequestStatus:
        """The state of a request and, once it has ended, its result."""
        return await actions.read(QueueId(queue_id))

    @blueprint.post("/requests/<uuid:queue_id>/cancel")
    @answers(RequestStatus)
    @document_response(ErrorBody, 404)
    @requires(Permission.JUDGE, Permission.OPERATE)
    async def cancel(queue_id: UUID) -> RequestStatus:
        """Cancel a request: it ends with an error callback; one that has ended stays as it is."""
        return await actions.cancel(QueueId(queue_id))

    return blueprint


async def _in_steps(calls: _Submission) -> AsyncIterator[Any]:
    for index, raw in enumerate(calls.comparisons):
        if index % ITEMS_PER_STEP == 0:
            await asyncio.sleep(0)
        yield raw


def _item_or_error(raw: Any) -> ComparisonBatchItem | ComparisonItemAnswer:
    try:
        return _item(raw)
    except InvalidRequest as error:
        operation = f"{request.method} {request.path}"
        detail = error.detail(service=SERVICE, operation=operation, correlation_id=_correlation_id(raw))
        return ComparisonItemAnswer(error=detail)


def _item(raw: Any) -> ComparisonBatchItem:
    try:
        item = ComparisonBatchItem.model_validate(raw)
    except ValidationError as error:
        raise InvalidRequest.of(error) from error
    trace = current_trace()
    return item if trace is None or item.trace is not None else item.model_copy(update=trace.fields())


def _correlation_id(raw: Any) -> UUID:
    """The item's own where it can be read, else that of the whole call."""
    try:
        return UUID(raw["correlation_id"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return correlation_id()
