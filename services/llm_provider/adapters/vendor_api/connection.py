"""How an adapter reaches its vendor: one HTTP client, no retries, every failure a ``JudgeError``."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx2
from event_contracts import ConfigurationError, JsonObject
from pydantic import BaseModel, ValidationError

from llm_provider.adapters.vendor_api.failures import failure, read_error
from llm_provider.adapters.vendor_api.limit_headers import no_limits, retry_after
from llm_provider.domain.calls.errors import JudgeTimeout, JudgeUnavailable
from llm_provider.domain.meters.limits import LimitReading

CONNECT_SECONDS: Final = 10.0
JOB_SECONDS: Final = 60.0
"""For a batch job's requests, which are answered at once; a download may pause this long, not last this long."""

_KEY: Final = re.compile(r"[!-~]+")

File = tuple[str, bytes, str]
"""A file's name, its bytes and its media type."""

Shape = TypeVar("Shape", bound=BaseModel)


def require_key(vendor: str, key: str) -> str:
    """The key; raises ``ConfigurationError``, which does not show it, for one that no header can carry."""
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            f"the key for {vendor} is empty or holds characters that no key has: look for a line end after it"
        )
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A vendor's API and the key to it, which is in the headers and so in no repr.

    ``base_url`` is an http(s) address (``ConfigurationError`` if not), ``vendor`` what it is called in errors.
    ``silence`` is how many seconds the vendor may say nothing. A model may think for minutes, so for a call it is
    None: the worker that makes the call ends it.
    """

    vendor: str
    client: httpx2.AsyncClient = field(repr=False)
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    silence: float | None = None
    read_limits: Callable[[Mapping[str, str]], tuple[LimitReading, ...]] = no_limits

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"the address of {self.vendor} must start with http:// or https://")

    async def get(self, path: str) -> httpx2.Response:
        """GET; raises ``JudgeError`` unless the answer is a success."""
        return await self.send("GET", path)

    async def post(
        self, path: str, body: JsonObject | None = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
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
    ) -> httpx2.Response:
        """Send a request; raises ``JudgeError`` unless the answer is a success."""
        try:
            answer = await self.client.request(
                method,
                self._url(path),
                json=json,
                content=content,
                data=form,
                files=files,
                headers={**self.headers, **(headers or {})},
                timeout=self._timeout,
            )
        except httpx2.HTTPError as error:
            raise self._unreached(error) from error
        self._require_success(answer)
        return answer

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a JSON Lines file, without empty ones, while it is read; raises ``JudgeError``, also half-way.

        A line ends at a line feed alone: texts in JSON may hold characters that other readers of lines end at.
        """
        pending = bytearray()
        try:
            async with self.client.stream(
                "GET", self._url(path), headers=self.headers, timeout=self._timeout
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                self._require_success(answer)
                async for chunk in answer.aiter_bytes():
                    *complete, rest = (pending + chunk).split(b"\n")
                    pending = bytearray(rest)
                    for line in filter(bytes.strip, map(bytes, complete)):
                        yield line
        except httpx2.HTTPError as error:
            raise self._unreached(error) from error
        if pending.strip():
            yield bytes(pending)

    def parse(self, content: bytes, shape: type[Shape]) -> Shape:
        """Read an answer; raises ``JudgeUnavailable`` when it does not fit the vendor's protocol."""
        try:
            return shape.model_validate_json(content)
        except ValidationError:
            # The cause would quote what the model wrote, so it is left out.
            raise JudgeUnavailable(f"the answer of {self.vendor} does not fit its protocol") from None

    def limits(self, answer: httpx2.Response) -> tuple[LimitReading, ...]:
        """What an answer says of the vendor's limits."""
        return self.read_limits(answer.headers)

    @property
    def _timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.silence, connect=CONNECT_SECONDS)

    def _url(self, path: str) -> str:
        """A path of the vendor's, or an address that it gave: the key goes to no other host."""
        if path.startswith("/"):
            return self.base_url.rstrip("/") + path
        own = httpx2.URL(self.base_url)
        return str(httpx2.URL(path).copy_with(scheme=own.scheme, host=own.host, port=own.port))

    def _unreached(self, error: httpx2.HTTPError) -> JudgeTimeout | JudgeUnavailable:
        if isinstance(error, httpx2.TimeoutException):
            return JudgeTimeout(f"{self.vendor} did not answer in time")
        return JudgeUnavailable(f"{self.vendor} cannot be reached or broke off ({type(error).__name__})")

    def _require_success(self, answer: httpx2.Response) -> None:
        if not answer.is_success:
            raise failure(
                self.vendor,
                answer.status_code,
                read_error(answer.content),
                retry_after=retry_after(answer.headers),
                limits=self.limits(answer),
            )
