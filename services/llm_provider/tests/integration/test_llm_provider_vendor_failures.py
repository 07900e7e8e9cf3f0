"""What goes wrong at a vendor is named for what it is, and reveals neither the prompt nor the key."""

import asyncio
import json
import logging
import traceback
from datetime import timedelta
from typing import Any, Final

import pytest
from event_contracts import ConfigurationError, JsonObject
from llm_provider.adapters.vendors.openai.responses import openai_access, openai_connection
from llm_provider.domain.calls.errors import (
    JudgeError,
    JudgeTimeout,
    JudgeUnavailable,
    KeyRejected,
    OutOfCredit,
    PromptTooLong,
    RateLimitReached,
    RequestRejected,
    UnknownModel,
)
from llm_provider.domain.limits import Allowance, LimitReading
from llm_provider.tests.vendors.calling import (
    SECRET_TEXT,
    VENDORS,
    asking,
    call,
    judge_of,
    plain_client,
)
from llm_provider.tests.vendors.fake_vendors import (
    KEY,
    VERDICT,
    Answer,
    Behaviour,
    BreaksOff,
    Failure,
    Raw,
    always,
    fake_vendors,
)

KINDS: Final[dict[int, type[JudgeError]]] = {
    400: RequestRejected,
    401: KeyRejected,
    403: KeyRejected,
    404: UnknownModel,
    408: JudgeTimeout,
    413: PromptTooLong,
    422: RequestRejected,
    429: RateLimitReached,
    500: JudgeUnavailable,
    502: JudgeUnavailable,
    503: JudgeUnavailable,
    504: JudgeTimeout,
    529: JudgeUnavailable,
}


async def error_of(vendor: str, behaviour: Behaviour, **changes: Any) -> JudgeError:
    async with asking(vendor, always(behaviour)) as asked:
        with pytest.raises(JudgeError) as raised:
            await asked.judge.judge(call(vendor, **changes))
        assert len(asked.vendors.received) == 1, "nothing is tried again behind the caller's back"
        return raised.value


def everything_said(error: BaseException) -> str:
    """Whatever a log, a callback or a traceback could show of an error."""
    return " ".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_failure_is_named_for_what_it_is_and_happens_once(vendor: str) -> None:
    for status, kind in KINDS.items():
        error = await error_of(vendor, Failure(status=status))

        assert type(error) is kind, status
        assert str(status) in error.message


@pytest.mark.parametrize("vendor", VENDORS)
async def test_no_failure_repeats_the_prompt_or_the_key(
    vendor: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    quoting = f'{{"error": "{SECRET_TEXT}", "detail": "{SECRET_TEXT}"}}'.encode()
    behaviours: list[Behaviour] = [
        *(Failure(status=status) for status in KINDS),
        BreaksOff(),
        Raw(body=quoting),
        Raw(body=quoting, status=400),
        Raw(body=f"<html>{SECRET_TEXT}</html>".encode(), content_type="text/html", status=502),
    ]

    for behaviour in behaviours:
        said = everything_said(await error_of(vendor, behaviour))

        assert SECRET_TEXT not in said
        assert KEY not in said
    assert SECRET_TEXT not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_judge_never_shows_its_key(vendor: str) -> None:
    judge = judge_of(vendor, plain_client(), base_url="http://127.0.0.1:1")

    assert KEY not in repr(judge)
    assert KEY not in repr(vars(judge))


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nx-other: 1", f"{KEY} ", f"nyckel-å-{KEY}", ""])
def test_a_key_that_no_header_can_carry_is_refused_at_the_start_and_not_shown(vendor: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        judge_of(vendor, plain_client(), base_url="http://127.0.0.1:1", key=key)

    assert KEY not in everything_said(refused.value)


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_invalid_url_is_rejected_at_startup(vendor: str) -> None:
    with pytest.raises(ConfigurationError, match="must start with http"):
        judge_of(vendor, plain_client(), base_url="api.example.org")


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_wrong_key_is_forbidden(vendor: str) -> None:
    async with asking(vendor, key="sk-wrong") as asked:
        with pytest.raises(KeyRejected) as raised:
            await asked.judge.judge(call(vendor))

    assert "sk-wrong" not in everything_said(raised.value)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_vendor_that_limits_the_rate_says_when_to_return(vendor: str) -> None:
    error = await error_of(vendor, Failure(status=429, retry_after=2.5))

    assert error.retry_after == timedelta(seconds=2.5)


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "openrouter", "openai_compatible"])
async def test_a_refused_call_still_tells_what_is_left(vendor: str) -> None:
    spent = LimitReading(allowance=Allowance.REQUESTS, limit=600, remaining=0, resets_in=timedelta(seconds=1))

    error = await error_of(vendor, Failure(status=429, limits=(spent,)))

    assert [(reading.limit, reading.remaining) for reading in error.limits] == [(600, 0)]


