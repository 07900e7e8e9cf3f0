"""What a vendor's error means: one table for all vendors, read from the status, the codes and the words of the body.

A vendor's message may quote the prompt, so it is never passed on. Only its beginning is read, as vendors give one code
to many errors: an account without credit, an unknown model and a prompt that is too long are all
``invalid_request_error`` somewhere.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from llm_provider.adapters.vendor_api.limit_headers import read_duration
from llm_provider.adapters.vendor_api.wire_types import Lenient
from llm_provider.domain.calls.errors import (
    JudgeError,
    JudgeTimeout,
    JudgeUnavailable,
    KeyRejected,
    OutOfCredit,
    PromptTooLong,
    RateLimitReached,
    RequestBeyondLimit,
    RequestRejected,
    UnknownModel,
)
from llm_provider.domain.limits import LimitReading

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,79}")
_READ_CHARACTERS: Final = 400
"""Only this much of a message is read: what a vendor says comes first, what it quotes later."""

_CREDIT_CODE: Final = re.compile(
    r"insufficient_(quota|credits?|balance|funds)|billing_.*|.*spend_limit_reached|exceeded_current_quota_error"
    r"|payment_required|arrearage",
    re.I,
)
_NO_CREDIT: Final = re.compile(
    r"credit balance|(?:insufficient|not enough|out of|no|requires? more) (?:account )?(?:credits?|balance|funds)\b"
    r"|credits? (?:are|is|have been|has been) (?:depleted|exhausted|used up)"
    r"|(?:key|spend(?:ing)?|billing|hard|budget|api usage) limits? (?:(?:has|have) been |is |was )?(?:exceeded|reached)"
    r"|(?:reached|exceeded|over) (?:your|the|its) (?:\w+ ){0,3}(?:spend(?:ing)?|billing|budget|api usage) limits?"
    r"|billing details|not active, please check|payment required|limit: ?0\b",
    re.I,
)
_AMBIGUOUS_BILLING_HINT: Final = re.compile(r"check your plan and billing details", re.I)
"""Google reports this for every limit of its free tier, even for those that reset after a minute."""

_RATE_CODE: Final = re.compile(r"rate_limit.*|.*_rate_limit|too_many_requests|RESOURCE_EXHAUSTED|429", re.I)
_KEY_CODE: Final = re.compile(
    r"API_KEY_INVALID|invalid_api_key|authentication_error|UNAUTHENTICATED|invalid_authentication.*|unauthorized",
    re.I,
)
_BAD_KEY: Final = re.compile(
    r"api key (?:not valid|not found|is invalid|expired)|(?:invalid|incorrect|missing|no) (?:x-)?api[- ]?key"
    r"|invalid (?:authentication|bearer token|token)|no auth credentials|unauthorized",
    re.I,
)
_MODEL_CODE: Final = re.compile(
    r"model_not_found|invalid_model.*|model_not_available|unknown_model|model_decommissioned"
)
_NO_MODEL: Final = re.compile(
    r"model\b.{0,120}?(?:does not exist|not found|not a valid model|is not available|is not supported|decommissioned)"
    r"|is not a valid model|(?:invalid|unknown|no such|unsupported) model\b",
    re.I | re.S,
)
_TOO_LONG: Final = re.compile(
    r"context[ _-]?(?:length|size|window|limit)|too long|too large|too many (?:input )?tokens|exceeds?_context"
    r"|token count.{0,40}exceeds|(?:exceeds?|larger than|greater than|maximum) .{0,60}\btokens?\b"
    r"|reduce the length|string_above_max_length|max_model_len|request_too_large|request entity too large",
    re.I,
)
_BEYOND_LIMIT: Final = re.compile(r"request (?:is )?too large", re.I)
_LIMIT_AND_REQUESTED: Final = re.compile(r"limit:? ([0-9]{1,12}),.{0,40}?requested:? ([0-9]{1,12})", re.I)
_TRY_AGAIN: Final = re.compile(r"(?:try again|retry) in ((?:[0-9.]+(?:ms|s|m|h))+)", re.I)
_PHRASES: Final[dict[type[JudgeError], str]] = {
    RateLimitReached: "rate limited the request",
    JudgeUnavailable: "failed",
    JudgeTimeout: "did not answer in time",
    RequestRejected: "does not accept the request: check that this model accepts these parameters",
    UnknownModel: "has no such model, or its address is wrong: compare the model's name with the vendor's list",
    PromptTooLong: "does not accept a prompt of this length: shorten the essays,"
    " or choose a model with a larger context window",
    RequestBeyondLimit: "allows this account fewer tokens per minute than this one request needs:"
    " ask the vendor for a higher limit, or shorten the essays",
    KeyRejected: "does not accept the key: check it, and its rights",
    OutOfCredit: "requires payment: the account has no credit left, or the account or the key is at its spending limit:"
    " add credit or raise the limit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorError:
    """An error as a vendor reports it: its codes may be shown, its message may not.

    ``moderated``: a filter before the model objects to the prompt (OpenRouter calls that 403 as well).
    """

    codes: tuple[str, ...] = ()
    message: str = ""
    retry_after: timedelta | None = None
    moderated: bool = False


class ErrorObject(BaseModel):
    """The ``error`` of a vendor's body, with all that any vendor puts into it."""

    type: Lenient[str] = None
    code: Lenient[str | int] = None
    status: Lenient[str | int] = None
    param: Lenient[str] = None
    message: Lenient[str] = None
    details: JsonValue = None
    metadata: JsonValue = None


