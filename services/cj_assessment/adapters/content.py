"""Where texts are kept: in this service's own table, or in an external content service with the same two routes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx2
import stamina
from event_contracts import ContentServiceError, ContentStored
from pydantic import ValidationError
from service_kit.http.bounded_body import TooLong, bounded_body

from cj_assessment.domain.contents import Fetched
from cj_assessment.domain.erasure import TextRemoval
from cj_assessment.ports import ContentRefused, Store

CONCURRENCY = 16
TIMEOUT_SECONDS = 15.0
"""Of one step: to connect, to send, to read the next piece."""
EXCHANGE_SECONDS = 60.0
"""Of a request and its whole answer: a response that is slower than this is aborted."""
ATTEMPTS = 3
MAX_ANSWER_BYTES = 65_536
_UNKNOWN = (400, 404, 410, 422)
"""No text is stored under this id; services that take ids of one form only say so with 400 or 422."""
_REFUSED = (400, 411, 413, 414, 415, 422)
"""It will never take this text, such as for its size."""
_NOT_DELETED = (403, 405, 409, 423, 501)
"""It cannot delete, or others refer to the text: asking again changes nothing."""


class LocalContent:
    """Texts that were posted to this service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:
        async with self._store.transaction() as transaction:
            sizes = await transaction.contents.sizes(storage_ids)
            too_long = frozenset(name for name, size in sizes.items() if size > max_bytes)
            bodies = await transaction.contents.read(sizes.keys() - too_long)
        return Fetched(bodies=bodies, failures={}, too_long=too_long)

    async def store(self, body: bytes) -> str:
        storage_id = hashlib.sha256(body).hexdigest()
        async with self._store.transaction() as transaction:
            await transaction.contents.put(storage_id=storage_id, body=body)
        return storage_id


def _may_succeed_later(error: Exception) -> bool:
    return isinstance(error, ContentServiceError) and not isinstance(error, ContentRefused)


class RemoteContent:
    """Texts of another service: ``GET {base}/v1/content/{storage_id}``, ``POST {base}/v1/content``."""

    def __init__(self, client: httpx2.AsyncClient, *, base_url: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:
        wanted = list(dict.fromkeys(storage_ids))
        found = await asyncio.gather(*(self._fetch_one(storage_id, max_bytes) for storage_id in wanted))
        outcomes = dict(zip(wanted, found, strict=True))
        return Fetched(
            bodies={name: body for name, body in outcomes.items() if isinstance(body, bytes)},
            failures={
                name: str(error) for name, error in outcomes.items() if isinstance(error, ContentServiceError)
            },
            too_long=frozenset(name for name, body in outcomes.items() if isinstance(body, TooLong)),
        )

    @stamina.retry(on=_may_succeed_later, attempts=ATTEMPTS, wait_initial=0.2, timeout=None)
    async def store(self, body: bytes) -> str:
        async with (
            _failures_are_the_services(),
            self._client.stream(
                "POST",
                f"{self._base_url}/v1/content",
                content=body,
                headers={"content-type": "text/plain; charset=utf-8"},
                timeout=TIMEOUT_SECONDS,
            ) as answer,
        ):
            if answer.status_code in _REFUSED:
                raise ContentRefused(
                    f"the content service answered {answer.status_code} to a text of {len(body)} bytes"
                )
            if not answer.is_success:
                raise ContentServiceError(f"the content service answered {answer.status_code}")
            return _stored(await bounded_body(answer.aiter_bytes(), max_bytes=MAX_ANSWER_BYTES))

    async def remove(self, storage_ids: Sequence[str]) -> TextRemoval:
        """Ask the service to delete texts; it knows whether others refer to them."""
        reasons = await asyncio.gather(*(self._remove_one(storage_id) for storage_id in storage_ids))
        kept = {name: reason for name, reason in zip(storage_ids, reasons, strict=True) if reason is not None}
        return TextRemoval(removed=frozenset(storage_ids) - kept.keys(), kept=kept)

    async def _remove_one(self, storage_id: str) -> str | None:
        """Reason for refusing deletion; None if deleted. Raises ``ContentServiceError`` if it is not known now."""
        async with (
            self._slots,
            _failures_are_the_services(),
            self._client.stream("DELETE", self._url(storage_id), timeout=TIMEOUT_SECONDS) as answer,
        ):
            pass
        if answer.is_success or answer.status_code in _UNKNOWN:
            return None
        if answer.status_code in _NOT_DELETED:
            return f"the content service answered {answer.status_code}"
        raise ContentServiceError(f"the content service answered {answer.status_code}")

    def _url(self, storage_id: str) -> str:
        return f"{self._base_url}/v1/content/{quote(storage_id, safe='')}"

    async def _fetch_one(
        self, storage_id: str, max_bytes: int
    ) -> bytes | TooLong | ContentServiceError | None:
        async with self._slots:
            try:
                return await self._get(self._url(storage_id), max_bytes)
            except ContentServiceError as error:
                return error

    @stamina.retry(on=ContentServiceError, attempts=ATTEMPTS, wait_initial=0.2, timeout=None)
    async def _get(self, url: str, max_bytes: int) -> bytes | TooLong | None:
        async with (
            _failures_are_the_services(),
            self._client.stream("GET", url, timeout=TIMEOUT_SECONDS) as answer,
        ):
            if answer.status_code in _UNKNOWN:
                return None
            if not answer.is_success:
                raise ContentServiceError(f"the content service answered {answer.status_code}")
            return await bounded_body(answer.aiter_bytes(), max_bytes=max_bytes)


class SharedContent:
    """Texts go to an external service; those posted here before it was configured, or kept here, are still found."""

    def __init__(self, own: LocalContent, external: RemoteContent) -> None:
        self._own = own
        self._external = external

    async def fetch(self, storage_ids: Sequence[str], *, max_bytes: int) -> Fetched:
        here = await self._own.fetch(storage_ids, max_bytes=max_bytes)
        elsewhere = [name for name in storage_ids if name not in here.bodies and name not in here.too_long]
        there = await self._external.fetch(elsewhere, max_bytes=max_bytes)
        return Fetched(
            bodies={**there.bodies, **here.bodies},
            failures=there.failures,
            too_long=here.too_long | there.too_long,
        )

    async def store(self, body: bytes) -> str:
        return await self._external.store(body)


@asynccontextmanager
async def _failures_are_the_services() -> AsyncIterator[None]:
    """Translate the errors of an exchange, in bounded time; redirects are not followed and are errors."""
    try:
        async with asyncio.timeout(EXCHANGE_SECONDS):
            yield
    except (httpx2.HTTPError, TimeoutError) as error:
        raise ContentServiceError(f"the content service does not answer: {error!r}") from error


def _stored(body: bytes | TooLong) -> str:
    try:
        return ContentStored.model_validate_json(b"" if isinstance(body, TooLong) else body).storage_id
    except ValidationError as error:
        raise ContentServiceError("the content service's answer violates its contract") from error
