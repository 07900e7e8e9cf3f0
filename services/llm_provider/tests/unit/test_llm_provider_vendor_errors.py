"""What an error of a vendor means for the request: read from its body, with what to do in its message."""

from datetime import timedelta
from typing import Final

import pytest
from event_contracts import JsonObject
from llm_provider.domain.calls.errors import (
    JudgeError,
    JudgeUnavailable,
    KeyRejected,
    OutOfCredit,
    PromptTooLong,
    RateLimitReached,
    RequestBeyondLimit,
    RequestRejected,
    UnknownModel,
)
from llm_provider.tests.vendors.answering import called, responses
from pydantic import JsonValue


def openai_error(message: str, **fields: JsonValue) -> JsonObject:
    return {"error": {"message": message, **fields}}


ERRORS: Final[list[tuple[str, int, JsonValue, type[JudgeError]]]] = [
    ("openrouter", 200, openai_error("Rate limited", code="429"), RateLimitReached),
    ("openrouter", 200, openai_error("Rate limited", code=429), RateLimitReached),
    ("compat", 200, openai_error("slow down", type="rate_limit_error"), RateLimitReached),
    ("compat", 200, {"error": "overloaded"}, JudgeUnavailable),
    ("openrouter", 200, openai_error("Insufficient credits", code=402), OutOfCredit),
    ("google", 200, openai_error("quota", code=429, status="RESOURCE_EXHAUSTED"), RateLimitReached),
    (
        "anthropic",
        200,
        {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}},
        RateLimitReached,
    ),
    ("openai", 200, responses(status="failed", error={"code": "rate_limit_exceeded"}), RateLimitReached),
    ("openai", 200, responses(status="failed", error={"code": "server_error"}), JudgeUnavailable),
    ("openai", 200, responses(status="failed", error={"code": "invalid_prompt"}), RequestRejected),
    (
        "compat",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you",
            "code": 400,
        },
        PromptTooLong,
    ),
    (
        "compat",
        400,
        {"message": "Prompt contains 40000 tokens, too large for model", "code": "3051"},
        PromptTooLong,
    ),
    ("compat", 400, [openai_error("API key not valid. Please pass a valid API key.", code=400)], KeyRejected),
    ("compat", 401, {"detail": "Unauthorized"}, KeyRejected),
    ("compat", 422, {"detail": [{"msg": "prompt is too long", "loc": ["body"]}]}, PromptTooLong),
    ("compat", 404, {"error": 'model "x" not found, try pulling it first'}, UnknownModel),
    (
        "compat",
        400,
        {"message": "Invalid model: mistral-x", "type": "invalid_model", "code": "1500"},
        UnknownModel,
    ),
    ("openrouter", 400, openai_error("x/y is not a valid model ID", code=400), UnknownModel),
    ("anthropic", 404, {"error": {"type": "not_found_error", "message": "model: x"}}, UnknownModel),
    (
        "anthropic",
        400,
        {
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the API.",
            }
        },
        OutOfCredit,
    ),
    (
        "anthropic",
        400,
        {
            "error": {
                "type": "invalid_request_error",
                "message": "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            }
        },
        OutOfCredit,
    ),
    (
        "anthropic",
        400,
        {
            "error": {
                "type": "invalid_request_error",
                "message": "input length and `max_tokens` exceed context limit: 197202 + 21333 > 200000",
            }
        },
        PromptTooLong,
    ),
    ("anthropic", 413, {"error": {"type": "request_too_large", "message": "Request exceeds"}}, PromptTooLong),
    ("openrouter", 403, openai_error("Key limit exceeded (total limit). Manage it", code=403), OutOfCredit),
    ("openrouter", 402, openai_error("This request requires more credits", code=402), OutOfCredit),
    ("openrouter", 403, openai_error("forbidden", code=403), KeyRejected),
    (
        "openrouter",
        400,
        openai_error("Provider returned error", code=400, metadata={"raw": "prompt is too long: 9 > 8"}),
        PromptTooLong,
    ),
    ("openai", 429, openai_error("You exceeded your current quota", code="insufficient_quota"), OutOfCredit),
    ("compat", 429, openai_error("suspended", type="exceeded_current_quota_error"), OutOfCredit),
    ("compat", 402, openai_error("Insufficient Balance"), OutOfCredit),
    (
        "google",
        429,
        openai_error(
            "You exceeded your current quota, please check your plan and billing details. limit: 20", code=429
        ),
        RateLimitReached,
    ),
    ("google", 429, openai_error("Quota exceeded for metric: x, limit: 0, model: y", code=429), OutOfCredit),
    (
        "openai",
        429,
        openai_error("Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 36500."),
        RequestBeyondLimit,
    ),
    (
        "openai",
        429,
        openai_error(
            "Rate limit reached: Limit 30000, Used 29000, Requested 1650. Please try again in 1.3s."
        ),
        RateLimitReached,
    ),
    (
        "compat",
        413,
        openai_error("Request too large: Limit 6000, Requested 7000", code="rate_limit_exceeded"),
        PromptTooLong,
    ),
]


@pytest.mark.parametrize(("adapter", "status", "body", "kind"), ERRORS)
async def test_an_error_is_read_for_what_it_means(
    adapter: str, status: int, body: JsonValue, kind: type[JudgeError]
) -> None:
    call = await called(adapter, body, status=status)

    assert type(call.error) is kind


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ([openai_error("quota", details=[{"retryDelay": "34s"}])], 34),
        (openai_error("Rate limit reached. Please try again in 1m2.5s. Visit"), 62.5),
        (openai_error("Please retry in 4.2s."), 4.2),
        (openai_error("no word on it"), None),
    ],
)
async def test_a_retry_delay_is_found_where_the_vendor_puts_it(
    body: JsonValue, seconds: float | None
) -> None:
    call = await called("compat", body, status=429)

    assert call.retry_after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(("adapter", "status", "body", "kind"), ERRORS)
async def test_an_error_that_ends_a_request_says_what_to_do(
    adapter: str, status: int, body: JsonValue, kind: type[JudgeError]
) -> None:
    call = await called(adapter, body, status=status)

    assert call.error is not None
    if kind.is_final:
        _, advice = call.error.message.split(": ", 1)
        assert len(advice.split()) > 3
