"""The service and the other parties of a batch: they keep its texts, judge it, and wait for its result."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cj_assessment.tests.building import request
from cj_assessment.tests.fake_llm_provider import Vote, longer_text_wins
from cj_assessment.tests.postgres_fixtures import stored
from cj_assessment.tests.serving import SECRET, Assessment, over_http
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    CJAssessmentCompletedV1,
    ComparisonBatchItem,
    StopReason,
    Winner,
    event_for,
    parse_envelope,
)
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response
from quart import request as received
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.http.bodies import request_body
from service_kit.tests.waiting import eventually

TEXTS = {f"essay-{n}": "word " * (20 + 10 * n) for n in range(8)}
PANEL = [
    {"provider": "anthropic", "model": "claude-sonnet-5-5", "share": 0.75},
    {"provider": "openai", "model": "gpt-6-luna", "share": 0.25},
]


@dataclass
class Platform:
    """Another service: it keeps texts, and is told results. ``broken`` ids cannot be had, ever."""

    url: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)

    def app(self) -> Quart:
        app = Quart("platform")

        @app.get("/v1/content/<name>")
        async def content(name: str) -> Response:
            self.fetched.append(name)
            if name in self.broken:
                return Response("", 500)
            return Response(self.texts[name]) if name in self.texts else Response("", 404)

        @app.post("/results")
        async def results() -> Response:
            body = await request_body()
            WebhookSigner(SECRET).verify(dict(received.headers), body)
            self.told.append(body)
            return Response("", 204)

        return app


@asynccontextmanager
async def platform() -> AsyncIterator[Platform]:
    listener = socket.create_server(("127.0.0.1", 0))
    opened = Platform(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    config, closing = Config(), asyncio.Event()
    config.bind, config.errorlog = [f"fd://{listener.detach()}"], None
    serving = asyncio.create_task(serve(opened.app(), config, shutdown_trigger=closing.wait))
    try:
        yield opened
    finally:
        closing.set()
        await serving


async def ask(service: Assessment, storage: dict[str, str], **hints: object) -> str:
    envelope = request(storage, hints={"target_reliability": 0.8, **hints})  # type: ignore[dict-item]  # JSON values
    answer = await service.accept(envelope)
    assert answer.status_code == 202, answer.text
    return envelope.data.entity_id


async def test_texts_of_another_service_are_fetched_and_what_cannot_be_had_is_named(
    make_database: Callable[[str], str],
) -> None:
    async with platform() as elsewhere:
        elsewhere.texts, elsewhere.broken = dict(TEXTS), {"lost"}
        storage = {name: name for name in (*TEXTS, "lost", "unknown")}
        options: dict[str, Any] = {
            "content_service_url": elsewhere.url,
            "content_timeout": timedelta(0),
        }
        async with over_http(make_database("cj_content"), **options) as service:
            batch_id = await ask(service, storage)

            status = await service.until_ended(batch_id)
            result = await service.result(batch_id)

    failed = result["assessment_metadata"]["failed_essays"]
    assert status.state is AssessmentState.COMPLETED_WITH_FAILURES
    assert len(result["essay_results"]) == len(TEXTS)
    assert "CONTENT_SERVICE_ERROR" in failed["lost"]
    assert "answered 500" in failed["lost"]
    assert "RESOURCE_NOT_FOUND" in failed["unknown"]


async def test_a_batch_waits_for_a_content_service_that_is_away(make_database: Callable[[str], str]) -> None:
    async with platform() as elsewhere:
        elsewhere.texts, elsewhere.broken = dict(TEXTS), set(TEXTS)
        database = make_database("cj_content")
        async with over_http(database, content_service_url=elsewhere.url) as service:
            batch_id = await ask(service, {name: name for name in TEXTS})
            await eventually(lambda: len(elsewhere.fetched) == 3 * len(TEXTS))
            waiting = await service.status(batch_id)
            elsewhere.broken.clear()
            async with stored(database) as storage:
                await storage.execute("UPDATE assessment_batch SET next_check_at = now()")

            status = await service.until_ended(batch_id, seconds=60)

    assert waiting.state is AssessmentState.ACCEPTED
    assert status.state is AssessmentState.COMPLETED


async def test_the_requester_is_told_by_signed_callback(make_database: Callable[[str], str]) -> None:
    async with (
        platform() as elsewhere,
        over_http(make_database("cj_callback"), callback_allowed_hosts=("127.0.0.1",)) as service,
    ):
        batch_id = await ask(service, await _stored(service), callback_url=f"{elsewhere.url}/results")
        await service.until_ended(batch_id)
        await eventually(lambda: len(elsewhere.told) == 2)

    told = [parse_envelope(body, event_for(_type_of(body))).data for body in elsewhere.told]
    assert {type(event) for event in told} == {AssessmentResultV1, CJAssessmentCompletedV1}


async def test_a_callback_to_a_host_that_is_not_allowed_is_refused_at_the_door(
    make_database: Callable[[str], str],
) -> None:
    async with over_http(make_database("cj_callback")) as service:
        envelope = request(await _stored(service), hints={"callback_url": "http://elsewhere.example/results"})

        answer = await service.accept(envelope)

    assert answer.status_code == 422
    assert "elsewhere.example" in answer.json()["error"]["message"]


async def test_each_judge_of_a_panel_gets_its_share_and_its_own_numbers(
    make_database: Callable[[str], str],
) -> None:
    def first_slot_at_a_third_of_the_calls(item: ComparisonBatchItem) -> Vote:
        assert item.llm_config_overrides is not None
        provider = item.llm_config_overrides.provider_override
        votes[provider] = votes.get(provider, 0) + 1
        return Vote(winner=Winner.ESSAY_A) if votes[provider] % 3 == 0 else longer_text_wins(item)

    votes: dict[str | None, int] = {}
    async with over_http(make_database("cj_panel")) as service:
        service.fake_llm.judge = first_slot_at_a_third_of_the_calls
        batch_id = await ask(
            service, await _stored(service), judge_panel=PANEL, max_comparisons=80, target_reliability=0.999
        )
        status = await service.until_ended(batch_id)
        result = await service.result(batch_id)

    metadata = result["assessment_metadata"]
    leading, other = (metadata["judges"][f"{judge['provider']}/{judge['model']}"] for judge in PANEL)
    assert status.stop_reason is StopReason.BUDGET_COMPARISONS
    assert (leading["comparisons"], other["comparisons"]) == (60, 20)
    assert votes == {"anthropic": 60, "openai": 20}
    assert result["model_used"] == "claude-sonnet-5-5"
    assert set(metadata["position_bias"]) == set(metadata["judges"])
    assert 0 <= leading["agreement"]["openai/gpt-6-luna"]["share"] <= 1


async def test_what_is_outstanding_when_a_batch_is_cancelled_is_taken_back(
    make_database: Callable[[str], str],
) -> None:
    async with over_http(make_database("cj_withdraw")) as service:
        service.fake_llm.answers_immediately = False
        batch_id = await ask(service, await _stored(service))
        await eventually(lambda: len(service.fake_llm.waiting()) >= len(TEXTS))

        await service.http.post(f"/api/v1/batches/{batch_id}/cancel")
        await service.until_ended(batch_id)
        await eventually(lambda: service.fake_llm.cancelled == set(service.fake_llm.taken))


async def _stored(service: Assessment) -> dict[str, str]:
    return await service.store_all(dict(TEXTS))


def _type_of(body: bytes) -> str:
    return str(json.loads(body)["event_type"])
