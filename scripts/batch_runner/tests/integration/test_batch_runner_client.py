"""The client against a real HTTP server: what it retries, what it reports, and in which words."""

import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import pytest
from batch_runner.running.execution import collect, follow
from batch_runner.tests.building import BATCH, finished, status
from batch_runner.tests.stub_service import Answer, Assessing, serving, with_model
from batch_runner.wire.client import AssessmentClient
from command_line.service_client import ServiceRefused, ServiceUnavailable
from event_contracts import ErrorBody, ExternalServiceError, InvalidRequest, Winner

STATUS = f"/api/v1/batches/{BATCH}"

ClientFor = Callable[..., AssessmentClient]


@pytest.fixture
async def client_for() -> AsyncIterator[ClientFor]:
    async with httpx2.AsyncClient() as http:
        yield lambda url, retry_timeout=10.0: AssessmentClient(
            http=http, base_url=url, retry_timeout=retry_timeout
        )


def error_body(code: str, message: str) -> bytes:
    error = status(error=message).error
    assert error is not None
    detail = error.model_copy(update={"error_code": code})
    return ErrorBody(error=detail).model_dump_json().encode()


def one_after_the_other(*answers: Answer) -> Callable[[str, str], Answer]:
    """The last answer is given again and again."""
    left = list(answers)
    return lambda _method, _path: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def nowhere() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_a_service_that_is_not_there_is_an_error_that_says_how_to_start_it(
    client_for: ClientFor, nowhere: str
) -> None:
    with pytest.raises(
        ServiceUnavailable, match=r"no answer from http://127.* Start it with cj-suite up, or say"
    ):
        await client_for(nowhere).check_ready()


async def test_a_service_that_comes_back_in_time_goes_unnoticed(client_for: ClientFor) -> None:
    answers = one_after_the_other(
        Answer(503, b"starting"), Answer(502, b"bad gateway"), with_model(200, status())
    )

    with serving(answers) as service:
        assert await client_for(service.url).status(BATCH) == status()

    assert service.times("GET", STATUS) == 3


async def test_a_service_that_stays_away_is_given_up(client_for: ClientFor) -> None:
    away = Answer(503, error_body("SERVICE_UNAVAILABLE", "the database is unavailable"))

    with (
        serving(one_after_the_other(away)) as service,
        pytest.raises(ServiceUnavailable, match="the service cannot answer now: the database is unavailable"),
    ):
        await client_for(service.url, retry_timeout=0.5).status(BATCH)

    assert service.times("GET", STATUS) > 1


async def test_a_refusal_is_reported_with_its_code_and_not_retried(client_for: ClientFor) -> None:
    refusal = Answer(422, error_body("LLM_INVALID_CONFIG", "anthropic has no model 'x': use one of y"))

    with (
        serving(one_after_the_other(refusal)) as service,
        pytest.raises(ServiceRefused, match=r"^anthropic has no model 'x': use one of y$") as caught,
    ):
        await client_for(service.url).start(finished("a", "b").request)

    assert (caught.value.service_code, caught.value.status) == ("LLM_INVALID_CONFIG", 422)
    assert service.times("POST", "/api/v1/assessments") == 1


async def test_a_failure_of_the_service_is_not_the_callers_fault(client_for: ClientFor) -> None:
    failure = Answer(500, error_body("PROCESSING_ERROR", "no fit"))

    with (
        serving(one_after_the_other(failure)) as service,
        pytest.raises(ExternalServiceError, match="the service failed with 500: no fit"),
    ):
        await client_for(service.url).status(BATCH)

    assert service.times("GET", STATUS) == 1


@pytest.mark.parametrize("body", [b"<html>404 nginx</html>", json.dumps({"detail": "no"}).encode()])
async def test_an_error_of_something_else_asks_whether_the_address_is_right(
    client_for: ClientFor, body: bytes
) -> None:
    with (
        serving(one_after_the_other(Answer(404, body))) as service,
        pytest.raises(ServiceRefused, match=r"answered with 404 .*: is this the CJ Assessment service\?"),
    ):
        await client_for(service.url).status(BATCH)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"batch_id": "b"}', b"\xff"])
async def test_an_answer_against_the_contract_is_an_error_that_names_the_request(
    client_for: ClientFor, body: bytes
) -> None:
    with (
        serving(one_after_the_other(Answer(200, body))) as service,
        pytest.raises(ExternalServiceError, match=rf"GET http://\S+{STATUS} returned an invalid response"),
    ):
        await client_for(service.url).status(BATCH)


async def test_a_service_that_is_not_ready_is_reported_at_once(client_for: ClientFor) -> None:
    with (
        serving(one_after_the_other(Answer(503, b"migrations are missing"))) as service,
        pytest.raises(ExternalServiceError, match="is not ready: migrations are missing"),
    ):
        await client_for(service.url).check_ready()

    assert service.times("GET", "/readyz") == 1


async def test_a_wrong_address_is_the_callers_to_put_right(client_for: ClientFor) -> None:
    with pytest.raises(InvalidRequest, match="--url http://:x is not an address"):
        await client_for("http://:x").check_ready()


async def test_following_ends_with_the_final_state(client_for: ClientFor) -> None:
    with serving(Assessing()) as service:
        seen = [view.state async for view in follow(client_for(service.url), BATCH)]

    assert seen == ["completed"]


async def test_every_page_of_comparisons_is_collected(client_for: ClientFor) -> None:
    run = finished("a", "b")

    with serving(Assessing()) as service:
        collected = await collect(client_for(service.url), run.assignment, run.request, run.status)

    assert [row.winner for row in collected.comparisons] == [Winner.ESSAY_A, Winner.ESSAY_B]
