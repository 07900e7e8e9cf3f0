"""The CJ Assessment service as its administrators use it, over HTTP."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx2
import stamina
from command_line.errors import WrongOption
from command_line.service_client import MAX_SHOWN, AnswerT, ServiceClient, ServiceRefused
from event_contracts import (
    ContentStored,
    ExternalServiceError,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    SuiteError,
    WireModel,
)
from suite_access import TOKEN_VARIABLE, CallerToken, Source

ROLE: Final = "admin"
RETRY_TIMEOUT_SECONDS: Final = 20.0
"""How long a request is repeated for a service that cannot answer now; a person waits for it."""
ADMIN_PATH: Final = "/admin/v1"


@dataclass(frozen=True, kw_only=True)
class AdminClient(ServiceClient):
    """Raises ``NotAuthenticated``, ``NotAuthorized``, ``NotFound``, ``ServiceRefused`` for what the service refuses,
    ``ExternalServiceError`` and ``ServiceUnavailable`` where it fails or is unavailable.
    """

    PROGRAM = "cj-admin"
    TIMEOUT_SECONDS = 60.0
    MAX_RETRY_DELAY_SECONDS = 5.0
    RETRIES_NO_ANSWER = False

    http: httpx2.Client
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
        return self.parsed(model, self._send(self.request(method, path, query=query, content=content)))

    def store_text(self, text: str) -> str:
        """Post a text; returns its storage id."""
        request = self.request("POST", "/v1/content", content=text.encode(), kind="text/plain; charset=utf-8")
        return self.parsed(ContentStored, self._send(request)).storage_id

    def is_in_development(self) -> bool:
        """What the service says of itself at ``/healthz``."""
        answer = self._exchange(self.request("GET", "/healthz"))
        try:
            said = answer.json()
        except ValueError:
            said = None
        if not isinstance(said, dict) or said.get("service") is None:
            raise ExternalServiceError(f"{self.base_url} is not a service of the suite: set --url")
        return said.get("development") is True

    @contextmanager
    def download(self, path: str) -> Iterator[Iterator[bytes]]:
        """The body of an answer, piece by piece."""
        try:
            with self.http.stream("GET", f"{self.base_url}{path}", timeout=None) as answer:
                if answer.is_error:
                    answer.read()
                    raise self.error(answer)
                yield answer.iter_bytes()
        except httpx2.HTTPError as error:
            raise self.no_answer(error) from error

    def error(self, answer: httpx2.Response) -> SuiteError:
        """As every client's, with what an administrator can do about a missing permission."""
        error = super().error(answer)
        if not isinstance(error, ServiceRefused):
            return error
        match error.status:
            case 401:
                return NotAuthenticated(self._without_token())
            case 403:
                needed = error.service_details.get("needs_one_of", "more")
                return NotAuthorized(f"your token does not permit this: it needs {needed} (role {ROLE})")
            case 404:
                return NotFound(error.message)
            case _:
                return error

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        for attempt in stamina.retry_context(
            self.retry_delay, attempts=None, timeout=RETRY_TIMEOUT_SECONDS, wait_initial=0.2, wait_jitter=0.2
        ):
            with attempt:
                answer = self._exchange(request)
                if answer.is_error:
                    raise self.error(answer)
        return answer

    def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return self.checked(self.http.send(request))
        except httpx2.HTTPError as error:
            raise self.no_answer(error) from error

    def _without_token(self) -> str:
        found = self.caller.found()
        if found is None:
            return f"not logged in to {self.base_url}: cj-admin login, or set {TOKEN_VARIABLE}"
        remedy = {
            Source.ENVIRONMENT: "set a valid one, or unset it and use cj-admin login",
            Source.EMBEDDED_STACK: "start the stack again",
            Source.LOGIN: "log in again",
        }[found.source]
        return f"{self.base_url} does not accept the token from {found.source}: {remedy}"


@contextmanager
def connected(url: str) -> Iterator[AdminClient]:
    """A client of the service at an address, with the caller's token for it."""
    address = base_address(url)
    caller = CallerToken(address, role=ROLE)
    with httpx2.Client(auth=caller, follow_redirects=False) as http:
        yield AdminClient(http=http, base_url=address, caller=caller)


def base_address(url: str) -> str:
    """The service's base URL; the platform writes it with the path of the administrators' routes."""
    address = url.strip().rstrip("/").removesuffix(ADMIN_PATH).rstrip("/")
    try:
        parsed = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise WrongOption(f"--url {url[:MAX_SHOWN]} is not an address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise WrongOption(f"--url {url[:MAX_SHOWN]} is not an address: write http(s)://host:port")
    return address


def part(name: str) -> str:
    """An id as a part of a path."""
    return quote(name, safe="")
