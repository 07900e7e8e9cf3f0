"""What an issuer of tokens answers, and how it is asked: over https, a bounded body, no redirect."""

from collections.abc import Mapping
from typing import Annotated, Final

import httpx2
from event_contracts import (
    MAX_TOKEN_CHARACTERS,
    ConfigurationError,
    ErrorCode,
    ExternalServiceError,
    NotAuthenticated,
)
from event_contracts.addresses import is_loopback
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

MAX_ANSWER_BYTES: Final = 262_144
MAX_LIFETIME_SECONDS: Final = 31 * 86_400
TIMEOUT_SECONDS: Final = 10.0
_TRY_LATER: Final = 429

Token = Annotated[str, Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS, pattern=r"^[\x21-\x7e]+$")]
Address = Annotated[str, Field(min_length=1, max_length=2048)]
_OBJECT: Final = TypeAdapter(dict[str, JsonValue])


class Tokens(BaseModel):
    """A successful answer to a login or a refresh (RFC 6749, section 5.1); what else it says is ignored."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: Annotated[Token, Field(repr=False)]
    refresh_token: Annotated[Token | None, Field(repr=False)] = None
    expires_in: Annotated[float, Field(gt=0, le=MAX_LIFETIME_SECONDS)]


class LoginRefused(NotAuthenticated):
    """The issuer does not accept who asks; ``reason`` is its own code for it, where it gives one."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class IssuerUnavailable(ExternalServiceError):
    """The issuer did not answer, or not with what was asked for."""

    code = ErrorCode.SERVICE_UNAVAILABLE


def issuer_client() -> httpx2.Client:
    """A client that follows no redirect: what it sends is for the address that it was given."""
    return httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)


def check_address(url: str, *, plain_http: bool = False) -> str:
    """The address without a slash at its end; raises ``ConfigurationError`` where others could read what is sent."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"{url[:200]!r} is not an address: write https://host/path") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise ConfigurationError(f"{url[:200]!r} must be https://host/path, without user and password")
    if parsed.scheme == "http" and not (plain_http or is_loopback(parsed.host)):
        raise ConfigurationError(
            f"{url} is not encrypted: use https, or say --plain-http where the whole network is trusted"
        )
    return url.rstrip("/")


def ask(
    client: httpx2.Client,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Status and body of the answer; raises ``IssuerUnavailable`` where there is none."""
    try:
        with client.stream(
            method, url, data=form, json=json, headers={"accept": "application/json"}
        ) as answer:
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise IssuerUnavailable(f"{url} response too large: check the URL")
            status = answer.status_code
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise IssuerUnavailable(
            f"no answer from {url} ({reason}): check that it is running, and the URL"
        ) from error
    if status >= 500 or status == _TRY_LATER:
        raise IssuerUnavailable(f"{url} cannot answer now ({status}): try again later")
    return status, bytes(body)


def tokens_of(url: str, status: int, body: bytes, *, refused: str) -> Tokens:
    """The tokens in an answer; raises ``LoginRefused`` with this message for a 4xx, else ``IssuerUnavailable``."""
    if 400 <= status < 500 and status != 404:
        raise LoginRefused(refused, reason=error_code_of(body))
    if status != 200:
        raise IssuerUnavailable(f"{url} answers {status}: check the URL")
    try:
        return Tokens.model_validate_json(body)
    except ValidationError as error:
        places = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]}))
        raise IssuerUnavailable(f"{url} answers without usable tokens ({places or 'not JSON'})") from error


def error_code_of(body: bytes) -> str:
    """The code of an OAuth error (RFC 6749, section 5.2); empty where the body holds none."""
    try:
        code = _OBJECT.validate_json(body).get("error")
    except ValidationError:
        return ""
    return code if isinstance(code, str) else ""
