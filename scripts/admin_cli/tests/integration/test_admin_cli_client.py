"""The administrators' client against a real HTTP server: what it retries, and what it reports."""

from collections.abc import Iterator

import httpx2
import pytest
from admin_cli.client import AdminClient
from batch_runner.tests.stub_service import Answer, serving, with_model
from command_line.service_client import TRY_LATER, NoAnswer, ServiceRefused
from event_contracts import ScaleList
from suite_access import CallerToken

PATH = "/admin/v1/grade-scales"
SCALES = ScaleList(scales=())


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client() as client:
        yield client


def client_of(url: str, http: httpx2.Client) -> AdminClient:
    return AdminClient(http=http, base_url=url, caller=CallerToken(url, role="admin"))


@pytest.mark.parametrize("status", sorted(TRY_LATER))
def test_a_service_that_cannot_answer_now_is_asked_again(status: int, http: httpx2.Client) -> None:
    answers = [Answer(status, b"busy", {"retry-after": "0"}), with_model(200, SCALES)]

    with serving(lambda _method, _path: answers.pop(0)) as service:
        assert client_of(service.url, http).ask(ScaleList, "GET", PATH) == SCALES

    assert service.times("GET", PATH) == 2


def test_a_refusal_is_reported_at_once(http: httpx2.Client) -> None:
    with (
        serving(lambda _method, _path: Answer(409, b"no")) as service,
        pytest.raises(ServiceRefused, match=r"answered with 409 .*: is this the CJ Assessment service\?"),
    ):
        client_of(service.url, http).ask(ScaleList, "GET", PATH)

    assert service.times("GET", PATH) == 1


def test_a_service_that_is_not_there_is_reported_at_once() -> None:
    sent: list[httpx2.Request] = []
    with serving(lambda _method, _path: Answer(404, b"")) as gone:
        pass

    with (
        httpx2.Client(event_hooks={"request": [sent.append]}) as http,
        pytest.raises(NoAnswer, match="Start it with cj-suite up"),
    ):
        client_of(gone.url, http).ask(ScaleList, "GET", PATH)

    assert len(sent) == 1
