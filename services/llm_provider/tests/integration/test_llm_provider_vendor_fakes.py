"""The fake vendors can be believed: the vendors' own SDKs understand them, and their own types accept what they say."""

import json
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest
from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import Allowance as Kind
from llm_provider.ports import Ending
from llm_provider.tests.vendors.calling import BATCH_VENDORS, VENDORS, call, judge_of, plain_client
from llm_provider.tests.vendors.fake_vendors import (
    KEY,
    VERDICT,
    Allowance,
    Answer,
    BreaksOff,
    Failure,
    FakeVendors,
    always,
    fake_vendors,
    in_turn,
)
from llm_provider.tests.vendors.published_types import check_answer, check_anthropic_error

if TYPE_CHECKING:  # every test process loads this module, and each SDK takes a second
    from anthropic import AsyncAnthropic
    from google import genai
    from openai import AsyncOpenAI

THOUGHTFUL: Final = Usage(input=100, output=30, cache_read=50, cache_write=20, cache_write_1h=10, reasoning=9)
FAILURES: Final = (400, 401, 403, 404, 413, 429, 500)


async def raw_answer(vendor: str, answer: Answer | Failure, **changes: Any) -> tuple[int, JsonObject]:
    """What goes over the wire when our judge asks."""
    answers: list[tuple[int, JsonObject]] = []

    async def keep(response: httpx2.Response) -> None:
        answers.append((response.status_code, json.loads(await response.aread())))

    async with (
        fake_vendors(always(answer)) as vendors,
        httpx2.AsyncClient(verify=False, event_hooks={"response": [keep]}) as client,
    ):
        judge = judge_of(vendor, client, base_url=vendors.url(vendor))
        try:
            await judge.judge(call(vendor, **changes))
        except Exception:
            assert isinstance(answer, Failure)
    return answers[0]


@pytest.mark.parametrize(("vendor", "ending"), [*product(VENDORS, Ending)])
async def test_answers_have_the_form_that_the_vendor_publishes(vendor: str, ending: Ending) -> None:
    _, body = await raw_answer(vendor, Answer(ending=ending, usage=THOUGHTFUL))

    check_answer(vendor, body)


async def test_answers_through_a_tool_have_the_form_that_anthropic_publishes() -> None:
    _, body = await raw_answer("anthropic", Answer(), structured_output="tool")

    check_answer("anthropic", body)


@pytest.mark.parametrize("status", [*FAILURES, 402, 504, 529])
async def test_failures_have_the_form_that_anthropic_publishes(status: int) -> None:
    found, body = await raw_answer("anthropic", Failure(status=status))

    assert found == status
    if status != 413:  # the SDK has no type for it
        check_anthropic_error(body)


def anthropic_at(vendors: FakeVendors) -> "AsyncAnthropic":
    from anthropic import AsyncAnthropic

    return AsyncAnthropic(api_key=KEY, base_url=vendors.url("anthropic"), max_retries=0)


def openai_at(base_url: str) -> "AsyncOpenAI":
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0)


def google_at(vendors: FakeVendors) -> "genai.Client":
    from google import genai
    from google.genai.types import HttpOptions

    options = HttpOptions(base_url=vendors.url("google"))
    return genai.Client(api_key=KEY, http_options=options)


async def test_anthropics_sdk_understands_the_fake_and_sends_what_we_send() -> None:
    async with fake_vendors(always(Answer(usage=THOUGHTFUL))) as vendors, plain_client() as client:
        await judge_of("anthropic", client, base_url=vendors.url("anthropic")).judge(call("anthropic"))
        ours: Any = vendors.received[-1].body

        message = await anthropic_at(vendors).messages.create(**ours)

        assert [block.text for block in message.content if block.type == "text"] == [VERDICT]
        assert message.usage.output_tokens == 30
        assert vendors.received[-1].body == ours
        assert (
            vendors.received[-1].headers["anthropic-version"]
            == vendors.received[-2].headers["anthropic-version"]
        )


async def test_openais_sdk_understands_the_fake_and_sends_what_we_send() -> None:
    async with fake_vendors(always(Answer(usage=THOUGHTFUL))) as vendors, plain_client() as client:
        await judge_of("openai", client, base_url=vendors.url("openai")).judge(call("openai"))
        ours: Any = vendors.received[-1].body

        response = await openai_at(f"{vendors.url('openai')}/v1").responses.create(**ours)

        assert response.output_text == VERDICT
        assert response.usage is not None
        assert response.usage.output_tokens_details.reasoning_tokens == 9
        assert vendors.received[-1].body == ours


async def test_googles_sdk_understands_the_fake_and_sends_what_we_send() -> None:
    from google.genai.types import GenerateContentConfig

    async with fake_vendors(always(Answer(usage=THOUGHTFUL))) as vendors, plain_client() as client:
        judge = judge_of("google", client, base_url=vendors.url("google"))
        await judge.judge(call("google", temperature=0.0, reasoning_effort="low"))
        ours: Any = vendors.received[-1].body

        generated = await google_at(vendors).aio.models.generate_content(
            model="gemini-3.8-flash",
            contents=ours["contents"],
            config=GenerateContentConfig(
                **ours["generationConfig"],
                system_instruction=ours["systemInstruction"],
                store=ours["store"],
            ),
        )

        # protobuf's JSON knows two spellings of a name, and the SDK uses the other one here
        theirs = json.dumps(vendors.received[-1].body).replace("thinking_level", "thinkingLevel")
        assert generated.text == VERDICT
        assert json.loads(theirs) == ours
        assert vendors.received[-1].path == vendors.received[-2].path


