"""Anthropic as it speaks: Messages, and Message Batches."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.ports import Ending
from llm_provider.tests.vendors.fake_vendors.dialect import new_id, now, quoting
from llm_provider.tests.vendors.fake_vendors.scenario import KEY, Answer, Failure, Received
from pydantic import JsonValue

_VERSIONS: Final = ("2023-06-01", "2026-10-21")
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP: Final = {
    Ending.CUT_OFF: "max_tokens",
    Ending.REFUSAL: "refusal",
    Ending.BROKEN_OFF: "pause_turn",
}


class Anthropic:
    """The dialect."""

    vendor = "anthropic"

    def accepts(self, headers: Mapping[str, str]) -> bool:
        shown = KEY in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer "))
        return shown and headers.get("anthropic-version") in _VERSIONS

    def objects(self, received: Received) -> bool:
        return "temperature" in received.body and received.headers.get("anthropic-version") == _VERSIONS[1]

    def answer(self, received: Received, answer: Answer) -> JsonObject:
        usage = answer.usage_of(received)
        with_tool = bool(received.body.get("tools"))
        complete = "tool_use" if with_tool else "end_turn"
        return {
            "id": new_id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": received.body["model"],
            "content": [*_thinking(usage), *_content(answer, with_tool=with_tool)],
            "stop_reason": _STOP.get(answer.ending, complete),
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": _usage(usage),
        }

    def error(self, received: Received, failure: Failure) -> JsonObject:
        error: JsonObject = {
            "type": _TYPES.get(failure.status, "api_error"),
            "message": quoting(received),
            **({} if failure.code is None else {"details": {"error_code": failure.code}}),
        }
        return {"type": "error", "error": error, "request_id": new_id("req_")}

    def headers(self, limits: tuple[LimitReading, ...]) -> dict[str, str]:
        headers = {"request-id": new_id("req_")}
        for reading in limits:
            name = reading.allowance.value.replace("_", "-")
            moment = now() + (reading.resets_in or timedelta(0))
            headers[f"anthropic-ratelimit-{name}-limit"] = str(reading.limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(reading.remaining)
            headers[f"anthropic-ratelimit-{name}-reset"] = moment.isoformat().replace("+00:00", "Z")
        return headers


def _thinking(usage: Usage) -> list[JsonValue]:
    """Thoughts come first, and their text is left out."""
    return [{"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}] if usage.reasoning else []


def _content(answer: Answer, *, with_tool: bool) -> list[JsonValue]:
    if answer.ending is Ending.REFUSAL:
        return []
    if not with_tool:
        return [{"type": "text", "text": answer.text, "citations": None}]
    tool: JsonObject = {
        "type": "tool_use",
        "id": new_id("toolu_"),
        "name": "record_comparison",
        "input": json.loads(answer.text),
        "caller": {"type": "direct"},
    }
    return [tool]


def _usage(usage: Usage) -> JsonObject:
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "server_tool_use": None,
        "service_tier": "standard",
    }
