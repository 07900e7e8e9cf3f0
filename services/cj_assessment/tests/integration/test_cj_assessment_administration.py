"""The administrators' routes: what is stored, what is locked, what is audited, and who may see it."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from cj_assessment.tests.building import request
from cj_assessment.tests.serving import Assessment, over_http
from service_kit.tests.tokens import bearer, signed_with_secret

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCALE, OTHER_SCALE = "eng5_np_legacy_9_step", "eng5_np_national_9_step"
TEXT = "Judge which essay answers the task better."
ANCHOR = "An anchor essay that is long enough to be judged with the others. " * 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(make_database: Callable[[str], str]) -> AsyncIterator[Assessment]:
    async with over_http(make_database("cj_admin")) as running:
        yield running


@pytest.fixture
def http(service: Assessment) -> httpx2.AsyncClient:
    return service.http


@pytest.fixture
def assignment() -> str:
    return f"assignment-{uuid4()}"


async def saved(http: httpx2.AsyncClient, **fields: object) -> dict[str, Any]:
    body = {"instructions_text": TEXT, "grade_scale": SCALE, **fields}
    answer = await http.post("/admin/v1/assessment-instructions", json=body)
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def register(http: httpx2.AsyncClient, assignment: str, **fields: object) -> httpx2.Response:
    body = {"assignment_id": assignment, "grade": "B", "essay_text": ANCHOR, **fields}
    return await http.post("/api/v1/anchors/register", json=body)


async def test_instructions_are_stored_read_listed_replaced_and_deleted(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    first = await saved(http, assignment_id=assignment)
    second = await saved(http, assignment_id=assignment, instructions_text=TEXT * 2)
    path = f"/admin/v1/assessment-instructions/assignment/{assignment}"
    read = (await http.get(path)).json()
    listed = (
        await http.get("/admin/v1/assessment-instructions", params={"page_size": 200, "grade_scale": SCALE})
    ).json()
    deleted = await http.delete(path)
    again = await http.delete(path)

    assert first["id"] == second["id"] == read["id"]
    assert read["instructions_text"] == TEXT * 2
    assert read in listed["items"]
    assert (listed["page"], listed["page_size"]) == (1, 200)
    assert (deleted.status_code, deleted.json()["status"], again.status_code) == (200, "deleted", 404)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"assignment_id": "a", "course_id": "ENG5"},
        {"assignment_id": "a", "instructions_text": "short"},
        {"assignment_id": "a", "grade_scale": "no_such_scale"},
        {"assignment_id": "a", "context_origin": "other"},
    ],
    ids=["no owner", "two owners", "short", "scale", "origin"],
)
async def test_instructions_that_do_not_fit_are_refused(
    http: httpx2.AsyncClient, fields: dict[str, str]
) -> None:
    body = {"instructions_text": TEXT, "grade_scale": SCALE, **fields}

    answer = await http.post("/admin/v1/assessment-instructions", json=body)

    assert answer.status_code == 422


async def test_scale_and_origin_are_locked_once_anchors_exist(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    await saved(http, assignment_id=assignment)
    anchor = (await register(http, assignment)).json()
    changes = ({"grade_scale": OTHER_SCALE}, {"context_origin": "canonical_national"})
    body = {"assignment_id": assignment, "instructions_text": TEXT, "grade_scale": SCALE}

    refused = [
        await http.post("/admin/v1/assessment-instructions", json={**body, **change}) for change in changes
    ]
    deleted = await http.delete(f"/admin/v1/anchors/{anchor['anchor_id']}")
    accepted = [
        await http.post("/admin/v1/assessment-instructions", json={**body, **change}) for change in changes
    ]

    assert [answer.status_code for answer in refused] == [409, 409]
    assert deleted.json()["anchor_id"] == anchor["anchor_id"]
    assert [answer.status_code for answer in accepted] == [200, 200]


async def test_a_prompt_and_a_rubric_come_back_as_they_were_uploaded(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    kinds = {"student-prompts": "prompt_text", "judge-rubrics": "rubric_text"}
    too_early = [
        await http.post(f"/admin/v1/{kind}", json={"assignment_id": assignment, field: TEXT})
        for kind, field in kinds.items()
    ]
    await saved(http, assignment_id=assignment)

    for kind, field in kinds.items():
        missing = await http.get(f"/admin/v1/{kind}/assignment/{assignment}")
        await http.post(f"/admin/v1/{kind}", json={"assignment_id": assignment, field: f"{kind} åäö"})
        read = await http.get(f"/admin/v1/{kind}/assignment/{assignment}")
        assert (missing.status_code, read.json()[field]) == (404, f"{kind} åäö")

    assert [answer.status_code for answer in too_early] == [404, 404]


async def test_a_prompt_that_is_not_text_is_refused_and_not_repaired(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    stored = await http.post(
        "/v1/content", content=b"Write about \xff.", headers={"content-type": "application/octet-stream"}
    )
    storage_id = stored.json()["storage_id"]
    await saved(http, assignment_id=assignment, student_prompt_storage_id=storage_id)

    read = await http.get(f"/admin/v1/student-prompts/assignment/{assignment}")

    assert read.status_code == 422
    assert read.json()["error"]["message"] == "the student prompt is not UTF-8 text"


async def test_an_anchor_needs_a_text_a_grade_of_the_scale_and_gets_a_label(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    without_scale = await register(http, assignment)
    await saved(http, assignment_id=assignment)
    short = await register(http, assignment, essay_text="x" * 99)
    other_scale = await register(http, assignment, grade_scale=OTHER_SCALE, grade="5")
    wrong_grade = await register(http, assignment, grade="9")
    first = (await register(http, assignment)).json()
    second = (await register(http, assignment, essay_text=ANCHOR + "Another.")).json()

    refusals = (without_scale, short, other_scale, wrong_grade)
    assert [answer.status_code for answer in refusals] == [422] * 4
    assert (first["anchor_label"], second["anchor_label"]) == ("B1", "B2")
    assert isinstance(first["anchor_id"], int)
    assert {"storage_id", "grade_scale", "status"} <= first.keys()


async def test_the_same_text_twice_is_one_anchor(http: httpx2.AsyncClient, assignment: str) -> None:
    await saved(http, assignment_id=assignment)
    await register(http, assignment)
    await register(http, assignment)
    await register(http, assignment, grade="A")

    found = (await http.get(f"/admin/v1/anchors/assignment/{assignment}")).json()

    assert (found["anchor_count"], found["anchor_count_total"]) == (1, 1)
    assert found["anchor_count_by_scale"] == {SCALE: 1}
    assert found["anchors"][0]["grade"] == "A"


async def test_every_change_says_who_when_what_before_and_after(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    await saved(http, assignment_id=assignment)
    await saved(http, assignment_id=assignment, instructions_text=TEXT * 2)
    await register(http, assignment)
    await http.delete(f"/admin/v1/assessment-instructions/assignment/{assignment}")

    items = (await http.get("/admin/v1/audit", params={"limit": 200})).json()["items"]

    mine = [one for one in items if one["subject"] == f"assignment {assignment}"][::-1]
    assert [one["operation"] for one in mine] == [
        "instructions.save",
        "instructions.save",
        "anchors.register",
        "instructions.delete",
    ]
    assert {one["by"] for one in mine} == {"admin@example.org"}
    assert [one["before"] is None for one in mine] == [True, False, True, False]
    assert mine[1]["before"]["instructions_text"] == TEXT
    assert mine[1]["after"]["instructions_text"] == TEXT * 2
    assert ANCHOR not in str(mine)


async def test_a_registered_and_a_deleted_anchor_are_audited_alike(
    http: httpx2.AsyncClient, assignment: str
) -> None:
    await saved(http, assignment_id=assignment)
    anchor = (await register(http, assignment)).json()
    await http.delete(f"/admin/v1/anchors/{anchor['anchor_id']}")

    items = (await http.get("/admin/v1/audit", params={"limit": 200})).json()["items"]

    deleted, registered = [one for one in items if one["subject"] == f"assignment {assignment}"][:2]
    assert (registered["operation"], deleted["operation"]) == ("anchors.register", "anchors.delete")
    assert registered["after"] == deleted["before"]
    assert registered["after"]["anchor_id"] == anchor["anchor_id"]
    assert (registered["before"], deleted["after"]) == (None, None)


async def test_the_audit_is_paged_to_its_end(http: httpx2.AsyncClient, assignment: str) -> None:
    for _ in range(5):
        await saved(http, assignment_id=assignment)
    seen: list[int] = []
    params: dict[str, int] = {"limit": 2}
    while True:
        page = (await http.get("/admin/v1/audit", params=params)).json()
        seen += [one["id"] for one in page["items"]]
        if page["next_before"] is None:
            break
        params["before"] = page["next_before"]

    assert len(seen) >= 5
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("role", ["operator", "runner", "reader", "service"])
async def test_only_administrators_see_or_change_anything(
    http: httpx2.AsyncClient, assignment: str, role: str
) -> None:
    headers = bearer(signed_with_secret(roles=[role]))
    body = {"assignment_id": assignment, "instructions_text": TEXT, "grade_scale": SCALE}

    answers = [
        await http.post("/admin/v1/assessment-instructions", json=body, headers=headers),
        await http.get("/admin/v1/audit", headers=headers),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]


async def test_a_request_without_an_assignment_never_sees_another_courses_instructions(
    service: Assessment,
) -> None:
    await saved(service.http, course_id="SV3")

    texts = await service.store_all({f"e{n}": "word " * (20 + n) for n in range(4)})
    envelope = request(texts, hints={"max_comparisons": 4})
    await service.accept(envelope)
    await service.until_ended(envelope.data.entity_id)

    shown = str([item.prompt_blocks for item in service.fake_llm.taken.values()])
    assert TEXT not in shown


async def test_operations_are_counted_by_the_name_that_dashboards_read(
    service: Assessment, assignment: str
) -> None:
    await saved(service.http, assignment_id=assignment)

    counted = await service.metric(
        "cj_admin_instruction_operations_total", operation="upsert", status="success"
    )

    assert counted >= 1


async def test_batches_are_listed_to_the_last_and_for_readers_alone(service: Assessment) -> None:
    asked = []
    for _ in range(3):
        texts = await service.store_all({f"e{n}": f"{uuid4()} " * 20 for n in range(3)})
        envelope = request(texts, hints={"max_comparisons": 3})
        await service.accept(envelope)
        asked.append(envelope.data.entity_id)
    reader = bearer(signed_with_secret(roles=["reader"]))
    seen: list[str] = []
    params: dict[str, str] = {"limit": "2"}
    while True:
        page = (await service.http.get("/api/v1/batches", params=params, headers=reader)).json()
        seen += [one["batch_id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    wrong = await service.http.get("/api/v1/batches", params={"cursor": "99999999999999999-" + "-" * 36})
    forbidden = await service.http.get("/api/v1/batches", headers=bearer(signed_with_secret(roles=[])))

    assert seen[:3] == asked[::-1]
    assert len(seen) == len(set(seen))
    assert (wrong.status_code, forbidden.status_code) == (422, 403)
    for batch_id in asked:
        await service.until_ended(batch_id)


async def test_health_says_so_where_a_service_is_in_development(
    service: Assessment, make_database: Callable[[str], str]
) -> None:
    usual = (await service.http.get("/healthz")).json()
    async with over_http(make_database("cj_development"), development=True) as running:
        said = (await running.http.get("/healthz")).json()

    assert "development" not in usual
    assert said == {**usual, "development": True}
