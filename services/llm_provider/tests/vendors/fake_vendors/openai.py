"""OpenAI as it speaks: Responses, files and batches."""

from collections.abc import Mapping
from typing import Final

from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.ports import Ending
from llm_provider.tests.vendors.fake_vendors.dialect import new_id, now, openai_error, openai_limit_headers
from llm_provider.tests.vendors.fake_vendors.scenario import KEY, Answer, Failure, Received
from pydantic import JsonValue

_STATUS: Final = {Ending.CUT_OFF: "incomplete", Ending.BROKEN_OFF: "cancelled"}


class OpenAi:
    """The dialect."""

    vendor = "openai"

    def accepts(self, headers: Mapping[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {KEY}"

    def objects(self, received: Received) -> bool:  # noqa: ARG002 - the types find what is wrong
        return False

    def answer(self, received: Received, answer: Answer) -> JsonObject:
        body, usage = received.body, answer.usage_of(received)
        cut_off = answer.ending is Ending.CUT_OFF
        return {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(now().timestamp()),
            "status": _STATUS.get(answer.ending, "completed"),
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut_off else None,
            "instructions": None,
            "metadata": {},
            "model": body["model"],
            "output": [*_reasoning(usage), _message(answer)],
            "parallel_tool_calls": True,
            "temperature": body.get("temperature"),
            "text": body["text"],
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": _usage(usage),
        }

    def error(self, received: Received, failure: Failure) -> JsonObject:
        return openai_error(received, failure)

    def headers(self, limits: tuple[LimitReading, ...]) -> dict[str, str]:
        return openai_limit_headers(limits)


def _reasoning(usage: Usage) -> list[JsonValue]:
    """Thoughts come first, without their text."""
    return [{"type": "reasoning", "id": new_id("rs_"), "summary": []}] if usage.reasoning else []


def _message(answer: Answer) -> JsonObject:
    refused = answer.ending is Ending.REFUSAL
    content: JsonObject = (
        {"type": "refusal", "refusal": "I cannot help with that."}
        if refused
        else {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    )
    return {
        "type": "message",
        "id": new_id("msg_"),
        "status": "incomplete" if answer.ending is Ending.CUT_OFF else "completed",
        "role": "assistant",
        "content": [content],
    }


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
