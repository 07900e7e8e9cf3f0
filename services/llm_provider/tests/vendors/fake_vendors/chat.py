"""Chat completions as OpenRouter and self-hosted servers speak them."""

from collections.abc import Mapping
from typing import Final

from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.ports import Ending
from llm_provider.tests.vendors.fake_vendors.dialect import (
    new_id,
    now,
    openai_error,
    openai_limit_headers,
    quoting,
)
from llm_provider.tests.vendors.fake_vendors.scenario import KEY, Answer, Failure, Received

_REASONS: Final = {
    Ending.COMPLETE: "stop",
    Ending.CUT_OFF: "length",
    Ending.REFUSAL: "content_filter",
    Ending.BROKEN_OFF: "function_call",
}


class SelfHosted:
    """The dialect of vLLM, Ollama and llama.cpp."""

    vendor = "openai_compatible"

    def accepts(self, headers: Mapping[str, str]) -> bool:
        return headers.get("authorization") in (None, f"Bearer {KEY}")

    def objects(self, received: Received) -> bool:  # noqa: ARG002 - the types find what is wrong
        return False

    def answer(self, received: Received, answer: Answer) -> JsonObject:
        refused = answer.ending is Ending.REFUSAL
        message: JsonObject = {
            "role": "assistant",
            "content": None if refused else answer.text,
            "refusal": "I cannot help with that." if refused else None,
        }
        return {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": int(now().timestamp()),
            "model": received.body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": _REASONS[answer.ending], "logprobs": None}
            ],
            "usage": _usage(answer.usage_of(received)),
        }

    def error(self, received: Received, failure: Failure) -> JsonObject:
        return openai_error(received, failure)

    def headers(self, limits: tuple[LimitReading, ...]) -> dict[str, str]:
        return openai_limit_headers(limits)


class OpenRouter(SelfHosted):
    """The dialect of OpenRouter: who answered, what it cost, and errors by number."""

    vendor = "openrouter"

    def accepts(self, headers: Mapping[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {KEY}"

    def answer(self, received: Received, answer: Answer) -> JsonObject:
        body = super().answer(received, answer)
        usage = _usage(answer.usage_of(received))
        return {**body, "provider": "Upstream", "usage": {**usage, "cost": 0.00042, "is_byok": False}}

    def error(self, received: Received, failure: Failure) -> JsonObject:
        metadata: JsonObject = {"provider_name": "Upstream", "raw": quoting(received)}
        if failure.code == "moderation":
            metadata = {"reasons": ["violence"], "flagged_input": quoting(received)}
        return {"error": {"code": failure.status, "message": quoting(received), "metadata": metadata}}


def _usage(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
