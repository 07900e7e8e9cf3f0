"""What the HTTP application of every service promises: one shape of error, health, metrics and documentation."""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from uuid import UUID, uuid4

import pytest
from event_contracts import (
    ALL_TOPICS,
    Conflict,
    ErrorBody,
    ErrorDetail,
    NotAuthenticated,
    NotFound,
    QueueFull,
    RateLimited,
    Unavailable,
    WireModel,
)
from event_contracts.fields import Money, UtcDatetime
from quart import Blueprint, Quart
from quart.typing import TestClientProtocol as Client
from quart_schema import document_request, validate_querystring
from service_kit.http import operations
from service_kit.http.app import HttpService, correlation_id, create_app
from service_kit.http.bodies import answers, json_body, max_body_bytes, request_body, takes
from service_kit.http.openapi import BEARER, LICENSE
from service_kit.http.operations import Check
from service_kit.http.permissions import open_to_all
from service_kit.tests.builders import captured_logs, metric, new_metrics
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


@pytest.fixture
def client() -> Client:
    return app_with()[0].test_client()


async def error_of(response: object) -> ErrorDetail:
    """The body, which must be an ErrorBody and nothing else."""
    assert response.content_type == "application/json"  # type: ignore[attr-defined]  # quart's response
    body = await response.get_data()  # type: ignore[attr-defined]  # quart's response
    return ErrorBody.model_validate_json(body).error


