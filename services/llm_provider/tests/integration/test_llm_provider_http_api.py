"""What the door lets in, and what it says to the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx2
import pytest
from event_contracts import ErrorBody, ErrorDetail, LLMConfigOverrides, RequestState, RequestStatus
from llm_provider.tests.building import comparison, json_body
from llm_provider.tests.serving import memory_bus, post, serving, settings_for, submit

SINGLE = "/api/v1/comparison"


@asynccontextmanager
async def service(database_url: str, **changes: object) -> AsyncIterator[httpx2.AsyncClient]:
    bus, _ = memory_bus()
    async with serving(settings_for(database_url, **changes), bus=bus) as client:
        yield client


def error_of(answer: httpx2.Response) -> ErrorDetail:
    return ErrorBody.model_validate_json(answer.content).error


async def test_an_accepted_request_has_a_queue_id_and_can_be_looked_up(database_url: str) -> None:
    item = comparison()
    async with service(database_url) as client:
        answer = await client.post(SINGLE, json=json_body(item))
        status = await client.get(f"/api/v1/requests/{answer.json()['queue_id']}")

    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"
    assert RequestStatus.model_validate_json(status.content).correlation_id == item.correlation_id


async def test_a_result_can_be_looked_up_when_it_is_there(database_url: str) -> None:
    bus, results = memory_bus()
    async with serving(settings_for(database_url), bus=bus) as client:
        answer = await submit(client, [comparison()])
        await results.waits_for(1)
        accepted = answer.items[0].accepted
        assert accepted is not None
        found = await client.get(f"/api/v1/requests/{accepted.queue_id}")

    status = RequestStatus.model_validate_json(found.content)
    assert status.status is RequestState.COMPLETED
    assert status.result == results.received[0]


async def test_an_unknown_request_is_not_found(database_url: str) -> None:
    async with service(database_url) as client:
        answer = await client.get(f"/api/v1/requests/{uuid4()}")

    assert answer.status_code == 404
    assert error_of(answer).error_code == "RESOURCE_NOT_FOUND"


async def test_the_same_key_and_body_is_the_same_request(database_url: str) -> None:
    body, headers = json_body(comparison()), {"Idempotency-Key": str(uuid4())}
    async with service(database_url) as client:
        first = await client.post(SINGLE, json=body, headers=headers)
        second = await client.post(SINGLE, json=body, headers=headers)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["queue_id"] == second.json()["queue_id"]


async def test_the_same_key_with_another_body_is_refused(database_url: str) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    async with service(database_url) as client:
        await client.post(SINGLE, json=json_body(comparison("one")), headers=headers)
        answer = await client.post(SINGLE, json=json_body(comparison("another")), headers=headers)

    assert answer.status_code == 422
    assert "use a new key" in error_of(answer).message


async def test_without_a_key_every_request_is_its_own(database_url: str) -> None:
    body = json_body(comparison())
    async with service(database_url) as client:
        answers = [await client.post(SINGLE, json=body) for _ in range(2)]

    assert len({answer.json()["queue_id"] for answer in answers}) == 2


async def test_a_key_that_is_repeated_inside_one_call_is_one_request(database_url: str) -> None:
    bus, results = memory_bus()
    once = comparison("one", key="twice")
    async with serving(settings_for(database_url), bus=bus) as client:
        answer = await submit(client, [once, comparison("two"), once, comparison("three", key="twice")])
        await results.waits_for(2)

    accepted = [item.accepted.queue_id if item.accepted else None for item in answer.items]
    assert accepted[0] == accepted[2]
    assert len(set(accepted[:2])) == 2
    assert answer.items[3].error is not None
    assert answer.items[3].error.error_code == "VALIDATION_ERROR"
    assert len(results.received) == 2


async def test_one_bad_item_does_not_keep_the_others_out(database_url: str) -> None:
    bad = comparison(overrides=LLMConfigOverrides(model_override="no-such-model"))
    bus, results = memory_bus()
    async with serving(settings_for(database_url), bus=bus) as client:
        answer = await submit(client, [comparison(), bad, comparison()])
        await results.waits_for(2)

    assert [item.accepted is not None for item in answer.items] == [True, False, True]
    assert answer.items[1].error is not None
    assert answer.items[1].error.error_code == "LLM_INVALID_CONFIG"
    assert answer.items[1].error.correlation_id == bad.correlation_id


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"provider_override": "nobody"}, "mock"),
        ({"model_override": "no-such-model"}, "simulated-judge-1"),
        ({"provider_override": "mock", "model_override": "gpt-1"}, "simulated-judge-1"),
        ({"provider_override": "replay", "reasoning_effort": "low"}, "leave it out"),
        ({"provider_override": "anthropic"}, "mock"),
        ({"temperature_override": 3.0}, "temperature_override"),
        ({"judge_rubric_override": "Judge the spelling only."}, "put the rubric into it"),
    ],
)
async def test_what_no_judge_can_honour_is_refused_with_the_choices_before_anything_is_queued(
    database_url: str, overrides: dict[str, object], said: str
) -> None:
    key = str(uuid4())
    body = {**json_body(comparison()), "llm_config_overrides": overrides}
    async with service(database_url) as client:
        refused = await client.post(SINGLE, json=body, headers={"Idempotency-Key": key})
        corrected = await client.post(SINGLE, json=json_body(comparison()), headers={"Idempotency-Key": key})

    assert refused.status_code == 422
    assert said in error_of(refused).message
    assert corrected.status_code == 202, "the refused request must not have leased the key"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"callback_topic": None}, "LLM_CALLBACK_TOPIC_MISSING"),
        ({"callback_topic": "somebody.elses.topic"}, "LLM_INVALID_CALLBACK_TOPIC"),
        ({"callback_topic": None, "callback_url": "http://metadata.internal/"}, "LLM_INVALID_CALLBACK_TOPIC"),
        ({"callback_topic": None, "callback_url": "ftp://127.0.0.1/"}, "LLM_INVALID_CALLBACK_TOPIC"),
        ({"user_prompt": ""}, "VALIDATION_ERROR"),
        ({"correlation_id": "none"}, "VALIDATION_ERROR"),
        ({"user_prompt": "a\x00b", "prompt_blocks": None}, "VALIDATION_ERROR"),
        ({"prompt_blocks": [{"target": "system", "content": "a\x00b"}]}, "VALIDATION_ERROR"),
        ({"metadata": {"note": "a\x00b"}}, "VALIDATION_ERROR"),
        ({"metadata": {"number": 10**30}}, "VALIDATION_ERROR"),
        ({"user_id": "a\x00b"}, "VALIDATION_ERROR"),
    ],
)
async def test_a_request_that_cannot_be_answered_is_refused_with_its_code(
    database_url: str, changes: dict[str, object], code: str
) -> None:
    async with service(database_url) as client:
        answer = await client.post(SINGLE, json={**json_body(comparison()), **changes})

    assert answer.status_code == 422
    assert error_of(answer).error_code == code


async def test_a_key_that_cannot_be_kept_is_refused(database_url: str) -> None:
    async with service(database_url) as client:
        wrong, right = (json_body(comparison(key=key)) for key in ("a", "b"))
        body = {"comparisons": [{**wrong, "idempotency_key": "a\x00b"}, right]}
        answer = await client.post("/api/v1/comparisons", json=body)

    assert [item["error"] is None for item in answer.json()["items"]] == [False, True]


async def test_a_text_that_spells_out_an_escape_is_a_text(database_url: str) -> None:
    bus, results = memory_bus()
    async with serving(settings_for(database_url), bus=bus) as client:
        await submit(client, [comparison(r"In JSON, NUL is written \u0000.")])
        (result,) = await results.waits_for(1)

    assert result.winner is not None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe"])
async def test_a_body_that_is_not_a_request_is_refused(database_url: str, body: bytes) -> None:
    async with service(database_url) as client:
        answer = await client.post(SINGLE, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert error_of(answer).error_code == "VALIDATION_ERROR"


async def test_a_full_queue_answers_503_with_retry_after(database_url: str) -> None:
    held = {"max_queue_size": 2, "simulated_latency_ms": 60_000.0}
    key = str(uuid4())
    async with service(database_url, **held) as client:
        body = json_body(comparison())
        first = await client.post(SINGLE, json=body, headers={"Idempotency-Key": key})
        await submit(client, [comparison()])
        full = await client.post(SINGLE, json=json_body(comparison()))
        full_too = await post(client, [comparison()])
        known = await client.post(SINGLE, json=body, headers={"Idempotency-Key": key})

    assert full.status_code == full_too.status_code == 503
    assert int(full.headers["Retry-After"]) > 0
    assert error_of(full).error_code == "LLM_QUEUE_FULL"
    assert known.status_code == 202, "what is in the queue already needs no room"
    assert UUID(known.json()["queue_id"]) == UUID(first.json()["queue_id"])


async def test_requests_that_come_at_the_same_time_are_each_answered_for_themselves(
    database_url: str,
) -> None:
    good = [json_body(comparison(f"essay {number}")) for number in range(20)]
    bad = {**json_body(comparison()), "callback_topic": "somebody.elses.topic"}
    async with service(database_url) as client:
        answers = await asyncio.gather(*[client.post(SINGLE, json=body) for body in (*good, bad)])

    assert [answer.status_code for answer in answers] == [202] * 20 + [422]
    assert len({answer.json()["queue_id"] for answer in answers[:20]}) == 20


async def test_a_caller_that_hangs_up_leaves_the_requests_of_others_alone(database_url: str) -> None:
    bus, results = memory_bus()
    async with serving(settings_for(database_url), bus=bus) as client:
        posts = [
            asyncio.create_task(client.post(SINGLE, json=json_body(comparison(f"essay {number}"))))
            for number in range(10)
        ]
        await asyncio.sleep(0)
        posts[0].cancel()
        answers = await asyncio.gather(*posts[1:])
        received = await results.waits_for(9)

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["queue_id"] for answer in answers} <= {result.request_id for result in received}
