"""The service's HTTP routes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from event_contracts import (
    COMPARISON_COLUMNS,
    FINAL_STATES,
    AnchorRegistration,
    AnchorView,
    AssessmentAccepted,
    AssignmentAnchors,
    BatchResultsView,
    BatchStatusView,
    ComparisonPage,
    ContentStored,
    ELS_CJAssessmentRequestV1,
    ErrorBody,
    EventEnvelope,
    LLMComparisonResultV1,
    comparison_row,
    csv_text,
    parse_envelope,
)
from pydantic import BaseModel
from quart import Blueprint, Response, request
from quart_schema import (
    document_request,
    document_response,
    validate_querystring,
    validate_request,
    validate_response,
)
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.http.app import request_body

from cj_assessment.domain.batch import Anchor, BatchId, BatchRecord, RequestEnvelope

CSV_PAGE = 1000
EVENTS_EVERY_SECONDS = 0.5
"""Least time between two looks at a batch for one reader of its events."""
EVENTS_FALLBACK_SECONDS = 5.0
"""Most time between two: another replica may have changed the batch."""
COMMENT_AFTER_SECONDS = 15.0

HandleResults = Callable[[Sequence[EventEnvelope[LLMComparisonResultV1]]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    accept: Callable[[RequestEnvelope], Awaitable[BatchRecord]]
    cancel: Callable[[BatchId], Awaitable[BatchRecord]]
    status: Callable[[BatchId], Awaitable[BatchStatusView]]
    results: Callable[[BatchId], Awaitable[BatchResultsView]]
    comparisons: Callable[..., Awaitable[ComparisonPage]]
    changed: Callable[[float], Awaitable[None]]
    record_results: HandleResults
    store_content: Callable[[bytes], Awaitable[str]]
    read_content: Callable[[str], Awaitable[bytes]]
    register_anchor: Callable[[AnchorRegistration], Awaitable[Anchor]]
    list_anchors: Callable[[str], Awaitable[tuple[Anchor, ...]]]


class PageQuery(BaseModel):
    """Which page of a list."""

    cursor: str | None = None
    limit: int = 200


def assessments_api(actions: Actions) -> Blueprint:
    """Assessments and batches."""
    blueprint = Blueprint("assessments", __name__, url_prefix="/api/v1")

    @blueprint.post("/assessments")
    @validate_request(EventEnvelope[ELS_CJAssessmentRequestV1])
    @validate_response(AssessmentAccepted, 202)
    @document_response(ErrorBody, 409)
    @document_response(ErrorBody, 422)
    async def accept(data: RequestEnvelope) -> tuple[AssessmentAccepted, int]:
        """Assess a batch of essays: the same envelope as on the request topic."""
        batch = await actions.accept(data)
        return AssessmentAccepted(batch_id=batch.batch_id, cj_assessment_job_id=str(batch.job_id)), 202

    @blueprint.get("/batches/<batch_id>")
    @validate_response(BatchStatusView)
    @document_response(ErrorBody, 404)
    async def status(batch_id: str) -> BatchStatusView:
        """State, progress, cost and reliability so far."""
        return await actions.status(BatchId(batch_id))

    @blueprint.get("/batches/<batch_id>/results")
    @validate_response(BatchResultsView)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 409)
    async def results(batch_id: str) -> BatchResultsView:
        """The published ranking and grades; 409 while there are none."""
        return await actions.results(BatchId(batch_id))

    @blueprint.get("/batches/<batch_id>/comparisons")
    @validate_querystring(PageQuery)
    @validate_response(ComparisonPage)
    @document_response(ErrorBody, 404)
    async def comparisons(batch_id: str, query_args: PageQuery) -> ComparisonPage:
        """Every comparison of a batch, in the order they were planned."""
        return await actions.comparisons(BatchId(batch_id), cursor=query_args.cursor, limit=query_args.limit)

    @blueprint.get("/batches/<batch_id>/comparisons.csv")
    @document_response(ErrorBody, 404)
    async def comparisons_csv(batch_id: str) -> Response:
        """Every comparison of a batch as a CSV file, which `cj-run analyse` and spreadsheet programs read."""
        first = await actions.comparisons(BatchId(batch_id), cursor=None, limit=CSV_PAGE)
        return Response(_csv_pages(actions, first), content_type="text/csv; charset=utf-8")

    @blueprint.get("/batches/<batch_id>/events")
    @document_response(ErrorBody, 404)
    async def events(batch_id: str) -> Response:
        """Server-sent events: `progress` with the batch's status whenever it has changed, until it is final."""
        first = await actions.status(BatchId(batch_id))
        response = Response(_progress_events(actions, first), content_type="text/event-stream")
        response.timeout = None  # as long as the batch takes
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.post("/batches/<batch_id>/cancel")
    @validate_response(AssessmentAccepted, 202)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 409)
    async def cancel(batch_id: str) -> tuple[AssessmentAccepted, int]:
        """Stop judging; nothing is published."""
        batch = await actions.cancel(BatchId(batch_id))
        return AssessmentAccepted(batch_id=batch.batch_id, cj_assessment_job_id=str(batch.job_id)), 202

    return blueprint


