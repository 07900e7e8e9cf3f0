"""Batch jobs: what goes up has the vendor's form, and every item that the vendor answers for has one outcome."""

import json
from typing import Any

import httpx2
import orjson
import pytest
from event_contracts import JsonObject
from llm_provider.adapters.vendors.anthropic import batches as anthropic_batches
from llm_provider.adapters.vendors.google import batches as google_batches
from llm_provider.adapters.vendors.openai import batches as openai_batches
from llm_provider.domain.calls.errors import (
    JudgeError,
    JudgeTimeout,
    JudgeUnavailable,
    KeyRejected,
    RateLimitReached,
    RequestRejected,
    may_be_retried,
)
from llm_provider.ports import BatchJobState, BatchOutcome, Ending, JudgeReply
from llm_provider.tests.vendors.calling import (
    BATCH_VENDORS,
    MODELS,
    SECRET_TEXT,
    batches_of,
    plain_client,
)
from llm_provider.tests.vendors.fake_vendors import (
    KEY,
    VERDICT,
    Answer,
    Behaviour,
    Expires,
    Failure,
    JobEnd,
    Raw,
    always,
    fake_vendors,
    in_turn,
)
from llm_provider.tests.vendors.job_traffic import USAGE, Traffic, ended, items, job_traffic, outcomes_of
from llm_provider.tests.vendors.published_types import (
    REQUESTS,
    check_anthropic_job,
    check_anthropic_job_line,
    check_anthropic_job_view,
    check_openai_file,
    check_openai_job,
    check_openai_job_view,
)


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_every_item_is_answered_once_in_whatever_order(vendor: str) -> None:
    keys = [f"request-{number}" for number in range(50)]
    async with job_traffic(vendor) as traffic:
        job_id = await traffic.batches.submit(items(vendor, *keys))
        await ended(traffic, job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert set(outcomes) == set(keys)
    assert list(outcomes) != keys, "the fake answers in another order"
    for outcome in outcomes.values():
        reply = replied(outcome)
        assert reply.text == VERDICT
        assert reply.usage == USAGE
        assert reply.model == MODELS[vendor]


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_each_item_of_a_job_is_the_request_that_it_would_be_alone(vendor: str) -> None:
    changes: dict[str, Any] = {"reasoning_effort": "low", "max_tokens": 77}
    async with job_traffic(vendor) as traffic:
        await traffic.batches.submit(items(vendor, "a", "b", **changes))
        bodies = [received.body for received in traffic.vendors.received]

    assert len(bodies) == 2
    for body in bodies:
        REQUESTS[vendor](body)
        assert "77" in json.dumps(body)


async def test_a_job_of_anthropics_has_the_form_that_anthropic_publishes() -> None:
    async with job_traffic("anthropic") as traffic:
        job_id = await traffic.batches.submit(items("anthropic", "a", "b"))
        await ended(traffic, job_id)
        await outcomes_of(traffic, job_id)

        (body,) = traffic.bodies("/v1/messages/batches")
        check_anthropic_job(body)
        for view in traffic.answers("/v1/messages/batches") + traffic.answers(job_id):
            check_anthropic_job_view(view)


async def test_a_job_of_openais_has_the_form_that_openai_publishes() -> None:
    async with job_traffic("openai") as traffic:
        job_id = await traffic.batches.submit(items("openai", "a", "b"))
        await ended(traffic, job_id)
        await outcomes_of(traffic, job_id)

        (body,) = traffic.bodies("/v1/batches")
        check_openai_job(body)
        for view in traffic.answers("/v1/batches") + traffic.answers(job_id):
            check_openai_job_view(view)
        (file,) = traffic.answers("/v1/files")
        check_openai_file(file)


@pytest.mark.parametrize("wrong", [{"no_such_key": 1}, {"completion_window": "1h"}])
async def test_a_mistake_in_a_job_of_openais_would_be_found(wrong: JsonObject) -> None:
    async with job_traffic("openai") as traffic:
        await traffic.batches.submit(items("openai", "a"))
        (body,) = traffic.bodies("/v1/batches")

    with pytest.raises(ValueError, match="validation error"):
        check_openai_job({**body, **wrong})


async def test_what_goes_up_to_openai_expires() -> None:
    async with job_traffic("openai") as traffic:
        await traffic.batches.submit(items("openai", "a"))
        (file,) = traffic.answers("/v1/files")
        (body,) = traffic.bodies("/v1/batches")

    week = 7 * 24 * 3600
    assert isinstance(file["expires_at"], int)
    assert isinstance(file["created_at"], int)
    assert file["expires_at"] - file["created_at"] == week
    assert body["output_expires_after"] == {"anchor": "created_at", "seconds": week}


async def test_a_job_of_googles_is_made_as_googles_sdk_makes_it() -> None:
    async with job_traffic("google") as traffic:
        await traffic.batches.submit(items("google", "a"))

        (body,) = traffic.bodies(":batchGenerateContent")
        batch = body["batch"]
        assert isinstance(batch, dict)
        assert set(batch) == {"displayName", "inputConfig"}
        assert batch["inputConfig"] == {"fileName": next(iter(traffic.vendors.files))}


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_a_job_runs_until_the_vendor_says_that_it_is_over(vendor: str) -> None:
    async with job_traffic(vendor) as traffic:
        traffic.vendors.views_before_end = 2
        job_id = await traffic.batches.submit(items(vendor, "a"))

        states = [(await traffic.batches.view(job_id)).state for _ in range(3)]

    assert states == [BatchJobState.RUNNING, BatchJobState.ENDED, BatchJobState.ENDED]


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_an_item_that_failed_has_the_error_that_it_would_have_alone(vendor: str) -> None:
    kinds: dict[Behaviour, type[JudgeError]] = {
        Failure(status=400): RequestRejected,
        Failure(status=401): KeyRejected,
        Failure(status=429): RateLimitReached,
        Failure(status=500): JudgeUnavailable,
        Expires(): JudgeTimeout,
    }
    for behaviour, kind in kinds.items():
        async with job_traffic(vendor, always(behaviour)) as traffic:
            job_id = await traffic.batches.submit(items(vendor, "a"))
            await ended(traffic, job_id)
            (outcome,) = (await outcomes_of(traffic, job_id)).values()

        assert type(outcome.result) is kind
        assert SECRET_TEXT not in str(outcome.result)


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_an_item_that_was_cut_off_or_refused_is_a_reply_and_paid_for(vendor: str) -> None:
    for ending in (Ending.CUT_OFF, Ending.REFUSAL):
        async with job_traffic(vendor, always(Answer(ending=ending, usage=USAGE))) as traffic:
            job_id = await traffic.batches.submit(items(vendor, "a"))
            await ended(traffic, job_id)
            (outcome,) = (await outcomes_of(traffic, job_id)).values()

        assert replied(outcome).ending is ending
        assert replied(outcome).usage == USAGE


@pytest.mark.parametrize("vendor", ["anthropic", "openai"])
async def test_a_job_that_expired_says_so_of_every_item(vendor: str) -> None:
    async with job_traffic(vendor) as traffic:
        traffic.vendors.job_end = JobEnd.EXPIRED
        job_id = await traffic.batches.submit(items(vendor, "a", "b"))
        await ended(traffic, job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert {type(outcome.result) for outcome in outcomes.values()} == {JudgeTimeout}
    assert set(outcomes) == {"a", "b"}


async def test_a_job_of_googles_that_expired_failed_as_a_whole() -> None:
    async with job_traffic("google") as traffic:
        traffic.vendors.job_end = JobEnd.EXPIRED
        job_id = await traffic.batches.submit(items("google", "a"))
        await traffic.batches.view(job_id)
        view = await traffic.batches.view(job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert view.state is BatchJobState.FAILED
    assert view.reason == "expired"
    assert not outcomes


@pytest.mark.parametrize(
    ("vendor", "reason"), [("openai", "invalid_json_line"), ("google", "failed INVALID_ARGUMENT")]
)
async def test_a_job_that_failed_as_a_whole_says_why(vendor: str, reason: str) -> None:
    async with job_traffic(vendor) as traffic:
        traffic.vendors.job_end = JobEnd.FAILED
        job_id = await traffic.batches.submit(items(vendor, "a"))
        await traffic.batches.view(job_id)
        view = await traffic.batches.view(job_id)

    assert view.state is BatchJobState.FAILED
    assert view.reason == reason


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_a_job_that_was_cancelled_ends_and_what_it_did_not_get_to_may_be_tried_again(
    vendor: str,
) -> None:
    async with job_traffic(vendor) as traffic:
        job_id = await traffic.batches.submit(items(vendor, "a"))
        await traffic.batches.cancel(job_id)
        view = await traffic.batches.view(job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert view.state is BatchJobState.ENDED
    # Google answers for no item of a cancelled job: all of them count as not reached.
    assert set(outcomes) == (set() if vendor == "google" else {"a"})
    for outcome in outcomes.values():
        assert type(outcome.result) is JudgeUnavailable
        assert may_be_retried(outcome.result)


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_results_may_be_read_again(vendor: str) -> None:
    async with job_traffic(vendor) as traffic:
        job_id = await traffic.batches.submit(items(vendor, "a", "b"))
        await ended(traffic, job_id)

        first, second = await outcomes_of(traffic, job_id), await outcomes_of(traffic, job_id)

    assert first.keys() == second.keys() == {"a", "b"}


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_a_line_ends_where_the_file_says_and_not_at_a_line_end_of_unicode(vendor: str) -> None:
    text = json.dumps(
        {"winner": "Essay A", "justification": "ett \u2028 två \u2029 tre \x85 fyra", "confidence": 2},
        ensure_ascii=False,
    )
    async with job_traffic(vendor, always(Answer(text=text))) as traffic:
        job_id = await traffic.batches.submit(items(vendor, "a", "b"))
        await ended(traffic, job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert [replied(outcome).text for outcome in outcomes.values()] == [text, text]


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_results_that_break_off_are_an_error_and_not_the_end(vendor: str) -> None:
    read: list[str] = []
    async with job_traffic(vendor) as traffic:
        traffic.vendors.breaks_off_files = True
        job_id = await traffic.batches.submit(items(vendor, "a", "b", "c"))
        await ended(traffic, job_id)

        with pytest.raises(JudgeUnavailable, match="closed the connection"):
            await read_into(read, traffic, job_id)

    assert read == ["c", "b"]


def replied(outcome: BatchOutcome) -> JudgeReply:
    assert isinstance(outcome.result, JudgeReply)
    return outcome.result


async def read_into(read: list[str], traffic: Traffic, job_id: str) -> None:
    async for outcome in traffic.batches.outcomes(job_id):
        read.append(outcome.custom_id)


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
@pytest.mark.parametrize("body", [b"{}", b"null", b"[]", b'{"error": "of no known form"}'])
async def test_a_result_that_fits_nothing_is_the_error_of_its_item_and_of_no_other(
    vendor: str, body: bytes
) -> None:
    async with job_traffic(vendor, in_turn(Raw(body=body))) as traffic:
        job_id = await traffic.batches.submit(items(vendor, "a", "b", "c"))
        await ended(traffic, job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert isinstance(outcomes["c"].result, JudgeUnavailable)
    assert all(isinstance(outcomes[key].result, JudgeReply) for key in ("a", "b"))


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_a_job_that_the_vendor_does_not_know_is_refused(vendor: str) -> None:
    async with job_traffic(vendor) as traffic:
        with pytest.raises(RequestRejected, match="404"):
            await traffic.batches.view("batches/unknown")
        with pytest.raises(RequestRejected, match="404"):
            await outcomes_of(traffic, "batches/unknown")
        with pytest.raises(RequestRejected, match="404"):
            await traffic.batches.cancel("batches/unknown")


@pytest.mark.parametrize("vendor", ["openai", "google"])
async def test_a_job_asks_one_model(vendor: str) -> None:
    mixed = [*items(vendor, "a"), *items(vendor, "b", model="another-model")]
    async with job_traffic(vendor) as traffic:
        with pytest.raises(RequestRejected, match="use one model, not another-model, "):
            await traffic.batches.submit(mixed)

        assert not traffic.requests


async def test_a_job_of_anthropics_may_ask_several_models() -> None:
    mixed = [*items("anthropic", "a"), *items("anthropic", "b", model="claude-sonnet-5-5")]
    async with job_traffic("anthropic") as traffic:
        job_id = await traffic.batches.submit(mixed)
        await ended(traffic, job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert {key: replied(outcome).model for key, outcome in outcomes.items()} == {
        "a": MODELS["anthropic"],
        "b": "claude-sonnet-5-5",
    }


@pytest.mark.parametrize("vendor", BATCH_VENDORS)
async def test_a_job_of_nothing_or_of_too_much_is_refused_and_not_sent(
    vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (anthropic_batches, openai_batches, google_batches):
        monkeypatch.setattr(module, "MAX_ITEMS", 2)
    async with job_traffic(vendor) as traffic:
        for keys in ([], ["a", "b", "c"]):
            with pytest.raises(RequestRejected, match=rf"1 to 2 items, not {len(keys)}"):
                await traffic.batches.submit(items(vendor, *keys))

        assert not traffic.requests


async def test_an_address_that_google_gives_for_an_upload_is_one_of_googles() -> None:
    async def elsewhere(response: httpx2.Response) -> None:
        if "x-goog-upload-url" in response.headers:
            place = httpx2.URL(response.headers["x-goog-upload-url"])
            response.headers["x-goog-upload-url"] = str(place.copy_with(host="evil.example.org", port=None))

    async with (
        fake_vendors() as vendors,
        httpx2.AsyncClient(verify=False, event_hooks={"response": [elsewhere]}) as client,
    ):
        job_id = await batches_of("google", client, base_url=vendors.url("google")).submit(
            items("google", "a")
        )

        assert job_id in vendors.jobs


async def test_a_job_whose_calls_have_a_temperature_names_the_version_that_takes_one() -> None:
    async with job_traffic("anthropic") as traffic:
        calls = [*items("anthropic", "a"), *items("anthropic", "b", temperature=0.0)]
        job_id = await traffic.batches.submit(calls)
        await ended(traffic, job_id)
        outcomes = await outcomes_of(traffic, job_id)

    assert traffic.requests[0].headers["anthropic-version"] == "2023-06-01"
    assert all(isinstance(outcome.result, JudgeReply) for outcome in outcomes.values())


async def test_lines_of_anthropics_results_have_the_form_that_anthropic_publishes() -> None:
    for behaviour in (Answer(usage=USAGE), Failure(status=529), Expires()):
        async with job_traffic("anthropic", always(behaviour)) as traffic, plain_client() as client:
            job_id = await traffic.batches.submit(items("anthropic", "a"))
            await ended(traffic, job_id)
            address = f"{traffic.vendors.url('anthropic')}/v1/messages/batches/{job_id}/results"
            answer = await client.get(address, headers={"x-api-key": KEY, "anthropic-version": "2026-10-21"})

        for line in answer.content.splitlines():
            check_anthropic_job_line(orjson.loads(line))
