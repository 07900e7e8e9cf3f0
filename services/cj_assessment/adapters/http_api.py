"""The service's HTTP routes: assessments and batches, anchors, content, and the callback for results."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Any, Final, Protocol

from event_contracts import (
    COMPARISON_COLUMNS,
    FINAL_STATES,
    MAX_COMPARISONS_PER_PAGE,
    MAX_INTEGER,
    MAX_PAGE_SIZE,
    AnchorRegistration,
    AnchorView,
    AssessmentAccepted,
    AssessmentState,
    AssignmentAnchors,
    BatchPage,
    BatchResultsView,
    BatchStatusView,
    ComparisonPage,
    ContentStored,
    ELS_CJAssessmentRequestV1,
    ErrorBody,
    EventEnvelope,
    InvalidRequest,
    LLMComparisonResultV1,
    comparison_row,
    csv_text,
    parse_envelope,
)
from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from quart import Blueprint, Response, request
from quart_schema import document_request, document_response, validate_querystring
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.http.bodies import answers, check_values, max_body_bytes, request_body, takes
from service_kit.http.error_answers import INVALID_JSON
from service_kit.http.permissions import Permission, caller, open_to_all, requires
from service_kit.tracing import in_current_trace

from cj_assessment.adapters.http_views import anchor_view
from cj_assessment.domain.assignments import StoredAnchor
from cj_assessment.domain.batch import BatchId, BatchRecord, RequestEnvelope
from cj_assessment.domain.contents import MAX_CONTENT_BYTES

CSV_PAGE: Final = MAX_COMPARISONS_PER_PAGE
MIN_EVENT_INTERVAL_SECONDS: Final = 0.5
"""Minimum time between two reads of a batch for one reader of its events."""
EVENTS_FALLBACK_SECONDS: Final = 5.0
"""Maximum time between two: another replica may have changed the batch."""
KEEPALIVE_SECONDS: Final = 15.0

MAX_ASSESSMENT_BYTES: Final = 8 * 1024 * 1024
"""Of one request: 5,000 essays with what a spellchecker says of each take under 3 MiB."""

MAX_CALLBACK_BYTES: Final = 4 * 1024 * 1024
CONTENT_TYPES: Final = ("text/plain", "application/octet-stream", "")

HandleResults = Callable[[Sequence[EventEnvelope[LLMComparisonResultV1]]], Awaitable[None]]


class RegistersAnchors(Protocol):
    """Registers an anchor in the name of ``by``."""

    def __call__(self, registration: AnchorRegistration, *, by: str) -> Awaitable[StoredAnchor]: ...


class ListsBatches(Protocol):
    """Gives one page of batches, the newest first."""

    def __call__(
        self, *, state: AssessmentState | None, cursor: str | None, limit: int
    ) -> Awaitable[BatchPage]: ...


class ListsComparisons(Protocol):
    """Gives one page of a batch's comparisons, in the order they were planned."""

    def __call__(
        self, batch_id: BatchId, /, *, cursor: str | None, limit: int
    ) -> Awaitable[ComparisonPage]: ...


