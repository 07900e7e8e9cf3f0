"""How an adapter reaches its vendor: one HTTP client, no retries, every failure a ``JudgeError``."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx2
from event_contracts import ConfigurationError, JsonObject
from pydantic import BaseModel, ValidationError

from llm_provider.adapters.vendor_api.bodies import MAX_ANSWER_BYTES, decompressed, read_body, too_large
from llm_provider.adapters.vendor_api.failures import failure, read_error
from llm_provider.adapters.vendor_api.limit_headers import no_limits, retry_after
from llm_provider.domain.calls.errors import JudgeTimeout, JudgeUnreachable, UnexpectedAnswer, WrongAddress
from llm_provider.domain.limits import LimitReading

CONNECT_SECONDS: Final = 10.0
JOB_SECONDS: Final = 60.0
"""For a batch job's requests, which are answered immediately; for a download it bounds each pause, not the total."""

_UNCOMPRESSED: Final = {"accept-encoding": "identity"}
"""Answers are short; what is not compressed cannot grow."""

_TEMPORARY: Final = frozenset({408, 425, 429})

_KEY: Final = re.compile(r"[!-~]+")

File = tuple[str, bytes, str]
"""A file's name, its bytes and its media type."""

Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A vendor's whole answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """True for a status of success."""
        return 200 <= self.status < 300

    @property
    def is_web_page(self) -> bool:
        """True for HTML, which no vendor's API answers with."""
        return "html" in self.headers.get("content-type", "")


def require_key(vendor: str, key: str) -> str:
    """The key; raises ``ConfigurationError``, which does not show it, for one that no header can carry."""
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            f"the key for {vendor} is empty or holds characters that no key has: look for a line end after it"
        )
    return key


def bearer(vendor: str, key: str) -> dict[str, str]:
    """The header that carries the key; raises ``ConfigurationError`` for one that no header can carry."""
    return {"authorization": f"Bearer {require_key(vendor, key)}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a vendor, or a named endpoint, is reached: its name in errors, its address, and the caller's headers.

    ``token`` gives the bearer token of the moment where it changes. ``own_fields``: it is the dialect's own vendor, so
    that fields which no other server of the dialect knows may be sent.
    """

    name: str
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    token: Callable[[], Awaitable[str]] | None = None
    own_fields: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A vendor's API and the key to it, which is in the headers only, so in no repr.

    ``base_url`` is an http(s) address (``ConfigurationError`` if not), ``vendor`` what it is called in errors.
    ``read_timeout`` is how many seconds the vendor may stay silent. A model may think for minutes, so for a call it is
    None: the worker that makes the call ends it. ``token`` gives the bearer token of the moment.
    """

    vendor: str
    client: httpx2.AsyncClient = field(repr=False)
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    read_timeout: float | None = None
    read_limits: Callable[[Mapping[str, str]], tuple[LimitReading, ...]] = no_limits
    token: Callable[[], Awaitable[str]] | None = None

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"the address of {self.vendor} must start with http:// or https://")

    async def get(self, path: str) -> Answer:
        """GET; raises ``JudgeError`` unless the answer is a success."""
        return await self.send("GET", path)

    async def post(
        self, path: str, body: JsonObject | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """POST a JSON body; raises ``JudgeError`` unless the answer is a success."""
        return await self.send("POST", path, json=body, headers=headers)

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: JsonObject | None = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, File] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; raises ``JudgeError`` unless the answer is a success."""
        shown = await self._shown()
        try:
            async with self.client.stream(
                method,
                self._url(path),
                json=json,
                content=content,
                data=form,
                files=files,
                headers={**_UNCOMPRESSED, **shown, **(headers or {})},
                timeout=self._timeout,
            ) as response:
                answer = await self._read(response)
        except httpx2.HTTPError as error:
            raise self._not_reached(error) from error
        self._require_success(answer)
        return answer

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a JSON Lines file, without empty ones, as it is read; raises ``JudgeError``, also half-way.

        A line ends at a line feed alone: texts in JSON may hold characters that other line readers treat as line ends.
        """
        pending = bytearray()
        shown = await self._shown()
        try:
            async with self.client.stream(
                "GET", self._url(path), headers={**_UNCOMPRESSED, **shown}, timeout=self._timeout
            ) as response:
                if not response.is_success:
                    self._require_success(await self._read(response))
                async for piece in decompressed(response, vendor=self.vendor):
                    pending += piece
                    if b"\n" in piece:
                        *complete, rest = pending.split(b"\n")
                        pending = bytearray(rest)
                        for line in filter(bytes.strip, map(bytes, complete)):
                            yield line
                    if len(pending) > MAX_ANSWER_BYTES:
                        raise too_large(self.vendor)
        except httpx2.HTTPError as error:
            raise self._not_reached(error) from error
        if pending.strip():
            yield bytes(pending)

    async def _shown(self) -> Mapping[str, str]:
        """The headers that authenticate the caller."""
        if self.token is None:
            return self.headers
        return {**self.headers, "authorization": f"Bearer {await self.token()}"}

    async def _read(self, response: httpx2.Response) -> Answer:
        content = await read_body(response, vendor=self.vendor)
        return Answer(status=response.status_code, headers=response.headers, content=content)

    def parse(self, content: bytes, shape: type[Shape]) -> Shape:
        """Read a successful answer; raises ``UnexpectedAnswer`` when it does not fit the vendor's protocol."""
        try:
            return shape.model_validate_json(content)
        except ValidationError:
            # The cause would quote what the model wrote, so it is left out.
            raise UnexpectedAnswer(
                f"the answer of {self.vendor} does not fit its protocol: {_hint(content)}", may_be_billed=True
            ) from None

    def limits(self, answer: Answer) -> tuple[LimitReading, ...]:
        """What an answer says about the vendor's limits."""
        return self.read_limits(answer.headers)

    @property
    def _timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.read_timeout, connect=CONNECT_SECONDS)

    def _url(self, path: str) -> str:
        """A path of the vendor's, or an address that it gave: the key goes to no other host."""
        if path.startswith("/"):
            return self.base_url.rstrip("/") + path
        own = httpx2.URL(self.base_url)
        return str(httpx2.URL(path).copy_with(scheme=own.scheme, host=own.host, port=own.port))

    def _not_reached(self, error: httpx2.HTTPError) -> JudgeTimeout | JudgeUnreachable:
        """What was sent may have been worked on, and may be billed, once there was a connection."""
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
            return JudgeUnreachable(
                f"{self.vendor} cannot be reached ({type(error).__name__}): is its address right, and the network up?"
            )
        if isinstance(error, httpx2.TimeoutException):
            return JudgeTimeout(f"{self.vendor} did not answer in time")
        return JudgeUnreachable(
            f"{self.vendor} closed the connection before its answer was complete ({type(error).__name__})",
            may_be_billed=True,
        )

    def _require_success(self, answer: Answer) -> None:
        if answer.is_success:
            return
        if answer.is_web_page:
            would_repeat = 400 <= answer.status < 500 and answer.status not in _TEMPORARY
            kind = WrongAddress if would_repeat else UnexpectedAnswer
            raise kind(
                f"the address of {self.vendor} answers with a web page ({answer.status}), not with its API:"
                " look for a proxy in between, or a wrong address",
                retry_after=retry_after(answer.headers),
            )
        raise failure(
            self.vendor,
            answer.status,
            read_error(answer.content),
            retry_after=retry_after(answer.headers),
            limits=self.limits(answer),
        )


def _hint(content: bytes) -> str:
    return "it is a web page" if content.lstrip()[:1] == b"<" else "it is another protocol or version"