class _Body(ErrorObject):
    """An error's body: the error under ``error``, at the top (vLLM, Mistral, Bedrock) or as ``detail`` (FastAPI)."""

    error: ErrorObject | str | None = None
    errors: Lenient[list[ErrorObject]] = None
    detail: JsonValue = None
    Message: Lenient[str] = None

    @property
    def reported(self) -> ErrorObject | str:
        if self.error is not None:
            return self.error
        if self.errors:
            return self.errors[0]
        message = self.message or self.Message or _detail(self.detail)
        return self.model_copy(update={"message": message})


_BODY: Final[TypeAdapter[list[_Body] | _Body]] = TypeAdapter(list[_Body] | _Body)


def read_error(body: bytes) -> VendorError:
    """Read an error's body in any vendor's form; a body in another form gives an error without codes."""
    try:
        read = _BODY.validate_json(body)
    except ValidationError:
        return VendorError()
    if isinstance(read, list):  # as Google's chat completions send it
        return error_of(read[0].reported) if read else VendorError()
    return error_of(read.reported)


def error_of(error: ErrorObject | str) -> VendorError:
    """The codes of a vendor's error object, and when to come back if it says so."""
    if isinstance(error, str):
        return VendorError(message=error, retry_after=_said_delay(error))
    known = [error.type, error.code, error.status, error.param, *_codes_within(error.details)]
    known += _codes_within(error.metadata)
    message = f"{(error.message or '')[:_READ_CHARACTERS]} {_upstream(error.metadata)}".strip()
    return VendorError(
        codes=tuple(dict.fromkeys(code for code in known if isinstance(code, str) and _CODE.fullmatch(code))),
        message=message,
        retry_after=_retry_delay(error.details) or _said_delay(message),
        moderated=any("flagged_input" in part for part in _objects(error.metadata)),
    )


def failure(
    vendor: str,
    status: int,
    error: VendorError,
    *,
    retry_after: timedelta | None = None,
    limits: tuple[LimitReading, ...] = (),
) -> JudgeError:
    """The error that a status and a body stand for; it names the vendor, the status and the codes."""
    kind = _kind(status, error)
    said = " ".join([str(status), *error.codes])
    return kind(
        f"{vendor} {_PHRASES[kind]} ({said})", retry_after=retry_after or error.retry_after, limits=limits
    )


