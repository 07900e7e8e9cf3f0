"""Every answer that was paid for counts, and no broken one does: what vendors really send, and what becomes of it."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from event_contracts import JsonObject, PromptBlock, PromptTarget
from llm_provider.domain.calls.answer import Defect, InvalidAnswer
from llm_provider.domain.calls.errors import is_vendor_failure, may_be_retried
from llm_provider.domain.requests.prompt import Prompt
from llm_provider.tests.vendors.answering import VERDICT, called, responses
from pydantic import JsonValue


def chat(**changes: Any) -> JsonObject:
    message = {"role": "assistant", "content": VERDICT, **changes.pop("message", {})}
    choice = {"index": 0, "finish_reason": "stop", "message": message, **changes.pop("choice", {})}
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        "usage": usage,
        **changes,
    }


def gemini(reason: str | None = "STOP", **changes: Any) -> JsonObject:
    candidate: JsonObject = {
        "content": {"role": "model", "parts": [{"text": VERDICT}]},
        "finishReason": reason,
    }
    usage: JsonObject = {"promptTokenCount": 900, "candidatesTokenCount": 40, "totalTokenCount": 940}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g", **changes}


def claude(reason: str | None = "end_turn", **changes: Any) -> JsonObject:
    usage: JsonObject = {"input_tokens": 900, "output_tokens": 40}
    content: list[JsonValue] = [{"type": "text", "text": VERDICT}]
    return {
        "model": "c",
        "type": "message",
        "content": content,
        "stop_reason": reason,
        "usage": usage,
        **changes,
    }


GOOD: Final[list[tuple[str, JsonObject]]] = [
    ("compat", chat(usage={"prompt_tokens": -1, "completion_tokens": -1})),
    ("compat", chat(usage={"prompt_tokens": 40.5, "completion_tokens": "many"})),
    ("compat", chat(usage=None)),
    ("compat", chat(usage=[1, 2])),
    ("compat", chat(usage="none")),
    ("compat", chat(usage={"prompt_tokens": 9, "completion_tokens": 9, "prompt_tokens_details": 7})),
    ("compat", chat(id=17)),
    ("compat", chat(id={"no": "id"}, model=3, system_fingerprint=[])),
    ("compat", chat(choice={"finish_reason": "eos"})),
    ("compat", chat(message={"content": [{"type": "text", "text": VERDICT}]})),
    (
        "compat",
        chat(
            message={
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": VERDICT},
                ]
            }
        ),
    ),
    (
        "compat",
        chat(
            message={
                "content": [
                    {"type": "text", "phase": "commentary", "text": "I look at both."},
                    {"type": "text", "phase": "final_answer", "text": VERDICT},
                ]
            }
        ),
    ),
    ("compat", chat(message={"reasoning_content": "Hm.", "tool_calls": None, "refusal": None})),
    ("openrouter", chat(message={"reasoning": None, "reasoning_details": [{"type": "x"}]})),
    ("google", gemini(usageMetadata=None)),
    ("google", {name: value for name, value in gemini().items() if name != "usageMetadata"}),
    ("google", gemini(usageMetadata={"promptTokenCount": -4})),
    ("google", gemini(responseId=5, modelVersion=None, promptFeedback={})),
    ("anthropic", claude(usage=None)),
    ("anthropic", claude(usage={"input_tokens": 9.5, "output_tokens": None, "cache_creation": 3})),
    ("anthropic", claude(model=None, stop_details={"a": 1})),
    ("anthropic", claude("stop_sequence")),
    (
        "anthropic",
        claude(content=[{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": VERDICT}]),
    ),
    ("openai", responses(usage={"input_tokens": "?", "output_tokens_details": []})),
    ("openai", responses(model=4)),
    (
        "openai",
        responses(
            output=[
                {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]},
                {
                    "type": "message",
                    "phase": "commentary",
                    "content": [{"type": "output_text", "text": "I look at both."}],
                },
                {
                    "type": "message",
                    "phase": "final_answer",
                    "content": [{"type": "output_text", "text": VERDICT}],
                },
            ]
        ),
    ),
]


@pytest.mark.parametrize(("adapter", "body"), GOOD)
async def test_an_unusual_side_field_never_invalidates_an_answer(adapter: str, body: JsonObject) -> None:
    call = await called(adapter, body)

    assert call.error is None
    assert call.verdict is not None
    assert call.verdict.winner == "Essay A"


@pytest.mark.parametrize(
    ("adapter", "body"), [("google", gemini(usageMetadata=None)), ("openrouter", chat(usage={}))]
)
async def test_an_answer_without_token_counts_has_an_unknown_price(adapter: str, body: JsonObject) -> None:
    call = await called(adapter, body)

    assert call.may_be_billed
    assert not call.cost.is_known
    assert "tokens" in (call.cost.warning or "")


BROKEN: Final[list[tuple[str, JsonObject, Defect]]] = [
    *(
        ("openrouter", chat(choice={"finish_reason": reason}), Defect.BROKEN_OFF)
        for reason in (
            "error",
            "network_error",
            "insufficient_system_resource",
            "tool_calls",
            "abort",
            "new",
            None,
        )
    ),
    ("compat", chat(choice={"finish_reason": "sensitive"}), Defect.REFUSAL),
    ("compat", chat(choice={"finish_reason": "content_filter"}), Defect.REFUSAL),
    ("compat", chat(choice={"finish_reason": "model_context_window_exceeded"}), Defect.CUT_OFF),
    ("compat", chat(choice={"finish_reason": "model_length"}), Defect.CUT_OFF),
    ("compat", chat(message={"refusal": "I cannot."}), Defect.REFUSAL),
    *(
        ("google", gemini(reason), Defect.BROKEN_OFF)
        for reason in ("OTHER", "MALFORMED_RESPONSE", "CONTINUATION", "MALFORMED_FUNCTION_CALL", "X", None)
    ),
    ("google", gemini("SAFETY"), Defect.REFUSAL),
    ("google", {"promptFeedback": {"blockReason": "OTHER"}}, Defect.REFUSAL),
    ("google", gemini("MAX_TOKENS", candidates=[{"finishReason": "MAX_TOKENS"}]), Defect.CUT_OFF),
    ("google", gemini(candidates=[]), Defect.BROKEN_OFF),
    *(("anthropic", claude(reason), Defect.BROKEN_OFF) for reason in ("error", "compaction", None)),
    ("anthropic", claude("refusal"), Defect.REFUSAL),
    ("anthropic", claude("pause_turn"), Defect.CUT_OFF),
    *(
        ("openai", responses(status=status), Defect.BROKEN_OFF)
        for status in ("cancelled", "in_progress", "new")
    ),
    ("openai", responses(status="incomplete"), Defect.BROKEN_OFF),
    (
        "openai",
        responses(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        Defect.CUT_OFF,
    ),
]


@pytest.mark.parametrize(("adapter", "body", "defect"), BROKEN)
async def test_an_answer_that_did_not_end_well_is_not_a_vote(
    adapter: str, body: JsonObject, defect: Defect
) -> None:
    call = await called(adapter, body)

    assert call.verdict is None
    assert isinstance(call.error, InvalidAnswer)
    assert call.error.defect is defect
    assert call.may_be_billed
    assert not is_vendor_failure(call.error)
    assert may_be_retried(call.error, is_deterministic=True) is (defect is Defect.BROKEN_OFF)


def long_prompt(words: int) -> Prompt:
    return Prompt.of(
        [
            PromptBlock(
                target=PromptTarget.USER_CONTENT,
                content="Rivers are good and bridges cross them. " * (words // 7),
            )
        ]
    )


async def test_a_prompt_that_the_server_cut_is_an_error_that_names_the_setting() -> None:
    body = chat(usage={"prompt_tokens": 2050, "completion_tokens": 30})

    call = await called("compat", body, prompt=long_prompt(8_500))

    assert call.verdict is None
    assert call.error is not None
    assert call.error.code == "LLM_CONTENT_TOO_LONG"
    assert "context" in call.error.message
    assert not may_be_retried(call.error)


@pytest.mark.parametrize("counted", [8_600, 10_500, 4_600, None])
async def test_a_whole_prompt_is_never_taken_for_a_part(counted: int | None) -> None:
    body = chat(usage={"prompt_tokens": counted, "completion_tokens": 30})

    assert (await called("compat", body, prompt=long_prompt(8_500))).verdict is not None


PUBLIC: Final[dict[str, str]] = {
    "L02": "LLM_CONTENT_TOO_LONG",
    "L03": "INVALID_API_KEY",
    "L03b": "LLM_PROVIDER_RATE_LIMIT",
    "L05": "LLM_INVALID_RESPONSE",
    "L05c": "LLM_INVALID_RESPONSE",
    "L05e": "cut_off",
    "L06": "LLM_PROVIDER_RATE_LIMIT",
    "L07c": "vote",
    "L08b": "vote",
    "L09": "vote",
    "L11b": "refusal",
    "L11e": "LLM_INVALID_RESPONSE",
    "L13f": "LLM_CONTENT_TOO_LONG",
    "L16b": "QUOTA_EXCEEDED",
    "L16d": "LLM_CONTENT_TOO_LONG",
    "L17c": "QUOTA_EXCEEDED",
    "L18d": "LLM_CONTENT_TOO_LONG",
}


@pytest.mark.parametrize("case", PUBLIC)
async def test_public_cases_have_their_expected_outcome(case: str, validation_data: Path) -> None:
    reply = json.loads((validation_data / "public_cases" / case / "input" / "reply.json").read_text("utf-8"))

    call = await called(reply["adapter"], reply["body"], status=reply["status"], headers=reply["headers"])

    error = call.error
    outcomes = {"vote" if error is None else error.code}
    if isinstance(error, InvalidAnswer):
        outcomes.add(error.defect)
    assert PUBLIC[case] in outcomes


async def test_the_public_case_of_a_cut_prompt_is_noticed(validation_data: Path) -> None:
    essays = validation_data / "public_cases" / "L24" / "input" / "essays"
    texts = [(essays / name).read_text("utf-8") for name in ("e1.txt", "e2.txt")]
    prompt = Prompt.of([PromptBlock(target=PromptTarget.USER_CONTENT, content="\n".join(texts))])

    call = await called("compat", chat(usage={"prompt_tokens": 2050, "completion_tokens": 30}), prompt=prompt)

    assert call.error is not None
    assert call.error.code == "LLM_CONTENT_TOO_LONG"