class TestErrors:
    @pytest.mark.parametrize(
        ("path", "status", "code"),
        [
            ("/raise/not_found", 404, "RESOURCE_NOT_FOUND"),
            ("/raise/conflict", 409, "INVALID_REQUEST"),
            ("/raise/unavailable", 503, "SERVICE_UNAVAILABLE"),
            ("/raise/queue_full", 503, "LLM_QUEUE_FULL"),
            ("/raise/rate_limited", 429, "RATE_LIMIT"),
            ("/raise/bug", 500, "UNKNOWN_ERROR"),
            ("/nowhere", 404, "RESOURCE_NOT_FOUND"),
            ("/nowhere/" + "x" * 10_000, 404, "RESOURCE_NOT_FOUND"),
        ],
    )
    async def test_every_error_has_the_contracts_body(
        self, client: Client, path: str, status: int, code: str
    ) -> None:
        response = await client.get(path)

        error = await error_of(response)
        assert (response.status_code, error.error_code, error.service) == (status, code, "grading_service")
        assert len(error.operation) < 100

    async def test_a_missing_route_can_be_told_from_a_missing_resource(self, client: Client) -> None:
        route = await error_of(await client.get("/nowhere"))
        resource = await error_of(await client.get("/raise/not_found"))

        assert route.details == {"reason": "no_such_route"}
        assert "reason" not in resource.details

    async def test_another_method_is_405_with_those_that_are_allowed(self, client: Client) -> None:
        response = await client.put("/bill")

        await error_of(response)
        assert response.status_code == 405
        assert {"GET", "HEAD"} <= set(response.headers["allow"].split(", "))

    async def test_a_body_that_is_too_large_is_413(self) -> None:
        app, _ = app_with()

        response = await app.test_client().post("/bytes", data=b"x" * 1001)

        await error_of(response)
        assert response.status_code == 413

    async def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(self, client: Client) -> None:
        for path in ("/grades/b", "/many-grades/b"):
            response = await client.post(
                path,
                data=b'{"essay_id": "e", "points": [' + b"[]," * 85_000 + b"[]]}",
                headers={"content-type": "application/json"},
            )

            assert (response.status_code, (await error_of(response)).error_code) == (422, "VALIDATION_ERROR")

    @pytest.mark.parametrize("path", ["/grades/b/", "/grades//b", "/bill/"])
    async def test_a_path_with_a_slash_too_many_is_not_a_route(self, client: Client, path: str) -> None:
        response = await client.open(path, method="POST", json={"essay_id": "e", "points": 1})

        assert (response.status_code, (await error_of(response)).error_code) == (404, "RESOURCE_NOT_FOUND")

    @pytest.mark.parametrize("given", ["%00", "a%00b", "%E2%80%AE", "x" * 256, "%0A", ".%2E"])
    async def test_an_id_in_a_path_that_nothing_can_have_is_refused(self, client: Client, given: str) -> None:
        response = await client.post(f"/grades/{given}", json={"essay_id": "e", "points": 1})

        error = await error_of(response)
        assert (response.status_code, error.error_code) in {
            (422, "VALIDATION_ERROR"),
            (404, "RESOURCE_NOT_FOUND"),
        }
        assert len(error.message) < 500

    async def test_an_unavailable_database_is_503_with_retry_after(self, client: Client) -> None:
        response = await client.get("/raise/database_away")

        error = await error_of(response)
        assert (response.status_code, error.error_code) == (503, "SERVICE_UNAVAILABLE")
        assert int(response.headers["retry-after"]) > 0

    async def test_an_error_never_repeats_a_long_input(self, client: Client) -> None:
        response = await client.get("/raise/long_message")

        assert len(await response.get_data()) < 5_000
        assert response.status_code == 404

    @pytest.mark.parametrize(
        "body",
        [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null", b'{"essay_id": "e", "points": NaN}'],
    )
    @pytest.mark.parametrize("path", ["/grades/b", "/many-grades/b"])
    async def test_a_body_that_is_not_fitting_json_is_422(
        self, client: Client, path: str, body: bytes
    ) -> None:
        response = await client.post(path, data=body, headers={"content-type": "application/json"})

        error = await error_of(response)
        assert (response.status_code, error.error_code) == (422, "VALIDATION_ERROR")

    @pytest.mark.parametrize("path", ["/grades/b", "/many-grades/b"])
    async def test_json_that_does_not_say_that_it_is_json_is_422(self, client: Client, path: str) -> None:
        body = b'{"essay_id": "e", "points": 1}'

        response = await client.post(path, data=body, headers={"content-type": "text/plain"})

        assert (response.status_code, (await error_of(response)).error_code) == (422, "VALIDATION_ERROR")

    @pytest.mark.parametrize("path", ["/grades/b", "/many-grades/b"])
    async def test_fields_that_do_not_fit_are_named_without_their_values(
        self, client: Client, path: str
    ) -> None:
        response = await client.post(path, json={"essay_id": ["x"], "points": ESSAY})

        error = await error_of(response)
        assert response.status_code == 422
        reasons = error.details["reasons"]
        assert isinstance(reasons, list)
        assert [str(reason).partition(":")[0] for reason in reasons] == ["essay_id", "points"]
        assert "Molly" not in (await response.get_data(as_text=True))

    async def test_a_query_that_does_not_fit_is_named(self, client: Client) -> None:
        response = await client.get("/page?limit=lots")

        assert response.status_code == 422
        assert "limit" in (await error_of(response)).message

    async def test_an_unexpected_error_tells_the_log_and_not_the_caller(self, client: Client) -> None:
        with captured_logs() as logs:
            response = await client.get("/raise/bug")

        body = await response.get_data(as_text=True)
        error = await error_of(response)
        assert not any(word in body for word in ("Molly", "RuntimeError", "Traceback", ".py"))
        assert error.stack_trace is None
        [entry] = [entry for entry in logs if entry["event"] == "http.failed"]
        assert isinstance(entry["exc_info"], RuntimeError)

    @pytest.mark.parametrize(
        ("path", "seconds"),
        [("/raise/unavailable", "7"), ("/raise/queue_full", "1"), ("/raise/rate_limited", "3")],
    )
    async def test_a_retryable_error_carries_retry_after(
        self, client: Client, path: str, seconds: str
    ) -> None:
        response = await client.get(path)

        assert response.headers["retry-after"] == seconds

    async def test_a_caller_without_a_token_is_told_which_kind_to_show(self, client: Client) -> None:
        response = await client.get("/raise/not_authenticated")

        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


class TestCorrelation:
    async def test_the_callers_id_is_kept_in_answers_and_errors(self, client: Client) -> None:
        given = uuid4()
        headers = {"x-correlation-id": str(given)}

        fine = await client.post("/grades/b", json={"essay_id": "e", "points": 1}, headers=headers)
        wrong = await client.get("/nowhere", headers=headers)

        assert (await fine.get_json())["correlation_id"] == str(given)
        assert (await error_of(wrong)).correlation_id == given
        assert fine.headers["x-correlation-id"] == wrong.headers["x-correlation-id"] == str(given)

    @pytest.mark.parametrize("given", [None, "", "not an id", "x" * 5000])
    async def test_without_a_proper_id_a_new_one_is_made(self, client: Client, given: str | None) -> None:
        response = await client.get("/nowhere", headers={} if given is None else {"x-correlation-id": given})

        assert UUID(response.headers["x-correlation-id"]) == (await error_of(response)).correlation_id


class TestOperations:
    async def test_a_live_service_says_so(self, client: Client) -> None:
        response = await client.get("/healthz")

        expected = {"status": "healthy", "service": "grading_service", "version": "7"}
        assert (response.status_code, await response.get_json()) == (200, expected)

    async def test_a_service_that_can_do_its_work_is_ready(self) -> None:
        async def fine() -> None:
            return

        app, _ = app_with({"database": fine, "event_bus": fine})

        response = await app.test_client().get("/readyz")

        assert response.status_code == 200
        assert (await response.get_json())["status"] == "ready"

    async def test_an_unready_service_names_only_the_failing_check(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operations, "CHECK_TIMEOUT_SECONDS", 0.05)

        async def fine() -> None:
            return

        async def away() -> None:
            raise ConnectionRefusedError("postgres://user:password@10.0.0.1")

        async def hang() -> None:
            await asyncio.Event().wait()

        app, _ = app_with({"database": away, "event_bus": hang, "migrations": fine})

        with captured_logs() as logs:
            response = await app.test_client().get("/readyz")

        error = await error_of(response)
        assert response.status_code == 503
        assert error.details["problems"] == {
            "database": "ConnectionRefusedError",
            "event_bus": "TimeoutError",
        }
        assert "retry-after" in response.headers
        assert "password" not in await response.get_data(as_text=True)
        assert {entry["check"] for entry in logs if entry["event"] == "service.not_ready"} == {
            "database",
            "event_bus",
        }

    async def test_checks_run_side_by_side(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(operations, "CHECK_TIMEOUT_SECONDS", 5)
        both = asyncio.Barrier(2)

        async def meet() -> None:
            await both.wait()

        app, _ = app_with({"one": meet, "other": meet})

        async with asyncio.timeout(2):
            response = await app.test_client().get("/readyz")

        assert response.status_code == 200

    async def test_requests_are_counted_by_route_and_never_by_what_a_client_made_up(self) -> None:
        app, service = app_with()
        client = app.test_client()

        await client.post("/grades/b-1", json={"essay_id": "e", "points": 1})
        await client.post("/grades/b-2", json={"essay_id": "e"})
        for number in range(3):
            await client.open(f"/made/up/{number}", method=f"MADEUP{number}", json={})
        exposed = await (await client.get("/metrics")).get_data(as_text=True)

        counted = {
            (route, method, status): metric(
                service.metrics, "http_request_seconds_count", route=route, method=method, status=status
            )
            for route, method, status in (
                ("/grades/<batch_id>", "POST", "200"),
                ("/grades/<batch_id>", "POST", "422"),
                ("unknown", "unknown", "404"),
            )
        }
        assert list(counted.values()) == [1, 1, 3]
        assert "MADEUP" not in exposed
        assert "process_resident_memory_bytes" in exposed

    async def test_money_is_a_number_and_a_moment_iso_8601(self, client: Client) -> None:
        body = await (await client.get("/bill")).get_data()

        assert json.loads(body) == {"cost": 0.0125, "at": "2026-03-02T08:00:00Z"}


class Links(HTMLParser):
    """Everything that a page would load or lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


class TestDocumentation:
    async def test_openapi_names_the_services_routes_and_not_the_operations(self, client: Client) -> None:
        document = await (await client.get("/openapi.json")).get_json()

        assert set(document["paths"]) == {
            "/grades/{batch_id}",
            "/many-grades/{batch_id}",
            "/bill",
            "/page",
            "/bytes",
            "/raise/{what}",
        }
        assert document["info"] == {"title": "Grading & more", "version": "7", "license": LICENSE}

    async def test_openapi_says_who_may_call_each_route_and_names_each_operation_once(
        self, client: Client
    ) -> None:
        document = await (await client.get("/openapi.json")).get_json()

        operations = [one for methods in document["paths"].values() for one in methods.values()]
        names = [one["operationId"] for one in operations]
        assert len(set(names)) == len(names)
        assert document["components"]["securitySchemes"][BEARER]["scheme"] == "bearer"
        for one in operations:
            assert one["security"] == [] or {"401", "403"} <= one["responses"].keys()
            assert re.search(r"Needs no token: \w|For the roles \w", one["description"])

    async def test_the_documentation_page_needs_no_other_host_and_no_script(self, client: Client) -> None:
        response = await client.get("/docs")
        page = await response.get_data(as_text=True)

        links = Links(page)
        assert response.content_type == "text/html; charset=utf-8"
        assert links.found == ["openapi.json", "docs/events"]
        assert "script" not in links.tags

    async def test_the_documentation_page_shows_every_route_and_schema_and_escapes_them(
        self, client: Client
    ) -> None:
        page = await (await client.get("/docs")).get_data(as_text=True)

        assert "POST /grades/{batch_id}" in page
        assert "Grading &amp; more" in page
        assert "Version 7 of the interface." in page
        assert "&lt;b&gt;now&lt;/b&gt;" in page
        assert re.search(r"path batch_id</td><td><code>string", page)
        assert "query limit" in page
        assert "Grade" in page

    async def test_the_page_of_events_shows_every_topic_and_needs_no_other_host_and_no_script(
        self, client: Client
    ) -> None:
        response = await client.get("/docs/events")
        page = await response.get_data(as_text=True)
        document = await (await client.get("/asyncapi.json")).get_json()

        links = Links(page)
        assert response.content_type == "text/html; charset=utf-8"
        assert links.found == ["../asyncapi.json"]
        assert "script" not in links.tags
        assert document["asyncapi"].startswith("3.")
        for spec in ALL_TOPICS:
            assert spec.topic in page
            assert f"<summary><code>{spec.event.__name__}</code>" in page