def _fits(cursor: str) -> str:
    if int(cursor) > MAX_INTEGER:
        raise ValueError("must be the next_cursor from the previous page")
    return cursor


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the routes call."""

    accept: Callable[[RequestEnvelope], Awaitable[BatchRecord]]
    cancel: Callable[[BatchId], Awaitable[BatchRecord]]
    batches: ListsBatches
    status: Callable[[BatchId], Awaitable[BatchStatusView]]
    results: Callable[[BatchId], Awaitable[BatchResultsView]]
    comparisons: ListsComparisons
    changed: Callable[[float], Awaitable[None]]
    record_results: HandleResults
    store_content: Callable[[bytes], Awaitable[str]]
    read_content: Callable[[str], Awaitable[bytes]]
    register_anchor: RegistersAnchors
    list_anchors: Callable[[str], Awaitable[tuple[StoredAnchor, ...]]]


class PageQuery(BaseModel):
    """Which page of a list; `cursor` is the `next_cursor` from the previous page."""

    cursor: (
        Annotated[str, StringConstraints(max_length=20, pattern=r"^[0-9]+$"), AfterValidator(_fits)] | None
    ) = None
    limit: Annotated[int, Field(ge=1, le=MAX_COMPARISONS_PER_PAGE)] = 200


class BatchesQuery(BaseModel):
    """Which batches; `cursor` is the `next_cursor` from the previous page."""

    state: AssessmentState | None = None
    cursor: (
        Annotated[str, StringConstraints(max_length=60, pattern=r"^[0-9]{1,17}-[0-9a-f-]{36}$")] | None
    ) = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50


def assessments_api(actions: Actions) -> Blueprint:
    """The route that accepts batches."""
    blueprint = Blueprint("assessments", __name__, url_prefix="/api/v1/assessments")

    @blueprint.post("")
    @takes(EventEnvelope[ELS_CJAssessmentRequestV1], max_bytes=MAX_ASSESSMENT_BYTES)
    @answers(AssessmentAccepted, 202)
    @document_response(ErrorBody, 409)
    @document_response(ErrorBody, 422)
    @requires(Permission.ASSESS)
    async def accept(data: RequestEnvelope) -> AssessmentAccepted:
        """Assess a batch of essays: the same envelope as on the request topic."""
        batch = await actions.accept(in_current_trace(data))
        return AssessmentAccepted(batch_id=batch.batch_id, cj_assessment_job_id=str(batch.job_id))

    return blueprint


def batches_api(actions: Actions) -> Blueprint:
    """The routes of accepted batches."""
    blueprint = Blueprint("batches", __name__, url_prefix="/api/v1/batches")
    _add_states(blueprint, actions)
    _add_comparisons(blueprint, actions)
    _add_progress(blueprint, actions)
    return blueprint


def _add_states(blueprint: Blueprint, actions: Actions) -> None:
    @blueprint.get("")
    @validate_querystring(BatchesQuery)
    @answers(BatchPage)
    @requires(Permission.READ)
    async def page(query_args: BatchesQuery) -> BatchPage:
        """Batches, the newest first."""
        return await actions.batches(state=query_args.state, cursor=query_args.cursor, limit=query_args.limit)

    @blueprint.get("/<batch_id>")
    @answers(BatchStatusView)
    @document_response(ErrorBody, 404)
    @requires(Permission.READ)
    async def status(batch_id: str) -> BatchStatusView:
        """State, progress, cost and reliability so far."""
        return await actions.status(BatchId(batch_id))

    @blueprint.get("/<batch_id>/results")
    @answers(BatchResultsView)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 409)
    @requires(Permission.READ)
    async def results(batch_id: str) -> BatchResultsView:
        """The published ranking and grades; 409 while there are none."""
        return await actions.results(BatchId(batch_id))


def _add_comparisons(blueprint: Blueprint, actions: Actions) -> None:
    @blueprint.get("/<batch_id>/comparisons")
    @validate_querystring(PageQuery)
    @answers(ComparisonPage)
    @document_response(ErrorBody, 404)
    @requires(Permission.READ)
    async def comparisons(batch_id: str, query_args: PageQuery) -> ComparisonPage:
        """Every comparison of a batch, in the order they were planned."""
        return await actions.comparisons(BatchId(batch_id), cursor=query_args.cursor, limit=query_args.limit)

    @blueprint.get("/<batch_id>/comparisons.csv")
    @document_response(ErrorBody, 404)
    @requires(Permission.READ)
    async def comparisons_csv(batch_id: str) -> Response:
        """Every comparison of a batch as a CSV file, which `cj-run analyse` and spreadsheet programs read."""
        first = await actions.comparisons(BatchId(batch_id), cursor=None, limit=CSV_PAGE)
        return Response(_csv_pages(actions, first), content_type="text/csv; charset=utf-8")


def _add_progress(blueprint: Blueprint, actions: Actions) -> None:
    @blueprint.get("/<batch_id>/events")
    @document_response(ErrorBody, 404)
    @requires(Permission.READ)
    async def events(batch_id: str) -> Response:
        """Server-sent events: `progress` with the batch's status whenever it has changed, until it is final."""
        first = await actions.status(BatchId(batch_id))
        response = Response(_progress_events(actions, first), content_type="text/event-stream")
        response.timeout = None  # as long as the batch takes
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.post("/<batch_id>/cancel")
    @answers(AssessmentAccepted, 202)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 409)
    @requires(Permission.ASSESS, Permission.OPERATE)
    async def cancel(batch_id: str) -> AssessmentAccepted:
        """Stop judging; nothing is published."""
        batch = await actions.cancel(BatchId(batch_id))
        return AssessmentAccepted(batch_id=batch.batch_id, cj_assessment_job_id=str(batch.job_id))


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
        await asyncio.sleep(MIN_EVENT_INTERVAL_SECONDS)
        newest = await actions.status(BatchId(status.batch_id))
        if newest != status:
            yield _progress_event(newest)
        elif monotonic() - silent_since >= KEEPALIVE_SECONDS:
            yield ": no change\n\n"
        else:
            continue
        status, silent_since = newest, monotonic()


