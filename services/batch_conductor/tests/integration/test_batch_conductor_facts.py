"""Gates over HTTP: what the content store, CJ Assessment and the LLM Provider answer, or do not, decides."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from batch_conductor.settings import Settings
from batch_conductor.tests.building import SPELLCHECK
from batch_conductor.tests.serving import SECRET, Conductor, rows, running
from event_contracts import ErrorBody, JsonObject, NotFound
from pydantic import SecretStr
from service_kit.http.error_answers import NO_SUCH_ROUTE
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import SERVICE_SECRET, SHARED_SECRET

pytestmark = pytest.mark.asyncio(loop_scope="module")

REF = {"references": {"student_prompt_text": {"storage_id": "stored"}}}
DANGLING = {"references": {"student_prompt_text": {"storage_id": "gone"}}}


@dataclass
class Neighbours:
    """The services that know facts, on one port; a path without an answer is 404."""

    port: int
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1].partition("?")[0]
        self.tokens += [line for line in head.splitlines() if line.lower().startswith("authorization:")]
        status, body = self.answers.get(path, (404, {}))
        text = json.dumps(body).encode()
        retry = "Retry-After: 17\r\n" if status == 503 else ""
        writer.write(
            f"HTTP/1.1 {status} X\r\n{retry}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode()
            + text
        )
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbours() -> AsyncIterator[Neighbours]:
    """What the neighbours know."""
    known = Neighbours(port=free_port())
    async with await asyncio.start_server(known.answer, "127.0.0.1", known.port):
        yield known


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conductor(database_url: str, neighbours: Neighbours) -> AsyncIterator[Conductor]:
    """A conductor next to them."""
    url = f"http://127.0.0.1:{neighbours.port}"
    settings = Settings(
        database_url=database_url,
        event_bus="memory",
        http_port=free_port(),
        callback_signing_secret=SECRET,
        cj_assessment_url=url,
        llm_provider_url=url,
        jwt_secret=SecretStr(SHARED_SECRET),
        service_secret=SecretStr(SERVICE_SECRET),
    )
    async with running(settings, bus=MemoryEventBus()) as conductor:
        yield conductor


def cost(usd: float, *, unpriced: int = 0) -> JsonObject:
    total: JsonObject = {"calls": 3, "unpriced_calls": unpriced, "cost_usd": usd}
    return {"by": "batch_id", "rows": [], "total": total}


NO_ROUTE = ErrorBody(
    error=NotFound("there is no such route", details={"reason": NO_SUCH_ROUTE}).detail(
        service="cj_assessment_service", operation="GET", correlation_id=uuid4()
    )
).model_dump(mode="json")
PROMPTED: JsonObject = {"prompt_attached": True}


@pytest.mark.parametrize(
    ("metadata", "answers", "status", "gate"),
    [
        ({"student_prompt_ref": REF}, {"/v1/content/stored": (200, "x")}, 200, None),
        ({"student_prompt_ref": DANGLING}, {}, 422, "prompt_attached"),
        ({"student_prompt_ref": REF}, {"/v1/content/stored": (503, {})}, 503, "prompt_attached"),
        ({"assignment_id": "a"}, {"/admin/v1/student-prompts/assignment/a": (200, {})}, 200, None),
        ({"assignment_id": "a"}, {}, 422, "prompt_attached"),
        (
            {"assignment_id": "a"},
            {"/admin/v1/student-prompts/assignment/a": (404, NO_ROUTE)},
            503,
            "prompt_attached",
        ),
        (
            {"assignment_id": "a"},
            {"/admin/v1/student-prompts/assignment/a": (401, {})},
            503,
            "prompt_attached",
        ),
        (
            {**PROMPTED, "grades_requested": True, "assignment_id": "a"},
            {"/api/v1/anchors/assignment/a": (200, {"assignment_id": "a", "anchors": []})},
            422,
            "anchors_registered",
        ),
        (
            {**PROMPTED, "grades_requested": True, "assignment_id": "a"},
            {"/api/v1/anchors/assignment/a": (200, {"nonsense": 1})},
            503,
            "anchors_registered",
        ),
        ({**PROMPTED, "max_cost_usd": 2}, {"/api/v1/costs": (200, cost(1.5))}, 200, None),
        ({**PROMPTED, "max_cost_usd": 2}, {"/api/v1/costs": (200, cost(2))}, 422, "budget_available"),
        (
            {**PROMPTED, "max_cost_usd": 2},
            {"/api/v1/costs": (200, cost(0, unpriced=1))},
            503,
            "budget_available",
        ),
        ({**PROMPTED, "max_cost_usd": 2}, {"/api/v1/costs": (500, {})}, 503, "budget_available"),
    ],
)
async def test_the_answer_follows_what_the_neighbours_say(
    conductor: Conductor,
    neighbours: Neighbours,
    batch_id: str,
    metadata: JsonObject,
    answers: dict[str, tuple[int, Any]],
    status: int,
    gate: str | None,
) -> None:
    neighbours.answers = answers

    answer = await conductor.define(batch_id, "cj_assessment", metadata=metadata)

    assert answer.status_code == status, answer.text
    if gate is not None:
        assert answer.json()["error"]["details"]["gate"] == gate
    assert ("Retry-After" in answer.headers) == (status == 503)


async def test_a_fact_that_is_not_known_keeps_no_plan_and_validate_says_the_same(
    conductor: Conductor, neighbours: Neighbours, batch_id: str
) -> None:
    neighbours.answers = {"/v1/content/stored": (503, {})}
    body = {
        "batch_id": batch_id,
        "requested_pipeline": "nlp",
        "correlation_id": "run-1",
        "batch_metadata": {"student_prompt_ref": REF},
    }

    defined = await conductor.http.post("/internal/v1/pipelines/define", json=body)
    validated = (await conductor.http.post("/internal/v1/pipelines/validate", json=body)).json()

    assert (defined.status_code, defined.headers["Retry-After"]) == (503, "17")
    assert not validated["valid"]
    verdicts = {gate["gate"]: gate["verdict"] for gate in validated["details"]["gates"]}
    assert verdicts == {"essays_ready": "open", "prompt_attached": "not_evaluated"}
    assert await rows(conductor.settings, "SELECT 1 FROM pipeline_plan WHERE batch_id = :b", b=batch_id) == []


async def test_blocks_are_counted_and_assignments_are_asked_about_with_a_token(
    conductor: Conductor, neighbours: Neighbours, batch_id: str
) -> None:
    neighbours.answers = {}

    await conductor.define(batch_id, "comprehensive", metadata={"assignment_id": "a"})
    await conductor.define(batch_id, "grammar")
    metrics = (await conductor.http.get("/metrics")).text

    assert 'huleedu_bcs_prompt_prerequisite_blocked_total{pipeline_name="comprehensive"} 1.0' in metrics
    assert (
        'bcs_prerequisite_blocked_total{gate="prompt_attached",pipeline_name="comprehensive"} 1.0' in metrics
    )
    assert (
        'huleedu_bcs_pipeline_resolutions_total{outcome="blocked",requested_pipeline="comprehensive"} 1.0'
        in metrics
    )
    assert 'outcome="failed",requested_pipeline="unknown"} 1.0' in metrics
    assert "grammar" not in metrics
    assert all("Bearer " in token for token in neighbours.tokens)
    assert neighbours.tokens


async def test_a_phase_ends_by_the_orchestrators_call_or_by_its_last_expected_essay(
    conductor: Conductor, batch_id: str
) -> None:
    body = {"batch_id": batch_id, "phase_name": "spellcheck", "success": True}

    failed = await conductor.http.post("/internal/v1/phases/complete", json={**body, "success": False})
    done = await conductor.http.post("/internal/v1/phases/complete", json=body)
    late = {**body, "success": False, "completed_at": "2020-01-01T00:00:00Z"}
    after = await conductor.http.post("/internal/v1/phases/complete", json=late)
    future = await conductor.http.post(
        "/internal/v1/phases/complete", json={**body, "completed_at": "2090-01-01T00:00:00Z"}
    )

    assert [answer.json()["outcome"] for answer in (failed, done, after)] == [
        "failed",
        "completed_successfully",
        "completed_successfully",
    ]
    assert future.status_code == 422
    assert (await conductor.phases(batch_id))[SPELLCHECK].status == "completed"
