"""A small HTTP application, as every service has one, and its errors as a client reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from event_contracts import (
    Conflict,
    ErrorBody,
    ErrorDetail,
    Money,
    NotAuthenticated,
    NotFound,
    QueueFull,
    RateLimited,
    Unavailable,
    UtcDatetime,
    WireModel,
)
from quart import Blueprint, Quart
from quart_schema import document_request, validate_querystring
from service_kit.http.app import HttpService, correlation_id, create_app
from service_kit.http.bodies import answers, json_body, max_body_bytes, request_body, takes
from service_kit.http.operations import Check
from service_kit.http.permissions import open_to_all
from service_kit.tests.builders import new_metrics
from service_kit.tests.tokens import OpenGate

ESSAY = "My summer was about a dog called Molly."


class Grade(WireModel):
    """A body."""

    essay_id: str
    points: int


class Bill(WireModel):
    """An answer."""

    cost: Money
    at: UtcDatetime


class Page(WireModel):
    """A query."""

    limit: int = 10


def routes() -> Blueprint:
    """Routes that do what their paths say."""
    blueprint = Blueprint("grades", __name__)

    @blueprint.post("/grades/<batch_id>")
    @takes(Grade)
    @open_to_all("a test")
    async def grade(batch_id: str, data: Grade) -> dict[str, str]:
        """Grade an essay <b>now</b>."""
        return {"batch_id": batch_id, "essay_id": data.essay_id, "correlation_id": str(correlation_id())}

    @blueprint.post("/many-grades/<batch_id>")
    @document_request(Grade)
    @open_to_all("a test")
    async def many_grades(batch_id: str) -> dict[str, str]:
        return {"batch_id": batch_id, "essay_id": (await json_body(Grade)).essay_id}

    @blueprint.get("/bill")
    @answers(Bill)
    @open_to_all("a test")
    async def bill() -> Bill:
        return Bill(cost=Decimal("0.0125"), at=datetime(2026, 3, 2, 8, 0, tzinfo=UTC))

    @blueprint.get("/page")
    @validate_querystring(Page)
    @open_to_all("a test")
    async def page(query_args: Page) -> dict[str, int]:
        return {"limit": query_args.limit}

    @blueprint.post("/bytes")
    @max_body_bytes(1000)
    @open_to_all("a test")
    async def take_bytes() -> dict[str, int]:
        return {"bytes": len(await request_body())}

    @blueprint.get("/raise/<what>")
    @open_to_all("a test")
    async def fail(what: str) -> dict[str, str]:
        raise RAISED[what]

    return blueprint


RAISED: Mapping[str, Exception] = {
    "not_found": NotFound("no batch 'b-1'"),
    "not_authenticated": NotAuthenticated("send an Authorization: Bearer <token> header"),
    "conflict": Conflict("the batch is over"),
    "unavailable": Unavailable("the database is unavailable", retry_after=7.4),
    "queue_full": QueueFull("full", retry_after=0.2),
    "rate_limited": RateLimited("too many", retry_after=3),
    "database_away": ConnectionRefusedError("postgres is unavailable"),
    "long_message": NotFound("no batch " + "x" * 70_000, details={"ids": ["x" * 2_100_000]}),
    "bug": RuntimeError(f"cannot handle {ESSAY}"),
}


def app_with(checks: Mapping[str, Check] | None = None) -> tuple[Quart, HttpService]:
    """The application, ready for a test client, and what it was made of."""
    service = HttpService(
        name="grading_service",
        title="Grading & more",
        version="7",
        blueprints=[routes()],
        checks=checks or {},
        metrics=new_metrics(),
        gate=OpenGate(),
    )
    return create_app(service), service


async def error_of(response: object) -> ErrorDetail:
    """The body, which must be an ErrorBody and nothing else."""
    assert response.content_type == "application/json"  # type: ignore[attr-defined]  # quart's response
    body = await response.get_data()  # type: ignore[attr-defined]  # quart's response
    return ErrorBody.model_validate_json(body).error
