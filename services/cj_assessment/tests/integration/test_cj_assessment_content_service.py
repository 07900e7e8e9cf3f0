"""With an external content service, every text goes there and comes from there, by its real protocol."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
import pytest_asyncio
from cj_assessment.adapters import content
from cj_assessment.adapters.content import RemoteContent
from cj_assessment.ports import ContentRefused
from cj_assessment.tests.building import request
from cj_assessment.tests.content_server import ContentServer, Trouble, content_server
from cj_assessment.tests.postgres_fixtures import stored
from cj_assessment.tests.serving import Assessment, over_http
from event_contracts import AssessmentState, ContentServiceError
from sqlalchemy import text

THEIR_ID = re.compile("[0-9a-f]{32}")
ANCHOR = "An anchor essay of a hundred characters or more. " * 3


@pytest.fixture
async def elsewhere() -> AsyncIterator[ContentServer]:
    async with content_server() as server:
        yield server


@pytest.fixture
async def external(elsewhere: ContentServer) -> AsyncIterator[RemoteContent]:
    async with httpx2.AsyncClient() as client:
        yield RemoteContent(client, base_url=elsewhere.url)


async def test_a_text_comes_back_as_it_was_sent(elsewhere: ContentServer, external: RemoteContent) -> None:
    storage_id = await external.store("Åke åt en päron.".encode())
    fetched = await external.fetch([storage_id], max_bytes=100)

    assert THEIR_ID.fullmatch(storage_id)
    assert fetched.bodies == {storage_id: "Åke åt en päron.".encode()}
    assert elsewhere.requests == ["POST /v1/content", f"GET /v1/content/{storage_id}"]


@pytest.mark.parametrize("unknown", ["0" * 32, "no id of theirs", "a" * 64])
async def test_an_id_that_it_does_not_know_or_accept_is_unknown(
    external: RemoteContent, unknown: str
) -> None:
    fetched = await external.fetch([unknown], max_bytes=100)

    assert (fetched.bodies, fetched.failures, fetched.too_long) == ({}, {}, frozenset())


async def test_a_failure_that_passes_is_not_noticed(
    elsewhere: ContentServer, external: RemoteContent
) -> None:
    storage_id = await external.store(b"text")
    elsewhere.trouble, elsewhere.failures = "failing", 2

    fetched = await external.fetch([storage_id], max_bytes=100)

    assert fetched.bodies == {storage_id: b"text"}
    assert len(elsewhere.requests) == 4


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("failing", "answered 503"),
        ("short", "does not answer"),
        ("silent", "does not answer"),
        ("trickling", "does not answer"),
        ("redirecting", "answered 302"),
        ("refusing", "answered 413"),
    ],
)
async def test_a_failing_content_service_is_reported_in_bounded_time(
    elsewhere: ContentServer,
    external: RemoteContent,
    trouble: Trouble,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(content, "EXCHANGE_SECONDS", 0.3)
    elsewhere.trouble = trouble

    async with asyncio.timeout(30):
        fetched = await external.fetch(["0" * 32], max_bytes=10**7)

    assert told in fetched.failures["0" * 32]


async def test_reading_a_text_stops_at_the_size_limit(
    elsewhere: ContentServer, external: RemoteContent
) -> None:
    elsewhere.trouble = "endless"

    async with asyncio.timeout(30):
        fetched = await external.fetch(["0" * 32], max_bytes=100_000)

    assert fetched.too_long == {"0" * 32}


async def test_a_redirect_is_never_followed(elsewhere: ContentServer, external: RemoteContent) -> None:
    async with content_server() as trap:
        elsewhere.trouble, elsewhere.redirect_to = "redirecting", f"{trap.url}/v1/content/{'0' * 32}"

        await external.fetch(["0" * 32], max_bytes=100)
        with pytest.raises(ContentServiceError, match="302"):
            await external.store(b"text")

    assert trap.requests == []


@pytest.mark.parametrize("trouble", ["failing", "silent", "no_id", "redirecting"])
async def test_a_text_that_is_not_taken_now_may_be_sent_again(
    elsewhere: ContentServer, external: RemoteContent, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "EXCHANGE_SECONDS", 0.3)
    elsewhere.trouble = trouble

    with pytest.raises(ContentServiceError) as failed:
        await external.store(b"text")

    assert not isinstance(failed.value, ContentRefused)
    assert len(elsewhere.requests) == content.ATTEMPTS


async def test_a_text_that_is_refused_is_not_sent_again(
    elsewhere: ContentServer, external: RemoteContent
) -> None:
    elsewhere.max_bytes = 3

    with pytest.raises(ContentRefused, match="413 to a text of 4 bytes"):
        await external.store(b"text")

    assert elsewhere.requests == ["POST /v1/content"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    make_database: Callable[[str], str],
) -> AsyncIterator[tuple[Assessment, ContentServer]]:
    """The service with an external content service, and one text that was posted before that was named."""
    database = make_database("cj_elsewhere")
    async with content_server() as server:
        async with over_http(database) as before:
            OLD["id"], OLD["database"] = await before.store(OLD["text"]), database
        async with over_http(database, content_service_url=server.url) as service:
            yield service, server


OLD = {"text": "A text from before."}


@pytest.mark.asyncio(loop_scope="module")
async def test_essays_are_posted_through_and_judged_from_there(
    installation: tuple[Assessment, ContentServer],
) -> None:
    service, server = installation
    texts: dict[str, str | bytes] = {f"e{n}": "word " * (20 + 10 * n) for n in range(4)}

    posted = await service.store_all(texts)
    envelope = request(posted, hints={"max_comparisons": 6})
    await service.accept(envelope)
    status = await service.until_ended(envelope.data.entity_id)

    assert status.state is AssessmentState.COMPLETED
    assert all(THEIR_ID.fullmatch(storage_id) for storage_id in posted.values())
    assert {server.texts[posted[name]].decode() for name in texts} == set(texts.values())


@pytest.mark.asyncio(loop_scope="module")
async def test_prompts_rubrics_and_anchors_are_kept_there(
    installation: tuple[Assessment, ContentServer],
) -> None:
    service, server = installation
    told = {
        "assignment_id": "there",
        "instructions_text": "Judge the essays.",
        "grade_scale": "swedish_8_anchor",
    }
    posted = [
        ("/admin/v1/assessment-instructions", told),
        (
            "/admin/v1/student-prompts",
            {"assignment_id": "there", "prompt_text": "Write about a harbour."},
        ),
        ("/admin/v1/judge-rubrics", {"assignment_id": "there", "rubric_text": "Reward what is clear."}),
        (
            "/api/v1/anchors/register",
            {"assignment_id": "there", "grade": "B", "essay_text": ANCHOR},
        ),
    ]

    answers = [await service.http.post(path, json=body) for path, body in posted]
    prompt = await service.http.get("/admin/v1/student-prompts/assignment/there")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 201], answers[-1].text
    assert THEIR_ID.fullmatch(answers[3].json()["storage_id"])
    kept = [body.decode() for body in server.texts.values()]
    assert {"Write about a harbour.", "Reward what is clear.", ANCHOR} <= set(kept)
    assert prompt.json()["prompt_text"] == "Write about a harbour."


@pytest.mark.asyncio(loop_scope="module")
async def test_a_text_is_read_wherever_it_is(installation: tuple[Assessment, ContentServer]) -> None:
    service, _ = installation
    new = await service.store("A text from after.")

    answers = [await service.http.get(f"/v1/content/{name}") for name in (OLD["id"], new, "0" * 32)]

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert [answer.text for answer in answers[:2]] == [OLD["text"], "A text from after."]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_unavailable_content_service_is_not_replaced_by_local_storage(
    installation: tuple[Assessment, ContentServer],
) -> None:
    service, server = installation
    known = await service.store("A known text.")
    server.trouble = "failing"
    try:
        posted = await service.http.post(
            "/v1/content", content=b"lost", headers={"content-type": "text/plain"}
        )
        read = await service.http.get(f"/v1/content/{known}")
    finally:
        server.trouble = "none"

    assert (posted.status_code, read.status_code) == (502, 502)
    assert posted.json()["error"]["error_code"] == "CONTENT_SERVICE_ERROR"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_batch_that_is_forgotten_is_to_be_forgotten_there_too(
    installation: tuple[Assessment, ContentServer],
) -> None:
    service, server = installation
    there = await service.store_all({"e0": "Only this batch, first. " * 9, "e1": "And second. " * 9})
    envelope = request({**there, "e2": OLD["id"]}, hints={"max_comparisons": 3})
    batch_id = envelope.data.entity_id
    await service.accept(envelope)
    await service.until_ended(batch_id)

    answer = await service.http.delete(f"/admin/v1/batches/{batch_id}")
    old = await service.http.get(f"/v1/content/{OLD['id']}")
    async with stored(OLD["database"]) as storage, storage.database.transaction() as connection:
        query = text("SELECT elsewhere FROM erasure WHERE batch_id = :batch_id")
        elsewhere = await connection.scalar(query, {"batch_id": batch_id})

    assert answer.is_success
    assert old.status_code == 404
    assert set(elsewhere or ()) == set(there.values()) <= server.texts.keys()


async def test_unknown_texts_count_as_removed(elsewhere: ContentServer, external: RemoteContent) -> None:
    known = await external.store(b"text")

    gone = await external.remove([known, "0" * 32, "no id of theirs"])

    assert gone.removed == {known, "0" * 32, "no id of theirs"}
    assert elsewhere.texts == {}
