"""What a vendor's error means: one table for all vendors, read from the status and the codes of the body.

A vendor's message may quote the prompt. So it is never passed on; it is looked at once, to tell a prompt that
is too long from a request that is wrong in another way, and either of these is final.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import BaseModel, JsonValue, ValidationError

from llm_provider.adapters.vendor_api.limit_headers import read_duration
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
from llm_provider.domain.meters.limits import LimitReading

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,79}")
_OUT_OF_CREDIT: Final = re.compile(r"insufficient_quota|billing_error|billing_.*|.*spend_limit_reached")
_UNKNOWN_MODEL: Final = re.compile(r"model_not_found|invalid_model|model_not_available")
_TOO_LONG: Final = re.compile(
    r"context[ _](?:length|size|window)|too long|too large|token count.{0,40}exceeds", re.I
)
_PHRASES: Final[dict[type[JudgeError], str]] = {
    RateLimitReached: "limits the rate",
    JudgeUnavailable: "failed",
    JudgeTimeout: "did not answer in time",
    RequestRejected: "does not accept the request",
    UnknownModel: "has no such model, or its address is wrong",
    PromptTooLong: "takes no prompt of this length",
    KeyRejected: "does not accept the key: check it, and its rights",
    OutOfCredit: "wants to be paid: the account has no credit left or is at its spending limit",
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

    type: str | None = None
    code: str | int | None = None
    status: str | int | None = None
    param: str | None = None
    message: str | None = None
    details: JsonValue = None
    metadata: JsonValue = None


class _Body(BaseModel):
    error: ErrorObject | str


def read_error(body: bytes) -> VendorError:
    """Read an error's body in any vendor's form; a body in no such form says nothing."""
    try:
        return error_of(_Body.model_validate_json(body).error)
    except ValidationError:
        return VendorError()


def error_of(error: ErrorObject | str) -> VendorError:
    """The codes of a vendor's error object, and when to come back if it says so."""
    if isinstance(error, str):
        return VendorError(message=error)
    known = [error.type, error.code, error.status, error.param, *_codes_within(error.details)]
    known += _codes_within(error.metadata)
    return VendorError(
        codes=tuple(dict.fromkeys(code for code in known if isinstance(code, str) and _CODE.fullmatch(code))),
        message=error.message or "",
        retry_after=_retry_delay(error.details),
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


def _kind(status: int, error: VendorError) -> type[JudgeError]:
    if status == 402 or any(_OUT_OF_CREDIT.fullmatch(code) for code in error.codes):
        return OutOfCredit
    if status == 429:
        return RateLimitReached
    if error.moderated:
        return RequestRejected
    if status in (401, 403) or "API_KEY_INVALID" in error.codes:
        return KeyRejected
    if status in (408, 504):
        return JudgeTimeout
    if status >= 500:
        return JudgeUnavailable
    if status == 404 or any(_UNKNOWN_MODEL.fullmatch(code) for code in error.codes):
        return UnknownModel
    too_long = status == 413 or any(_TOO_LONG.search(text) for text in (*error.codes, error.message))
    return PromptTooLong if too_long else RequestRejected


def _codes_within(details: JsonValue) -> Iterator[str]:
    """Codes that Anthropic, Google and OpenRouter put beside the error's own."""
    for part in _objects(details):
        for name in ("error_code", "reason", "error_type"):
            code = part.get(name)
            if isinstance(code, str):
                yield code


def _retry_delay(details: JsonValue) -> timedelta | None:
    delays = [part.get("retryDelay") for part in _objects(details)]
    return next((read_duration(delay) for delay in delays if isinstance(delay, str)), None)


def _objects(details: JsonValue) -> Iterable[dict[str, JsonValue]]:
    parts = details if isinstance(details, list) else [details]
    return [part for part in parts if isinstance(part, dict)]