async def test_googles_retry_delay_is_read_from_the_body() -> None:
    detail: JsonObject = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13.5s"}
    error: JsonObject = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "", "details": [detail]}
    body = json.dumps({"error": error}).encode()

    found = await error_of("google", Raw(body=body, status=429))

    assert found.retry_after == timedelta(seconds=13.5)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_overloaded_vendor_may_say_when_to_return(vendor: str) -> None:
    error = await error_of(vendor, Failure(status=503, retry_after=7))

    assert isinstance(error, JudgeUnavailable)
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_an_answer_that_breaks_off_is_tried_again_later(vendor: str) -> None:
    error = await error_of(vendor, BreaksOff())

    assert isinstance(error, JudgeUnavailable)
    assert not error.is_final


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_vendor_that_cannot_be_reached_is_unavailable(vendor: str) -> None:
    async with plain_client() as client:
        judge = judge_of(vendor, client, base_url="http://127.0.0.1:1")

        with pytest.raises(JudgeUnavailable, match="cannot be reached"):
            await judge.judge(call(vendor))


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_slow_answer_can_be_given_up_and_the_next_call_is_answered(vendor: str) -> None:
    async with asking(vendor, always(Answer(delay=30))) as asked:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asked.judge.judge(call(vendor))

        asked.vendors.scenario = always(Answer())
        reply = await asked.judge.judge(call(vendor))

    assert reply.text == VERDICT


async def test_a_vendor_that_says_nothing_is_given_up_after_the_silence_that_is_allowed() -> None:
    async with fake_vendors(always(Answer(delay=30))) as vendors, plain_client() as client:
        connection = openai_connection(client, openai_access(KEY, vendors.url("openai")), read_timeout=0.05)

        with pytest.raises(JudgeTimeout, match="OpenAI did not answer in time"):
            await connection.post("/v1/responses", {})


@pytest.mark.parametrize(
    ("vendor", "status", "body"),
    [
        (
            "openai",
            400,
            {"error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": ""}},
        ),
        (
            "anthropic",
            400,
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "prompt is too long: 1200000 tokens > 1000000 maximum",
                },
            },
        ),
        (
            "google",
            400,
            {
                "error": {
                    "code": 400,
                    "status": "INVALID_ARGUMENT",
                    "message": "The input token count (1200000) exceeds the maximum number of tokens allowed.",
                }
            },
        ),
        (
            "openrouter",
            400,
            {"error": {"code": 400, "message": "This endpoint's maximum context length is 8192 tokens."}},
        ),
        (
            "openai_compatible",
            400,
            {
                "error": {
                    "code": 400,
                    "type": "exceed_context_size_error",
                    "message": "the request exceeds the available context size",
                }
            },
        ),
    ],
)
async def test_a_prompt_that_the_model_cannot_read_whole_is_too_long(
    vendor: str, status: int, body: JsonObject
) -> None:
    error = await error_of(vendor, Raw(body=json.dumps(body).encode(), status=status))

    assert type(error) is PromptTooLong


@pytest.mark.parametrize(
    ("vendor", "behaviour"),
    [
        ("openai", Failure(status=429, code="insufficient_quota")),
        ("anthropic", Failure(status=402)),
        ("anthropic", Failure(status=429, code="enforced_spend_limit_reached")),
        ("openrouter", Failure(status=402)),
    ],
)
async def test_an_account_that_is_spent_is_not_a_rate_limit(vendor: str, behaviour: Failure) -> None:
    error = await error_of(vendor, behaviour)

    assert type(error) is OutOfCredit
    assert error.is_final


async def test_googles_400_for_a_wrong_key_is_a_rejected_key() -> None:
    error = await error_of("google", Failure(status=400, code="API_KEY_INVALID"))

    assert type(error) is KeyRejected


async def test_openrouters_moderation_is_not_a_matter_of_the_key() -> None:
    error = await error_of("openrouter", Failure(status=403, code="moderation"))

    assert type(error) is RequestRejected


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimitReached), (502, JudgeUnavailable), (408, JudgeTimeout), (402, OutOfCredit)],
)
async def test_an_error_that_openrouter_calls_a_success_is_an_error(
    status: int, kind: type[JudgeError]
) -> None:
    error: JsonObject = {"code": status, "message": SECRET_TEXT}
    whole = json.dumps({"error": error, "user_id": "u"}).encode()
    choice = json.dumps({"choices": [{"error": error, "finish_reason": "error"}]}).encode()

    for body in (whole, choice):
        found = await error_of("openrouter", Raw(body=body))

        assert type(found) is kind
        assert SECRET_TEXT not in everything_said(found)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", JudgeUnavailable),
        ("rate_limit_exceeded", RateLimitReached),
        ("invalid_prompt", RequestRejected),
    ],
)
async def test_a_response_that_openai_calls_failed_is_an_error(code: str, kind: type[JudgeError]) -> None:
    error: JsonObject = {"code": code, "message": SECRET_TEXT}
    body = json.dumps({"model": "m", "status": "failed", "output": [], "error": error}).encode()

    found = await error_of("openai", Raw(body=body))

    assert type(found) is kind
    assert code in found.message
    assert SECRET_TEXT not in everything_said(found)


async def test_the_vendors_codes_are_shown_as_far_as_they_are_codes() -> None:
    error: JsonObject = {
        "type": "invalid_request_error",
        "code": f"no code but {SECRET_TEXT}",
        "param": "reasoning.effort",
        "message": SECRET_TEXT,
    }

    found = await error_of("openai", Raw(body=json.dumps({"error": error}).encode(), status=400))

    assert found.message == (
        "OpenAI does not accept the request: check that this model accepts these parameters"
        " (400 invalid_request_error reasoning.effort)"
    )
