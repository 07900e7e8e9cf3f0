"""Google as it speaks: generateContent, files and batch jobs."""

from collections.abc import Mapping
from typing import Final

from event_contracts import JsonObject
from llm_provider.domain.costs.usage import Usage
from llm_provider.domain.limits import LimitReading
from llm_provider.ports import Ending
from llm_provider.tests.vendors.fake_vendors.dialect import new_id, quoting
from llm_provider.tests.vendors.fake_vendors.scenario import KEY, Answer, Failure, Received
from pydantic import JsonValue

STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASONS: Final = {
    Ending.COMPLETE: "STOP",
    Ending.CUT_OFF: "MAX_TOKENS",
    Ending.REFUSAL: "SAFETY",
    Ending.BROKEN_OFF: "OTHER",
}
_RPC: Final = "type.googleapis.com/google.rpc"


class Google:
    """The dialect."""

    vendor = "google"

    def accepts(self, headers: Mapping[str, str]) -> bool:
        return headers.get("x-goog-api-key") == KEY

    def objects(self, received: Received) -> bool:  # noqa: ARG002 - the types find what is wrong
        return False

    def answer(self, received: Received, answer: Answer) -> JsonObject:
        usage = answer.usage_of(received)
        content: JsonObject = {"parts": _parts(answer, usage), "role": "model"}
        refused = answer.ending is Ending.REFUSAL
        candidate: JsonObject = {"finishReason": _REASONS[answer.ending], "index": 0}
        return {
            "candidates": [candidate if refused else {"content": content, **candidate}],
            "usageMetadata": _usage(usage),
            "modelVersion": received.path.rpartition("/")[2].partition(":")[0],
            "responseId": new_id("resp-"),
        }

    def error(self, received: Received, failure: Failure) -> JsonObject:
        details: list[JsonValue] = []
        if failure.retry_after is not None:
            details.append({"@type": f"{_RPC}.RetryInfo", "retryDelay": f"{failure.retry_after:g}s"})
        if failure.code is not None:
            details.append({"@type": f"{_RPC}.ErrorInfo", "reason": failure.code})
        return {
            "error": {
                "code": failure.status,
                "message": quoting(received),
                "status": STATUS.get(failure.status, "UNKNOWN"),
                "details": details,
            }
        }

    def headers(self, limits: tuple[LimitReading, ...]) -> dict[str, str]:  # noqa: ARG002 - Google says nothing of them
        return {}


def _parts(answer: Answer, usage: Usage) -> list[JsonValue]:
    thoughts: list[JsonValue] = [{"text": "First I read both.", "thought": True}] if usage.reasoning else []
    return [*thoughts, {"text": answer.text}]


def _usage(usage: Usage) -> JsonObject:
    return {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "thoughtsTokenCount": usage.reasoning,
        "cachedContentTokenCount": usage.cache_read,
        "totalTokenCount": usage.input + usage.output,
    }
