"""Texts that were posted to this service."""

from collections.abc import Collection, Mapping

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.tables import content

# One array, however many ids there are: a statement has at most 32,767 arguments.
_READ = text("SELECT storage_id, body FROM content WHERE storage_id = ANY(CAST(:ids AS text[]))")
_SIZES = text(
    "SELECT storage_id, octet_length(body) AS size FROM content WHERE storage_id = ANY(CAST(:ids AS text[]))"
)


class PostgresContents:
    """Implements ``ports.Contents``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, *, storage_id: str, body: bytes) -> None:
        # A text that is posted again counts as new: a request is about to refer to it, so it must not be deleted yet.
        posted = upsert(content).values(storage_id=storage_id, body=body)
        again = posted.on_conflict_do_update(index_elements=["storage_id"], set_={"created_at": func.now()})
        await self._connection.execute(again)

    async def read(self, storage_ids: Collection[str]) -> Mapping[str, bytes]:
        rows = await self._connection.execute(_READ, {"ids": list(storage_ids)})
        return {row.storage_id: row.body for row in rows}

    async def sizes(self, storage_ids: Collection[str]) -> Mapping[str, int]:
        rows = await self._connection.execute(_SIZES, {"ids": list(storage_ids)})
        return {row.storage_id: row.size for row in rows}
