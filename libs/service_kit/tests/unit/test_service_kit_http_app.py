"""What the HTTP application of every service promises: correlation, health, metrics and documentation."""

import asyncio
import json
import re
from html.parser import HTMLParser
from uuid import UUID, uuid4

import pytest
from event_contracts import ALL_TOPICS
from quart.typing import TestClientProtocol as Client
from service_kit.http import operations
from service_kit.http.openapi import BEARER, LICENSE
from service_kit.tests.builders import captured_logs, metric
from service_kit.tests.grading_app import app_with, error_of


async def test_the_callers_id_is_kept_in_answers_and_errors(client: Client) -> None:
    given = uuid4()
    headers = {"x-correlation-id": str(given)}

    fine = await client.post("/grades/b", json={"essay_id": "e", "points": 1}, headers=headers)
    wrong = await client.get("/nowhere", headers=headers)

    assert (await fine.get_json())["correlation_id"] == str(given)
    assert (await error_of(wrong)).correlation_id == given
    assert fine.headers["x-correlation-id"] == wrong.headers["x-correlation-id"] == str(given)


@pytest.mark.parametrize("given", [None, "", "not an id", "x" * 5000])
async def test_without_a_proper_id_a_new_one_is_made(client: Client, given: str | None) -> None:
    response = await client.get("/nowhere", headers={} if given is None else {"x-correlation-id": given})

    assert UUID(response.headers["x-correlation-id"]) == (await error_of(response)).correlation_id


async def test_a_live_service_says_so(client: Client) -> None:
    response = await client.get("/healthz")

    expected = {"status": "healthy", "service": "grading_service", "version": "7"}
    assert (response.status_code, await response.get_json()) == (200, expected)


async def test_a_service_that_can_do_its_work_is_ready() -> None:
    async def fine() -> None:
        return

    app, _ = app_with({"database": fine, "event_bus": fine})

    response = await app.test_client().get("/readyz")

    assert response.status_code == 200
    assert (await response.get_json())["status"] == "ready"


async def test_an_unready_service_names_only_the_failing_check(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_checks_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "CHECK_TIMEOUT_SECONDS", 5)
    both = asyncio.Barrier(2)

    async def meet() -> None:
        await both.wait()

    app, _ = app_with({"one": meet, "other": meet})

    async with asyncio.timeout(2):
        response = await app.test_client().get("/readyz")

    assert response.status_code == 200


async def test_requests_are_counted_by_route_and_never_by_what_a_client_made_up() -> None:
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


async def test_money_is_a_number_and_a_moment_iso_8601(client: Client) -> None:
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


async def test_openapi_names_the_services_routes_and_not_the_operations(client: Client) -> None:
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


async def test_openapi_says_who_may_call_each_route_and_names_each_operation_once(client: Client) -> None:
    document = await (await client.get("/openapi.json")).get_json()

    operations = [one for methods in document["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert document["components"]["securitySchemes"][BEARER]["scheme"] == "bearer"
    for one in operations:
        assert one["security"] == [] or {"401", "403"} <= one["responses"].keys()
        assert re.search(r"Needs no token: \w|For the roles \w", one["description"])


async def test_the_documentation_page_needs_no_other_host_and_no_script(client: Client) -> None:
    response = await client.get("/docs")
    page = await response.get_data(as_text=True)

    links = Links(page)
    assert response.content_type == "text/html; charset=utf-8"
    assert links.found == ["openapi.json", "docs/events"]
    assert "script" not in links.tags


async def test_the_documentation_page_shows_every_route_and_schema_and_escapes_them(client: Client) -> None:
    page = await (await client.get("/docs")).get_data(as_text=True)

    assert "POST /grades/{batch_id}" in page
    assert "Grading &amp; more" in page
    assert "Version 7 of the interface." in page
    assert "&lt;b&gt;now&lt;/b&gt;" in page
    assert re.search(r"path batch_id</td><td><code>string", page)
    assert "query limit" in page
    assert "Grade" in page


async def test_the_page_of_events_shows_every_topic_and_needs_no_other_host_and_no_script(
    client: Client,
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
