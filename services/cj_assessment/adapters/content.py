"""Where essay texts come from: this service's own table, or an external content service with the same routes."""

import asyncio
from collections.abc import Mapping, Sequence

import httpx2
from event_contracts import ContentServiceError

from cj_assessment.ports import Store

CONCURRENCY = 16
TIMEOUT_SECONDS = 15.0


class OwnContent:
    """Texts that were posted to this service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def fetch(self, storage_ids: Sequence[str]) -> Mapping[str, bytes]:
        async with self._store.transaction() as transaction:
            return await transaction.contents(storage_ids)


class ExternalContent:
    """Texts of another service: ``GET {base}/v1/content/{storage_id}``."""

    def __init__(self, client: httpx2.AsyncClient, *, base_url: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._slots = asyncio.Semaphore(CONCURRENCY)

    async def fetch(self, storage_ids: Sequence[str]) -> Mapping[str, bytes]:
        wanted = list(dict.fromkeys(storage_ids))
        bodies = await asyncio.gather(*(self._fetch_one(storage_id) for storage_id in wanted))
        return {storage_id: body for storage_id, body in zip(wanted, bodies, strict=True) if body is not None}

    async def _fetch_one(self, storage_id: str) -> bytes | None:
        url = f"{self._base_url}/v1/content/{storage_id}"
        async with self._slots:
            try:
                answer = await self._client.get(url, timeout=TIMEOUT_SECONDS)
            except httpx2.HTTPError as error:
                raise ContentServiceError(f"the content service does not answer: {error!r}") from error
        if answer.status_code == 404:
            return None
        if not answer.is_success:
            raise ContentServiceError(f"the content service answered {answer.status_code}")
        return answer.content
