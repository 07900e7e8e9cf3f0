"""What is forgotten is gone from both databases, and what is exported is all that they hold."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from admin_cli.tests.running import Program
from cj_assessment.tests.building import request
from event_contracts import LLMConfigOverrides
from service_kit.tests.tokens import signed_with_secret
from suite.tests.both_services import BothServices, both_services

pytestmark = pytest.mark.asyncio(loop_scope="module")

ESSAYS = 8
RUBRIC = "Reward the heron that stands in the third sentence."
COMPARISONS = 24


@dataclass(frozen=True)
class Judged:
    """A batch that has ended, and what its pupils wrote."""

    batch_id: str
    sentences: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(make_database: Callable[[str], str]) -> AsyncIterator[BothServices]:
    """Both services, shared by these tests."""
    async with both_services(make_database("privacy_cj"), make_database("privacy_llm")) as running:
        yield running


async def judged(services: BothServices, *, shared_text: str | None = None) -> Judged:
    """Have a batch judged whose essays are in no other batch."""
    batch_id = f"batch-{uuid4().hex}"
    sentences = {
        f"pupil-{number}-{batch_id[-6:]}": f"Secret sentence {uuid4().hex} of number {number}."
        for number in range(ESSAYS)
    }
    stored: dict[str, str] = {}
    for name, sentence in sentences.items():
        stored[name] = await _stored(services, f"{sentence} It goes on for a while after that.")
    if shared_text is not None:
        stored[f"shared-{batch_id[-6:]}"] = await _stored(services, shared_text)
    envelope = request(
        stored,
        batch_id=batch_id,
        overrides=LLMConfigOverrides(judge_rubric_override=RUBRIC),
        hints={"max_comparisons": COMPARISONS, "target_reliability": 0.999},
    )
    answer = await services.assessment.post(
        "/api/v1/assessments", content=envelope.to_json(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 202, answer.text
    status = await services.until_ended(f"/api/v1/batches/{batch_id}")
    assert status["state"] == "completed", status
    return Judged(batch_id, sentences)


async def _stored(services: BothServices, text: str) -> str:
    answer = await services.assessment.post(
        "/v1/content", content=text.encode(), headers={"content-type": "text/plain"}
    )
    found: str = answer.json()["storage_id"]
    return found


async def forgotten(services: BothServices, batch_id: str, *, everything: bool = False) -> dict[str, Any]:
    answer = await services.assessment.delete(
        f"/admin/v1/batches/{batch_id}", params={"everything": "true"} if everything else {}
    )
    assert answer.status_code == 202, answer.text
    return await services.until_ended(f"/admin/v1/batches/{batch_id}/erasure")


def rows_with(dump: str, needles: list[str]) -> list[str]:
    return [line[:120] for line in dump.splitlines() if any(needle in line for needle in needles)]


async def test_a_forgotten_batch_leaves_no_sentence_and_keeps_its_scores(services: BothServices) -> None:
    batch = await judged(services)
    needles = [*batch.sentences.values(), RUBRIC]
    before = await services.dump()

    view = await forgotten(services, batch.batch_id)

    after = await services.dump()
    assert len(rows_with(before, needles)) > 3 * ESSAYS
    assert rows_with(after, needles) == []
    assert view["requests_erased"] >= COMPARISONS
    assert view["waiting_for"] == []
    result = (await services.assessment.get(f"/api/v1/batches/{batch.batch_id}/results")).json()["result"]
    assert {one["essay_id"] for one in result["essay_results"]} == set(batch.sentences)
    page = (await services.assessment.get(f"/api/v1/batches/{batch.batch_id}/comparisons")).json()
    assert all(one["winner"] and one["justification"] is None for one in page["items"])


async def test_everything_of_a_batch_can_go_and_the_sums_of_costs_stay(services: BothServices) -> None:
    batch = await judged(services)
    costs = (await services.provider.get("/api/v1/costs", params={"by": "provider"})).json()["total"]

    await forgotten(services, batch.batch_id, everything=True)

    after = await services.dump()
    left = rows_with(after, [*batch.sentences, *batch.sentences.values(), batch.batch_id])
    assert [line.partition(":")[0] for line in left] == ["admin_change", "erasure"]
    assert (await services.assessment.get(f"/api/v1/batches/{batch.batch_id}")).status_code == 404
    again = (await services.provider.get("/api/v1/costs", params={"by": "provider"})).json()["total"]
    assert again == costs


async def test_forgetting_twice_is_the_same_as_once(services: BothServices) -> None:
    batch = await judged(services)
    once = await forgotten(services, batch.batch_id)

    twice = await forgotten(services, batch.batch_id)

    assert twice == once


async def test_a_batch_that_was_forgotten_can_still_be_forgotten_with_everything(
    services: BothServices,
) -> None:
    batch = await judged(services)
    await forgotten(services, batch.batch_id)

    view = await forgotten(services, batch.batch_id, everything=True)

    assert view["everything"]
    assert (await services.assessment.get(f"/api/v1/batches/{batch.batch_id}")).status_code == 404


async def test_a_text_that_another_batch_refers_to_stays_until_that_is_forgotten_too(
    services: BothServices,
) -> None:
    shared = f"Shared sentence {uuid4().hex}. It is in two batches."
    one = await judged(services, shared_text=shared)
    other = await judged(services, shared_text=shared)

    await forgotten(services, one.batch_id)
    between = await services.dump()
    await forgotten(services, other.batch_id)
    after = await services.dump()

    assert {line.partition(":")[0] for line in rows_with(between, [shared])} >= {"content", "batch_essay"}
    assert rows_with(after, [shared]) == []


async def test_an_export_holds_all_of_a_batch_and_nothing_of_another(services: BothServices) -> None:
    one, other = await judged(services), await judged(services)

    answer = await services.assessment.get(f"/admin/v1/batches/{one.batch_id}/export")

    document = json.loads(answer.content)
    assert answer.status_code == 200
    assert document["batch_id"] == one.batch_id
    assert [essay["essay_id"] for essay in document["essays"]] == list(one.sentences)
    assert len(document["texts"]) == ESSAYS
    assert len(document["comparisons"]) == len(document["attempts"]) == COMPARISONS
    assert len(document["llm_provider"][0]["requests"]) == COMPARISONS
    assert all(sentence in answer.text for sentence in one.sentences.values())
    assert not any(sentence in answer.text for sentence in other.sentences.values())


async def test_an_essays_export_holds_its_text_and_no_other_essays(services: BothServices) -> None:
    batch = await judged(services)
    (name, sentence), *others = batch.sentences.items()

    answer = await services.assessment.get(f"/admin/v1/essays/{name}/export")

    document = json.loads(answer.content)
    assert document["essays"][0]["essay_id"] == name
    assert document["texts"][0]["text"].startswith(sentence)
    assert document["results"][0]["result"]["essay_id"] == name
    assert document["comparisons"]
    assert all("prompt_blocks" not in one for one in document["llm_provider"][0]["requests"])
    texts = json.dumps([document["essays"], document["texts"], document["results"]])
    assert not any(other_sentence in texts for _, other_sentence in others)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/admin/v1/batches/nobody"),
        ("GET", "/admin/v1/batches/nobody/export"),
        ("GET", "/admin/v1/batches/nobody/erasure"),
        ("GET", "/admin/v1/essays/nobody/export"),
    ],
)
async def test_an_unknown_batch_or_essay_is_404_for_every_privacy_route(
    services: BothServices, method: str, path: str
) -> None:
    answer = await services.assessment.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["error_code"] == "RESOURCE_NOT_FOUND"


async def test_nobody_forgets_or_exports_without_a_token(services: BothServices) -> None:
    for client in (services.assessment, services.provider):
        for method, path in (("DELETE", "/admin/v1/batches/b"), ("GET", "/admin/v1/batches/b/export")):
            answer = await client.request(method, path, headers={"Authorization": ""})
            assert answer.status_code == 401, (method, path)


async def test_cj_admin_asks_before_it_forgets_and_leaves_no_text(
    services: BothServices, tmp_path: Path
) -> None:
    batch = await judged(services)
    pupil, sentence = next(iter(batch.sentences.items()))
    address = str(services.assessment.base_url)
    admin = Program(tmp_path, {"CJ_ADMIN_BASE_URL": address, "CJ_ADMIN_TOKEN": signed_with_secret()})
    held = tmp_path / "held.json"

    to_file = await admin("batches", "export", batch.batch_id, "--output-file", held)
    of_pupil = await admin("batches", "export", pupil, "--essay")
    unsure = await admin("batches", "forget", batch.batch_id)
    declined, asked = await asyncio.to_thread(
        admin.converse, "batches", "forget", batch.batch_id, answers={"[y/n]": "n"}
    )
    before = await admin("batches", "export", batch.batch_id)
    forgotten = await admin("batches", "forget", batch.batch_id, "--yes")
    dump = await services.dump()
    everything = await admin("batches", "forget", batch.batch_id, "--yes", "--everything", "--json")
    gone = await admin("batches", "show", batch.batch_id)

    assert (to_file.code, of_pupil.code, unsure.code, declined, before.code) == (0, 0, 2, 2, 0)
    assert held.stat().st_mode & 0o777 == 0o600
    assert json.loads(held.read_text()) == json.loads(before.out)
    assert sentence in of_pupil.out
    assert "--yes" in unsure.err
    assert batch.batch_id in asked.replace("\r\n", "")
    assert sentence in before.out
    assert (forgotten.code, "scores and grades stay" in forgotten.out) == (0, True)
    assert not [one for one in batch.sentences.values() if one in dump]
    assert (everything.json["everything"], gone.code) == (True, 3)