async def _csv_pages(actions: Actions, page: ComparisonPage) -> AsyncIterator[str]:
    yield csv_text([COMPARISON_COLUMNS])
    while True:
        yield csv_text(comparison_row(view) for view in page.items)
        if page.next_cursor is None:
            return
        page = await actions.comparisons(BatchId(page.batch_id), cursor=page.next_cursor, limit=CSV_PAGE)


async def _progress_events(actions: Actions, status: BatchStatusView) -> AsyncIterator[str]:
    """A comment is sent while nothing changes, so that the reader knows that the connection is open."""
    yield _progress_event(status)
    silent_since = monotonic()
    while status.state not in FINAL_STATES:
        await actions.changed(EVENTS_FALLBACK_SECONDS)
        await asyncio.sleep(EVENTS_EVERY_SECONDS)
        newest = await actions.status(BatchId(status.batch_id))
        if newest != status:
            yield _progress_event(newest)
        elif monotonic() - silent_since >= COMMENT_AFTER_SECONDS:
            yield ": still there\n\n"
        else:
            continue
        status, silent_since = newest, monotonic()


def _progress_event(status: BatchStatusView) -> str:
    return f"event: progress\ndata: {status.model_dump_json()}\n\n"


def anchors_api(actions: Actions) -> Blueprint:
    """Anchor essays of an assignment."""
    blueprint = Blueprint("anchors", __name__, url_prefix="/api/v1/anchors")

    @blueprint.post("/register")
    @validate_request(AnchorRegistration)
    @validate_response(AnchorView, 201)
    @document_response(ErrorBody, 422)
    async def register(data: AnchorRegistration) -> tuple[AnchorView, int]:
        """Register an essay with a known grade, or replace the one of that label."""
        anchor = await actions.register_anchor(data)
        return _anchor_view(anchor, data.assignment_id), 201

    @blueprint.get("/assignment/<assignment_id>")
    @validate_response(AssignmentAnchors)
    async def of_assignment(assignment_id: str) -> AssignmentAnchors:
        """The anchors of an assignment, by label."""
        anchors = await actions.list_anchors(assignment_id)
        views = tuple(_anchor_view(anchor, assignment_id) for anchor in anchors)
        return AssignmentAnchors(assignment_id=assignment_id, anchors=views)

    return blueprint


def content_api(actions: Actions) -> Blueprint:
    """Texts, content-addressed."""
    blueprint = Blueprint("content", __name__, url_prefix="/v1/content")

    @blueprint.post("")
    @validate_response(ContentStored, 201)
    @document_response(ErrorBody, 422)
    async def store() -> tuple[ContentStored, int]:
        """Keep the body (text/plain or octet-stream); the same bytes have the same id."""
        return ContentStored(storage_id=await actions.store_content(await request_body())), 201

    @blueprint.get("/<storage_id>")
    @document_response(ErrorBody, 404)
    async def read(storage_id: str) -> Response:
        """The bytes as they were posted."""
        return Response(await actions.read_content(storage_id), content_type="application/octet-stream")

    return blueprint


def callbacks_api(actions: Actions, *, signer: WebhookSigner) -> Blueprint:
    """Where the LLM Provider posts results when they do not come over the bus."""
    blueprint = Blueprint("callbacks", __name__, url_prefix="/api/v1/callbacks")

    @blueprint.post("/comparison-results")
    @document_request(EventEnvelope[LLMComparisonResultV1])
    @document_response(ErrorBody, 401)
    @document_response(ErrorBody, 422)
    async def comparison_results() -> tuple[dict[str, Any], int]:
        """One result, signed as the Standard Webhooks specification says; a repeat changes nothing."""
        body = await request_body()
        signer.verify(dict(request.headers), body)
        await actions.record_results([parse_envelope(body, LLMComparisonResultV1)])
        return {}, 202

    return blueprint


def _anchor_view(anchor: Anchor, assignment_id: str) -> AnchorView:
    assert anchor.created_at is not None, "a stored anchor has its time"
    return AnchorView(
        anchor_id=str(anchor.number),
        assignment_id=assignment_id,
        anchor_label=anchor.label,
        grade=anchor.grade,
        grade_scale=anchor.grade_scale,
        text_storage_id=anchor.text_storage_id,
        created_at=anchor.created_at,
    )
