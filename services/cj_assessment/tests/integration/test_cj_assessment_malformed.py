"""What the assessment service's routes answer to input that cannot be kept or handled: never a 5xx, never an echo."""

import asyncio
import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx2
import pytest
from cj_assessment.assembly import assemble
from cj_assessment.settings import Settings
from cj_assessment.tests.building import request
from cj_assessment.tests.malformed_requests import (
    ASSESSMENTS,
    CALLBACK,
    CALLBACKS,
    READS,
    REQUEST,
    REQUESTS,
    RESULT,
    UNSIGNED,
    UPLOADS,
    ask,
)
from cj_assessment.tests.serving import SECRET
from event_contracts import MAX_ESSAYS_PER_BATCH
from pydantic import SecretStr
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.tests.fuzzing import fuzz
from service_kit.tests.live import MAX_LAG_SECONDS, Live, live
from service_kit.tests.malformed import JSON, Malformed, assert_documented, changed
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import ADMIN, SERVICE_SECRET, SHARED_SECRET


@pytest.fixture(scope="module")
def service(make_database: Callable[[str], str]) -> Iterator[Live]:
    settings = Settings(
        database_url=make_database("malformed"),
        event_bus="memory",
        http_port=free_port(),
        callback_signing_secret=SecretStr(SECRET),
        callback_allowed_hosts=("*.example.org",),
        llm_provider_url="http://127.0.0.1:9",
        default_provider="mock",
        jwt_secret=SecretStr(SHARED_SECRET),
        service_secret=SecretStr(SERVICE_SECRET),
        callback_transport="http",
        callback_base_url="http://127.0.0.1:9",
    )
    with live(lambda: assemble(settings, bus=MemoryEventBus())) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Live) -> Iterator[httpx2.Client]:
    with service.client() as client:
        yield client


@pytest.mark.parametrize("case", [*REQUESTS, *READS, *UPLOADS, *UNSIGNED], ids=str)
def test_what_cannot_be_kept_or_handled_is_refused(client: httpx2.Client, case: Malformed) -> None:
    assert_documented(case, case.send(client))


@pytest.mark.parametrize("case", CALLBACKS, ids=str)
def test_a_signed_callback_that_cannot_be_kept_is_refused(client: httpx2.Client, case: Malformed) -> None:
    body = case.content() or b""
    headers = {**JSON, **WebhookSigner(SECRET).headers(message_id=str(uuid4()), body=body)}

    answer = client.post(CALLBACK, content=body, headers=headers)

    assert_documented(case, answer)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.request_metadata", {"prompt_sha256": "0" * 64}),
        ("data.request_metadata.attempt_id", "no id"),
        ("data.request_metadata.bos_batch_id", "x" * 3_000),
    ],
)
def test_a_signed_callback_that_answers_nothing_of_ours_is_taken_and_counted(
    client: httpx2.Client, path: str, value: object
) -> None:
    body = json.dumps(changed(RESULT, path, value)).encode()
    headers = {**JSON, **WebhookSigner(SECRET).headers(message_id=str(uuid4()), body=body)}

    answer = client.post(CALLBACK, content=body, headers=headers)

    assert answer.status_code == 202, answer.text


def test_the_error_says_which_language_the_course_has(client: httpx2.Client) -> None:
    error = assert_documented(
        ask("sv", "data.language", "sv"),
        client.post(ASSESSMENTS, json=changed(REQUEST, "data.language", "sv")),
    )

    assert "'en'" in error.message
    assert "ENG5" in error.message


def test_the_largest_batch_is_accepted_and_can_be_read_and_cancelled(client: httpx2.Client) -> None:
    essays = {f"essay-{number}": "0" * 64 for number in range(MAX_ESSAYS_PER_BATCH)}
    envelope = request(essays, batch_id="batch 7: größte")

    accepted = client.post(ASSESSMENTS, content=envelope.to_json(), headers=JSON)

    assert accepted.status_code == 202, accepted.text[:500]
    assert client.get("/api/v1/batches/batch 7: größte").json()["progress"]["essays"] == MAX_ESSAYS_PER_BATCH
    assert client.post("/api/v1/batches/batch 7: größte/cancel").status_code == 202


