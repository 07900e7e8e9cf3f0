"""The CJ Assessment service as its administrators use it, over HTTP."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

import httpx2
import stamina
from batch_runner.command_errors import WrongOption
from event_contracts import (
    ContentStored,
    ErrorBody,
    ExternalServiceError,
    InvalidRequest,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    RateLimited,
    SuiteError,
    Unavailable,
    WireModel,
    validation_reasons,
)
from pydantic import ValidationError
from suite_access import TOKEN_VARIABLE, CallerToken, Source

AnswerT = TypeVar("AnswerT", bound=WireModel)
ROLE: Final = "admin"
TIMEOUT_SECONDS: Final = 60.0
RETRY_TIMEOUT_SECONDS: Final = 20.0
"""How long a request is repeated for a service that asks to be left alone; nothing was done in between."""
MAX_RETRY_DELAY_SECONDS: Final = 5.0
ADMIN_PATH: Final = "/admin/v1"
_SHOWN: Final = 200


@dataclass(frozen=True, kw_only=True)
class AdminClient:
    """Raises the contract's own errors: ``NotAuthenticated``, ``NotAuthorized``, ``NotFound``, ``InvalidRequest`` for
    what the service refuses, ``ExternalServiceError`` and ``Unavailable`` where it fails or is unavailable."""

    http: httpx2.Client
    address: str
    caller: CallerToken

    def ask(
        self,
        model: type[AnswerT],
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: WireModel | None = None,
    ) -> AnswerT:
        """Send a request; its answer, which must be of this type."""
        content = None if body is None else body.model_dump_json(exclude_none=True).encode()
        answer = self._send(method, path, query=query, content=content, kind="application/json")
        return _parsed(model, answer)

    def store_text(self, text: str) -> str:
        """Post a text; returns its storage id."""
        answer = self._send("POST", "/v1/content", content=text.encode(), kind="text/plain; charset=utf-8")
        return _parsed(ContentStored, answer).storage_id

    def is_in_development(self) -> bool:
        """What the service says of itself at ``/healthz``."""
        answer = self._exchange(self._request("GET", "/healthz"))
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict) or said.get("service") is None:
            raise ExternalServiceError(f"{self.address} is not a service of the suite: set --url")
        return said.get("development") is True

    @contextmanager
    def download(self, path: str) -> Iterator[Iterator[bytes]]:
        """The body of an answer, piece by piece."""
        try:
            with self.http.stream("GET", f"{self.address}{path}", timeout=None) as answer:
                if answer.is_error:
                    answer.read()
                    raise self._error(answer)
                yield answer.iter_bytes()
        except httpx2.HTTPError as error:
            raise _unreachable(self.address, error) from error

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        content: bytes | None = None,
        kind: str = "",
    ) -> httpx2.Response:
        request = self._request(method, path, query=query, content=content, kind=kind)
        for attempt in stamina.retry_context(
            _retry_delay, attempts=None, timeout=RETRY_TIMEOUT_SECONDS, wait_initial=0.2, wait_jitter=0.2
        ):
            with attempt:
                answer = self._exchange(request)
                if answer.is_error:
                    raise self._error(answer)
        return answer

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        content: bytes | None = None,
        kind: str = "",
    ) -> httpx2.Request:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self.http.build_request(
            method,
            f"{self.address}{path}",
            params=given or None,
            content=content,
            headers={"content-type": kind} if content is not None else {},
        )

    def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        try:
            answer = self.http.send(request)
        except httpx2.HTTPError as error:
            raise _unreachable(self.address, error) from error
        if answer.is_redirect:
            raise ExternalServiceError(
                f"{self.address} answers with a redirection to {answer.headers.get('location', 'nowhere')[:_SHOWN]}:"
                " a token goes to one address only; say that one with --url if it is the service's own"
            )
        return answer

    def _error(self, answer: httpx2.Response) -> SuiteError:
        message, details = _reason(answer)
        match answer.status_code:
            case 401:
                return NotAuthenticated(self._without_token())
            case 403:
                needed = details.get("needs_one_of", "more")
                return NotAuthorized(f"your token does not permit this: it needs {needed} (role {ROLE})")
            case 404:
                return NotFound(message)
            case 429:
                return RateLimited(message, retry_after=_retry_after(answer))
            case 503:
                return Unavailable(
                    f"the service cannot answer now: {message}", retry_after=_retry_after(answer)
                )
            case status if status < 500:
                return InvalidRequest(message)
            case status:
                return ExternalServiceError(f"the service failed with {status}: {message}")

    def _without_token(self) -> str:
        found = self.caller.found()
        if found is None:
            return f"not logged in to {self.address}: cj-admin login, or set {TOKEN_VARIABLE}"
        remedy = {
            Source.ENVIRONMENT: "set a valid one, or unset it and use cj-admin login",
            Source.EMBEDDED_STACK: "start the stack again",
            Source.LOGIN: "log in again",
        }[found.source]
        return f"{self.address} does not accept the token from {found.source}: {remedy}"


@contextmanager
def connected(url: str) -> Iterator[AdminClient]:
    """A client of the service at an address, with the caller's token for it."""
    address = base_address(url)
    caller = CallerToken(address, role=ROLE)
    with httpx2.Client(auth=caller, timeout=TIMEOUT_SECONDS, follow_redirects=False) as http:
        yield AdminClient(http=http, address=address, caller=caller)


def base_address(url: str) -> str:
    """The service's base URL; the platform writes it with the path of the administrators' routes."""
    address = url.strip().rstrip("/").removesuffix(ADMIN_PATH).rstrip("/")
    try:
        parsed = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise WrongOption(f"--url {url[:_SHOWN]} is not an address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise WrongOption(f"--url {url[:_SHOWN]} is not an address: write http(s)://host:port")
    return address


def part(name: str) -> str:
    """An id as a part of a path."""
    return quote(name, safe="")


def _parsed(model: type[AnswerT], answer: httpx2.Response) -> AnswerT:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        reasons = "; ".join(validation_reasons(error)[:3])
        raise ExternalServiceError(
            f"{answer.request.method} {answer.request.url} returned an invalid response ({reasons}): is"
            " this the CJ Assessment service, and of the same version as cj-admin?"
        ) from error


def _unreachable(address: str, error: httpx2.HTTPError) -> ExternalServiceError:
    reason = str(error) or type(error).__name__
    return ExternalServiceError(
        f"no answer from {address} ({reason}): is the suite up? Start it with cj-suite up, or say with --url where"
        " it is"
    )


def _retry_delay(error: Exception) -> bool | float:
    if isinstance(error, RateLimited | Unavailable):
        return min(error.retry_after, MAX_RETRY_DELAY_SECONDS)
    return False


def _reason(answer: httpx2.Response) -> tuple[str, Mapping[str, object]]:
    try:
        detail = ErrorBody.model_validate_json(answer.content).error
    except ValidationError:
        asked = f"{answer.request.method} {answer.request.url}"
        said = f"{asked} was answered with {answer.status_code} {answer.text[:_SHOWN]!r}"
        return f"{said}: is this the CJ Assessment service?", {}
    return detail.message, detail.details


def _retry_after(answer: httpx2.Response) -> float:
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else 1.0