def _progress_event(status: BatchStatusView) -> str:
    return f"event: progress\ndata: {status.model_dump_json()}\n\n"


def anchors_api(actions: Actions) -> Blueprint:
    """The routes of an assignment's anchor essays."""
    blueprint = Blueprint("anchors", __name__, url_prefix="/api/v1/anchors")

    @blueprint.post("/register")
    @takes(AnchorRegistration, max_bytes=MAX_CONTENT_BYTES)
    @answers(AnchorView, 201)
    @document_response(ErrorBody, 422)
    @requires(Permission.ASSESS, Permission.ADMINISTER)
    async def register(data: AnchorRegistration) -> AnchorView:
        """Register an essay with a known grade, or replace the one of that label."""
        anchor = await actions.register_anchor(data, by=caller().subject)
        return anchor_view(anchor, data.assignment_id)

    @blueprint.get("/assignment/<assignment_id>")
    @answers(AssignmentAnchors)
    @requires(Permission.READ)
    async def for_assignment(assignment_id: str) -> AssignmentAnchors:
        """The anchors of an assignment, by label."""
        anchors = await actions.list_anchors(assignment_id)
        views = tuple(anchor_view(anchor, assignment_id) for anchor in anchors)
        return AssignmentAnchors(assignment_id=assignment_id, anchors=views)

    return blueprint


def content_api(actions: Actions) -> Blueprint:
    """The routes of content-addressed texts."""
    blueprint = Blueprint("content", __name__, url_prefix="/v1/content")

    @blueprint.post("")
    @answers(ContentStored, 201)
    @document_response(ErrorBody, 422)
    @max_body_bytes(MAX_CONTENT_BYTES)
    @requires(Permission.ASSESS)
    async def store() -> ContentStored:
        """Keep the body (text/plain or application/octet-stream); the same bytes have the same id."""
        _check_content_type(request.mimetype, request.mimetype_params.get("charset"))
        return ContentStored(storage_id=await actions.store_content(await request_body()))

    @blueprint.get("/<storage_id>")
    @document_response(ErrorBody, 404)
    @requires(Permission.READ)
    async def read(storage_id: str) -> Response:
        """The bytes as they were posted."""
        return Response(await actions.read_content(storage_id), content_type="application/octet-stream")

    return blueprint


def callbacks_api(actions: Actions, *, signer: WebhookSigner) -> Blueprint:
    """The route to which the LLM Provider posts results that do not come over the bus."""
    blueprint = Blueprint("callbacks", __name__, url_prefix="/api/v1/callbacks")

    @blueprint.post("/comparison-results")
    @document_request(EventEnvelope[LLMComparisonResultV1])
    @max_body_bytes(MAX_CALLBACK_BYTES)
    @document_response(ErrorBody, 401)
    @document_response(ErrorBody, 422)
    @open_to_all("the signature of the message is checked")
    async def comparison_results() -> tuple[dict[str, Any], int]:
        """One result, signed as the Standard Webhooks specification says; a repeat changes nothing."""
        body = await request_body()
        signer.verify(dict(request.headers), body)
        if not request.is_json:
            raise InvalidRequest(INVALID_JSON)
        check_values(body)
        await actions.record_results([parse_envelope(body, LLMComparisonResultV1)])
        return {}, 202

    return blueprint


def _check_content_type(mimetype: str, charset: str | None) -> None:
    if mimetype not in CONTENT_TYPES:
        raise InvalidRequest("the content-type must be text/plain or application/octet-stream")
    if charset is not None and charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise InvalidRequest("text must be UTF-8: convert it, or omit the charset")