def test_a_batch_with_the_longest_ids_is_accepted_and_can_be_read(client: httpx2.Client) -> None:
    batch_id = "ö" * 255
    envelope = request(
        {"e" * 255: "1" * 255, "…" * 255: "2" * 255}, batch_id=batch_id, assignment_id="ä" * 100
    )

    accepted = client.post(ASSESSMENTS, content=envelope.to_json(), headers=JSON)

    assert accepted.status_code == 202, accepted.text
    assert client.get(f"/api/v1/batches/{batch_id}").json()["batch_id"] == batch_id


HEAVY = (
    Malformed(
        what="7.8 MB of empty lists",
        path=ASSESSMENTS,
        body=b'{"metadata": [' + b"[]," * 2_600_000 + b"[]]}",
        headers=JSON,
    ),
    Malformed(
        what="28 MB of empty lists",
        path=ASSESSMENTS,
        body=b"[" + b"[]," * 9_300_000 + b"[]]",
        headers=JSON,
        status=413,
    ),
    Malformed(what="7 MB of quotes", path=ASSESSMENTS, body=b'{"data":"' + b'\\"' * 3_500_000, headers=JSON),
    Malformed(what="7 MB of commas", path=ASSESSMENTS, body=b"[" + b"," * 7_000_000, headers=JSON),
    Malformed(
        what="260,000 essays",
        path=ASSESSMENTS,
        body=changed(REQUEST, "data.essays_for_cj", [{"essay_id": "e"}] * 260_000),
    ),
    Malformed(what="30 MB of text", path="/v1/content", body=b"x" * 30_000_000, status=413),
)


@pytest.mark.parametrize("case", HEAVY, ids=str)
def test_no_request_keeps_the_event_loop_busy(service: Live, client: httpx2.Client, case: Malformed) -> None:
    headers = JSON if case.path == ASSESSMENTS else {}
    content = case.content()

    def send() -> None:
        assert_documented(case, client.request(case.method, case.path, content=content, headers=headers))

    assert service.lag_of(send) < MAX_LAG_SECONDS


def test_the_largest_batch_keeps_the_event_loop_free(service: Live, client: httpx2.Client) -> None:
    metrics = {f"metric_{number}": number for number in range(10)}
    essays = [
        {"essay_id": f"essay-{number}", "text_storage_id": "0" * 64, "spellcheck_metrics": metrics}
        for number in range(MAX_ESSAYS_PER_BATCH)
    ]
    # Refused once it has been parsed and checked: what storing it takes is not the routes'.
    content = json.dumps(
        changed(changed(REQUEST, "data.essays_for_cj", essays), "data.language", "sv")
    ).encode()

    def send() -> None:
        assert client.post(ASSESSMENTS, content=content, headers=JSON).status_code == 422

    assert service.lag_of(send) < MAX_LAG_SECONDS


def test_a_service_without_its_database_sends_retry_after() -> None:
    settings = Settings(
        database_url="postgresql+asyncpg://nobody@127.0.0.1:9/none",
        event_bus="memory",
        http_port=free_port(),
        callback_signing_secret=SecretStr(SECRET),
        llm_provider_url="http://127.0.0.1:9",
        default_provider="mock",
        jwt_secret=SecretStr(SHARED_SECRET),
        service_secret=SecretStr(SERVICE_SECRET),
    )

    async def read() -> tuple[int, str | None]:
        service = await assemble(settings, bus=MemoryEventBus())
        answer = await service.app.test_client().get("/api/v1/batches/b", headers=ADMIN)
        await service.close()
        return answer.status_code, answer.headers.get("retry-after")

    assert asyncio.run(read()) == (503, "5")


def test_schemathesis_finds_no_5xx_and_no_answer_but_the_documented_ones(service: Live) -> None:
    statuses = fuzz(service)

    assert sum(statuses.values()) >= 5, statuses
