"""What each vendor answers is read for what it is: its words, its ending, its tokens and its limits."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest
from event_contracts import JsonObject
from llm_provider.domain.calls.errors import JudgeUnavailable
from llm_provider.domain.costs.usage import UNKNOWN_USAGE, Usage
from llm_provider.domain.limits import Allowance, LimitReading
from llm_provider.ports import Ending, JudgeReply
from llm_provider.tests.vendors.calling import MODELS, VENDORS, asking, call
from llm_provider.tests.vendors.fake_vendors import VERDICT, Answer, Raw, always

WORDY: Final = json.dumps(
    {"winner": "Essay B", "justification": "Åäö \u2028 “citat” 🎈 \u0085", "confidence": 1},
    ensure_ascii=False,
)
FULL_USAGE: Final = Usage(
    input=1_000, output=300, cache_read=600, cache_write=200, cache_write_1h=150, reasoning=250
)
COUNTED: Final = {
    "anthropic": FULL_USAGE,
    "openai": Usage(input=1_000, output=300, cache_read=600, cache_write=200, reasoning=250),
    "google": Usage(input=1_000, output=300, cache_read=600, reasoning=250),
    "openrouter": Usage(input=1_000, output=300, cache_read=600, cache_write=200, reasoning=250),
    "openai_compatible": Usage(input=1_000, output=300, cache_read=600, cache_write=200, reasoning=250),
}


async def reply_to(vendor: str, answer: Answer | Raw, **changes: Any) -> JudgeReply:
    async with asking(vendor, always(answer)) as asked:
        return await asked.judge.judge(call(vendor, **changes))


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_words_of_a_model_arrive_as_it_wrote_them(vendor: str) -> None:
    reply = await reply_to(vendor, Answer(text=WORDY))

    assert reply.text == WORDY
    assert reply.model == MODELS[vendor]
    assert reply.ending is Ending.COMPLETE


@pytest.mark.parametrize("vendor", VENDORS)
async def test_every_token_is_counted_once_and_as_what_it_is(vendor: str) -> None:
    reply = await reply_to(vendor, Answer(usage=FULL_USAGE))

    assert reply.usage == COUNTED[vendor]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_thoughts_are_not_part_of_the_answer(vendor: str) -> None:
    reply = await reply_to(vendor, Answer(usage=FULL_USAGE))

    assert reply.text == VERDICT


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_answer_that_ran_out_of_tokens_is_cut_off_and_paid_for(vendor: str) -> None:
    reply = await reply_to(vendor, Answer(text=VERDICT[:20], ending=Ending.CUT_OFF))

    assert reply.ending is Ending.CUT_OFF
    assert reply.usage.output > 0


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_refusal_is_a_refusal_and_paid_for(vendor: str) -> None:
    reply = await reply_to(vendor, Answer(ending=Ending.REFUSAL))

    assert reply.ending is Ending.REFUSAL
    assert reply.text == ""
    assert reply.usage.input > 0


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_vendors_id_of_a_call_is_kept(vendor: str) -> None:
    reply = await reply_to(vendor, Answer())

    assert reply.vendor_request_id


@pytest.mark.parametrize(
    ("vendor", "allowances"),
    [
        (
            "anthropic",
            (Allowance.REQUESTS, Allowance.INPUT_TOKENS, Allowance.OUTPUT_TOKENS, Allowance.TOKENS),
        ),
        ("openai", (Allowance.REQUESTS, Allowance.TOKENS)),
        ("openrouter", (Allowance.REQUESTS, Allowance.TOKENS)),
        ("openai_compatible", (Allowance.REQUESTS, Allowance.TOKENS)),
    ],
)
async def test_a_vendors_limits_are_read_from_its_headers(
    vendor: str, allowances: tuple[Allowance, ...]
) -> None:
    said = tuple(
        LimitReading(allowance=allowance, limit=600, remaining=599, resets_in=timedelta(seconds=90))
        for allowance in allowances
    )

    reply = await reply_to(vendor, Answer(limits=said))

    assert [reading.allowance for reading in reply.limits] == list(allowances)
    for reading in reply.limits:
        assert (reading.limit, reading.remaining) == (600, 599)
        assert reading.resets_in is not None
        assert timedelta(seconds=85) < reading.resets_in <= timedelta(seconds=92)


async def test_what_a_tool_was_given_is_the_answer() -> None:
    reply = await reply_to("anthropic", Answer(text=WORDY), structured_output="tool")

    assert json.loads(reply.text) == json.loads(WORDY)
    assert reply.ending is Ending.COMPLETE


USAGE_OF: Final[dict[str, JsonObject]] = {
    "anthropic": {"usage": {"input_tokens": 9, "output_tokens": 1}},
    "openai": {"usage": {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}},
    "google": {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 1}},
    "openrouter": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}},
    "openai_compatible": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}},
}
EMPTY: Final[dict[str, JsonObject]] = {
    "anthropic": {"model": "m", "content": [], "stop_reason": "end_turn"},
    "openai": {"model": "m", "status": "completed", "output": []},
    "google": {"candidates": []},
    "openrouter": {"model": "m", "choices": []},
    "openai_compatible": {"model": "m", "choices": []},
}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_empty_answer_is_empty_and_paid_for(vendor: str) -> None:
    body = json.dumps({**EMPTY[vendor], **USAGE_OF[vendor]}).encode()

    reply = await reply_to(vendor, Raw(body=body))

    assert reply.text == ""
    assert reply.usage == Usage(input=9, output=1)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "raw",
    [
        Raw(body=b'{"model": "m", "choices": [{"message": {"con'),
        Raw(body=b""),
        Raw(body=b"{}"),
        Raw(body=b"[]"),
        Raw(body=b"null"),
        Raw(body=b'\xff\xfe{"a": 1}'),
        Raw(body=b"<html><h1>Welcome to our proxy</h1></html>", content_type="text/html"),
        Raw(body=b"[" * 100_000),
    ],
    ids=["truncated", "nothing", "{}", "[]", "null", "not-utf-8", "html", "deep"],
)
async def test_what_does_not_fit_the_protocol_is_not_an_answer(vendor: str, raw: Raw) -> None:
    with pytest.raises(JudgeUnavailable, match="does not fit its protocol"):
        await reply_to(vendor, raw)


@pytest.mark.parametrize(
    "reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "LANGUAGE"]
)
async def test_whatever_makes_google_stop_an_answer_is_a_refusal(reason: str) -> None:
    candidate: JsonObject = {"finishReason": reason, "index": 0}
    body: JsonObject = {"candidates": [candidate], **USAGE_OF["google"]}

    reply = await reply_to("google", Raw(body=json.dumps(body).encode()))

    assert reply.ending is Ending.REFUSAL


async def test_a_prompt_that_google_blocks_is_a_refusal_and_paid_for() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **USAGE_OF["google"]}

    reply = await reply_to("google", Raw(body=json.dumps(body).encode()))

    assert reply.ending is Ending.REFUSAL
    assert reply.usage.input == 9


async def test_an_answer_that_openais_filter_ended_is_a_refusal() -> None:
    incomplete = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    body = {**EMPTY["openai"], **incomplete, **USAGE_OF["openai"]}

    reply = await reply_to("openai", Raw(body=json.dumps(body).encode()))

    assert reply.ending is Ending.REFUSAL


async def test_an_answer_that_filled_anthropics_context_is_cut_off() -> None:
    body = {**EMPTY["anthropic"], "stop_reason": "model_context_window_exceeded", **USAGE_OF["anthropic"]}

    reply = await reply_to("anthropic", Raw(body=json.dumps(body).encode()))

    assert reply.ending is Ending.CUT_OFF


@pytest.mark.parametrize("vendor", VENDORS)
async def test_details_that_are_null_do_not_cost_an_answer_that_was_paid_for(vendor: str) -> None:
    details: dict[str, JsonObject] = {
        "anthropic": {"cache_read_input_tokens": None, "cache_creation": None, "output_tokens_details": None},
        "openai": {"input_tokens_details": None, "output_tokens_details": {"reasoning_tokens": None}},
        "google": {"thoughtsTokenCount": None, "cachedContentTokenCount": None},
        "openrouter": {"prompt_tokens_details": {"cached_tokens": None}, "completion_tokens_details": None},
        "openai_compatible": {"prompt_tokens_details": None, "completion_tokens_details": None},
    }
    ((name, usage),) = USAGE_OF[vendor].items()
    assert isinstance(usage, dict)
    body: JsonObject = {**EMPTY[vendor], name: {**usage, **details[vendor]}}

    reply = await reply_to(vendor, Raw(body=json.dumps(body).encode()))

    assert reply.usage == Usage(input=9, output=1)


@pytest.mark.parametrize("sent", ["", "two words", "nul\x00", "å", "x" * 201])
async def test_an_id_that_no_log_could_hold_is_none(sent: str) -> None:
    body = json.dumps({"id": sent, "choices": [{"message": {"content": VERDICT}}]}).encode()

    reply = await reply_to("openai_compatible", Raw(body=body))

    assert reply.vendor_request_id is None
    assert reply.text == VERDICT


async def test_a_reply_without_model_and_usage_keeps_the_model_and_has_unknown_usage() -> None:
    body = json.dumps({"choices": [{"message": {"content": VERDICT}}]}).encode()

    reply = await reply_to("openai_compatible", Raw(body=body))

    assert reply == JudgeReply(text=VERDICT, model=MODELS["openai_compatible"], usage=UNKNOWN_USAGE)
