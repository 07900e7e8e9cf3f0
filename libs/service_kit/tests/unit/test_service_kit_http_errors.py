"""What every error of the HTTP application promises: one shape, a fitting status, nothing that was sent."""

import pytest
from quart.typing import TestClientProtocol as Client
from service_kit.tests.builders import captured_logs
from service_kit.tests.grading_app import ESSAY, app_with, error_of


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
async def test_every_error_has_the_contracts_body(client: Client, path: str, status: int, code: str) -> None:
    response = await client.get(path)

    error = await error_of(response)
    assert (response.status_code, error.error_code, error.service) == (status, code, "grading_service")
    assert len(error.operation) < 100


async def test_a_missing_route_can_be_told_from_a_missing_resource(client: Client) -> None:
    route = await error_of(await client.get("/nowhere"))
    resource = await error_of(await client.get("/raise/not_found"))

    assert route.details == {"reason": "no_such_route"}
    assert "reason" not in resource.details


async def test_another_method_is_405_with_those_that_are_allowed(client: Client) -> None:
    response = await client.put("/bill")

    await error_of(response)
    assert response.status_code == 405
    assert {"GET", "HEAD"} <= set(response.headers["allow"].split(", "))


async def test_a_body_that_is_too_large_is_413() -> None:
    app, _ = app_with()

    response = await app.test_client().post("/bytes", data=b"x" * 1001)

    await error_of(response)
    assert response.status_code == 413


async def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(client: Client) -> None:
    for path in ("/grades/b", "/many-grades/b"):
        response = await client.post(
            path,
            data=b'{"essay_id": "e", "points": [' + b"[]," * 85_000 + b"[]]}",
            headers={"content-type": "application/json"},
        )

        assert (response.status_code, (await error_of(response)).error_code) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/grades/b/", "/grades//b", "/bill/"])
async def test_a_path_with_a_slash_too_many_is_not_a_route(client: Client, path: str) -> None:
    response = await client.open(path, method="POST", json={"essay_id": "e", "points": 1})

    assert (response.status_code, (await error_of(response)).error_code) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("given", ["%00", "a%00b", "%E2%80%AE", "x" * 256, "%0A", ".%2E"])
async def test_an_id_in_a_path_that_nothing_can_have_is_refused(client: Client, given: str) -> None:
    response = await client.post(f"/grades/{given}", json={"essay_id": "e", "points": 1})

    error = await error_of(response)
    assert (response.status_code, error.error_code) in {
        (422, "VALIDATION_ERROR"),
        (404, "RESOURCE_NOT_FOUND"),
    }
    assert len(error.message) < 500


async def test_an_unavailable_database_is_503_with_retry_after(client: Client) -> None:
    response = await client.get("/raise/database_away")

    error = await error_of(response)
    assert (response.status_code, error.error_code) == (503, "SERVICE_UNAVAILABLE")
    assert int(response.headers["retry-after"]) > 0


async def test_an_error_never_repeats_a_long_input(client: Client) -> None:
    response = await client.get("/raise/long_message")

    assert len(await response.get_data()) < 5_000
    assert response.status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null", b'{"essay_id": "e", "points": NaN}'],
)
@pytest.mark.parametrize("path", ["/grades/b", "/many-grades/b"])
async def test_a_body_that_is_not_fitting_json_is_422(client: Client, path: str, body: bytes) -> None:
    response = await client.post(path, data=body, headers={"content-type": "application/json"})

    error = await error_of(response)
    assert (response.status_code, error.error_code) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/grades/b", "/many-grades/b"])
async def test_json_that_does_not_say_that_it_is_json_is_422(client: Client, path: str) -> None:
    body = b'{"essay_id": "e", "points": 1}'

    response = await client.post(path, data=body, headers={"content-type": "text/plain"})

    assert (response.status_code, (await error_of(response)).error_code) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/grades/b", "/many-grades/b"])
async def test_fields_that_do_not_fit_are_named_without_their_values(client: Client, path: str) -> None:
    response = await client.post(path, json={"essay_id": ["x"], "points": ESSAY})

    error = await error_of(response)
    assert response.status_code == 422
    reasons = error.details["reasons"]
    assert isinstance(reasons, list)
    assert [str(reason).partition(":")[0] for reason in reasons] == ["essay_id", "points"]
    assert "Molly" not in (await response.get_data(as_text=True))


async def test_a_query_that_does_not_fit_is_named(client: Client) -> None:
    response = await client.get("/page?limit=lots")

    assert response.status_code == 422
    assert "limit" in (await error_of(response)).message


async def test_an_unexpected_error_tells_the_log_and_not_the_caller(client: Client) -> None:
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
async def test_a_retryable_error_carries_retry_after(client: Client, path: str, seconds: str) -> None:
    response = await client.get(path)

    assert response.headers["retry-after"] == seconds


async def test_a_caller_without_a_token_is_told_which_kind_to_show(client: Client) -> None:
    response = await client.get("/raise/not_authenticated")

    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