def error_in_success(vendor: str, error: ErrorObject | str) -> JudgeError:
    """The error that an answer with a status of success holds: its status is its code, as a number or as text."""
    said = error_of(error)
    code = None if isinstance(error, str) else (error.code if error.code is not None else error.status)
    if isinstance(code, str) and re.fullmatch("[1-5][0-9]{2}", code):
        code = int(code)
    if isinstance(code, int) and 300 <= code < 600:
        return failure(vendor, code, said)
    return failure(vendor, _status_of(said), said)


def _status_of(error: VendorError) -> int:
    """For an error without a status: an invalid request stays invalid, everything else may be temporary."""
    if any(_RATE_CODE.fullmatch(code) for code in error.codes):
        return 429
    if any("timeout" in code.lower() for code in error.codes):
        return 504
    refused = ("invalid", "unsupported", "not_found", "permission", "policy", "image", "bad_request")
    return 400 if any(word in code.lower() for code in error.codes for word in refused) else 500


def _kind(status: int, error: VendorError) -> type[JudgeError]:
    if _is_out_of_credit(status, error):
        return OutOfCredit
    if _is_beyond_limit(status, error):
        return RequestBeyondLimit
    if status == 429:
        return RateLimitReached
    if error.moderated:
        return RequestRejected
    if status in (401, 403) or _any(_KEY_CODE, error.codes):
        return KeyRejected
    if status in (408, 504):
        return JudgeTimeout
    if status >= 500:
        return JudgeUnavailable
    if _BAD_KEY.search(error.message):
        return KeyRejected
    if (
        status == 413
        or _TOO_LONG.search(error.message)
        or any(_TOO_LONG.search(code) for code in error.codes)
    ):
        return PromptTooLong
    unknown = status == 404 or _any(_MODEL_CODE, error.codes) or _NO_MODEL.search(error.message)
    return UnknownModel if unknown else RequestRejected


def _is_out_of_credit(status: int, error: VendorError) -> bool:
    if status == 402 or _any(_CREDIT_CODE, error.codes):
        return True
    words = _AMBIGUOUS_BILLING_HINT.sub("", error.message)
    return status < 500 and _NO_CREDIT.search(words) is not None


def _is_beyond_limit(status: int, error: VendorError) -> bool:
    """True where this one request is larger than what the account may use in a minute: waiting never helps."""
    if status != 429:
        return False
    sizes = _LIMIT_AND_REQUESTED.search(error.message)
    return _BEYOND_LIMIT.search(error.message) is not None or (
        sizes is not None and int(sizes[2]) > int(sizes[1])
    )


def _any(pattern: re.Pattern[str], codes: Iterable[str]) -> bool:
    return any(pattern.fullmatch(code) for code in codes)


def _codes_within(details: JsonValue) -> Iterator[str]:
    """Codes that Anthropic, Google and OpenRouter send in addition to the error's own."""
    for part in _objects(details):
        for name in ("error_code", "reason", "error_type"):
            code = part.get(name)
            if isinstance(code, str):
                yield code


def _retry_delay(details: JsonValue) -> timedelta | None:
    delays = [part.get("retryDelay") for part in _objects(details)]
    return next((read_duration(delay) for delay in delays if isinstance(delay, str)), None)


def _said_delay(message: str) -> timedelta | None:
    """What OpenAI and Google say in words: "Please try again in 4.2s"."""
    said = _TRY_AGAIN.search(message[:_READ_CHARACTERS])
    return None if said is None else read_duration(said[1])


def _upstream(metadata: JsonValue) -> str:
    """The beginning of what the vendor behind OpenRouter said."""
    raw = [part.get("raw") for part in _objects(metadata)]
    return next((text[:_READ_CHARACTERS] for text in raw if isinstance(text, str)), "")


def _detail(detail: JsonValue) -> str | None:
    if isinstance(detail, str):
        return detail
    said = [part.get("msg") or part.get("message") for part in _objects(detail)]
    return next((text for text in said if isinstance(text, str)), None)


def _objects(details: JsonValue) -> Iterable[dict[str, JsonValue]]:
    parts = details if isinstance(details, list) else [details]
    return [part for part in parts if isinstance(part, dict)]