@pytest.mark.parametrize("vendor", ["openrouter", "openai_compatible"])
async def test_openais_sdk_understands_the_fakes_that_speak_its_protocol(vendor: str) -> None:
    async with fake_vendors() as vendors, plain_client() as client:
        await judge_of(vendor, client, base_url=vendors.url(vendor)).judge(call(vendor))
        ours: Any = dict(vendors.received[-1].body)
        extra = {"provider": ours.pop("provider")} if vendor == "openrouter" else {}

        sdk = openai_at(vendors.url(vendor))
        completion = await sdk.chat.completions.create(**ours, extra_body=extra)

        assert completion.choices[0].message.content == VERDICT
        assert vendors.received[-1].body == {**ours, **extra}


async def test_the_sdks_know_a_failure_of_the_fakes_for_what_it_is() -> None:
    from anthropic import RateLimitError
    from google.genai.errors import APIError

    async with fake_vendors(always(Failure(status=429, retry_after=2))) as vendors:
        with pytest.raises(RateLimitError) as failed:
            await anthropic_at(vendors).messages.create(model="m", max_tokens=1, messages=[])
        with pytest.raises(APIError) as also_failed:
            await google_at(vendors).aio.models.generate_content(model="m", contents="?")

    assert failed.value.type == "rate_limit_error"
    assert (also_failed.value.code, also_failed.value.status) == (429, "RESOURCE_EXHAUSTED")


async def test_anthropics_sdk_can_run_a_job_on_the_fake() -> None:
    async with fake_vendors(in_turn(Answer(), Failure(status=529))) as vendors:
        batches = anthropic_at(vendors).messages.batches
        params: Any = {"model": "m", "max_tokens": 1, "messages": []}
        job = await batches.create(requests=[{"custom_id": name, "params": params} for name in ("a", "b")])
        running = (await batches.retrieve(job.id)).processing_status
        results = [line async for line in await batches.results(job.id)]

    assert running == "ended"
    assert {line.custom_id: line.result.type for line in results} == {"b": "succeeded", "a": "errored"}


async def test_openais_sdk_can_run_a_job_on_the_fake() -> None:
    body = {"model": "m", "input": [], "text": {}}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    async with fake_vendors() as vendors:
        sdk = openai_at(f"{vendors.url('openai')}/v1")
        upload = await sdk.files.create(file=("a.jsonl", json.dumps(line).encode()), purpose="batch")
        job = await sdk.batches.create(
            input_file_id=upload.id, endpoint="/v1/responses", completion_window="24h"
        )
        await sdk.batches.retrieve(job.id)
        ended = await sdk.batches.retrieve(job.id)
        assert ended.output_file_id is not None
        content = await sdk.files.content(ended.output_file_id)

    assert ended.status == "completed"
    assert json.loads(content.text)["custom_id"] == "a"


async def test_googles_sdk_can_run_a_job_on_the_fake(tmp_path: Any) -> None:
    from google.genai.types import JobState

    requests = tmp_path / "a.jsonl"
    requests.write_text(json.dumps({"key": "a", "request": {"contents": []}}) + "\n")
    async with fake_vendors() as vendors:
        sdk = google_at(vendors).aio
        upload = await sdk.files.upload(file=requests, config={"mime_type": "application/jsonl"})
        job = await sdk.batches.create(model="gemini-3.8-flash", src=upload.name or "")
        assert job.name is not None
        await sdk.batches.get(name=job.name)
        ended = await sdk.batches.get(name=job.name)
        assert ended.dest is not None
        content = await sdk.files.download(file=ended.dest.file_name or "")

    assert ended.state is JobState.JOB_STATE_SUCCEEDED
    assert json.loads(content)["key"] == "a"


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_a_call_without_the_key_is_refused(vendor: str) -> None:
    paths = {"anthropic": "v1/messages/batches/x", "openai": "v1/batches/x", "google": "v1/batches/x"}
    async with fake_vendors() as vendors, plain_client() as client:
        answer = await client.get(f"{vendors.url(vendor)}/{paths[vendor]}")

    assert answer.status_code == 401


async def test_a_broken_off_answer_is_broken_off() -> None:
    async with fake_vendors(always(BreaksOff())) as vendors, plain_client() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(
                f"{vendors.url('openai')}/v1/responses",
                json={"model": "m", "text": {}},
                headers={"authorization": f"Bearer {KEY}"},
            )


async def test_an_allowance_grants_what_it_has_and_says_when_to_return() -> None:
    now = [0.0]
    usage = Usage(input=90, output=10)
    allowance = Allowance(
        requests_per_minute=600,
        tokens_per_minute=600,
        then=always(Answer(usage=usage)),
        clock=lambda: now[0],
    )
    async with fake_vendors(allowance) as vendors, plain_client() as client:
        judge = judge_of("openai", client, base_url=vendors.url("openai"))
        replies = [await judge.judge(call("openai")) for _ in range(6)]
        with pytest.raises(Exception, match="rate limited the request") as refused:
            await judge.judge(call("openai"))
        now[0] += 10
        again = await judge.judge(call("openai"))

    remaining = {reading.allowance: reading.remaining for reading in replies[-1].limits}
    assert remaining == {Kind.REQUESTS: 594, Kind.TOKENS: 0}
    assert refused.value.retry_after.total_seconds() == pytest.approx(10)  # type: ignore[attr-defined] # a RateLimitReached
    assert again.text == VERDICT
    assert (allowance.granted, allowance.refused, allowance.tokens) == (7, 1, 700)
