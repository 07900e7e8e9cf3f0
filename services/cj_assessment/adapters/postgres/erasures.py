"""Batches that are to be forgotten."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from event_contracts import Conflict, JsonObject
from service_kit.storage.database import Database
from service_kit.storage.leases import leased_keys
from service_kit.work.failed_items import is_retryable_sql
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres import erasing_sql as sql
from cj_assessment.adapters.postgres.audit import append_audit
from cj_assessment.adapters.postgres.due import rest_until
from cj_assessment.domain.batch import BatchId, unknown_batch
from cj_assessment.domain.erasure import Erasure
from cj_assessment.ports import Due
from cj_assessment.ports.administration import AdminChange
from cj_assessment.ports.worker_names import FORGET

_OPEN: Final = f"completed_at IS NULL AND {is_retryable_sql(FORGET, 'erasure.batch_id')}"
DUE_OPEN = text(
    f"SELECT batch_id FROM erasure WHERE {_OPEN} AND next_step_at <= now() ORDER BY next_step_at LIMIT :limit"
)
TAKE_OPEN = text(
    f"""
    UPDATE erasure SET next_step_at = now() + CAST(:lease AS interval)
    WHERE batch_id IN ({DUE_OPEN.text} FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING batch_id
    """
)
NEXT_OPEN = text(f"SELECT extract(epoch FROM min(next_step_at) - now()) FROM erasure WHERE {_OPEN}")


class PostgresErasures:
    """Implements ``ports.Erasures``; ``keeps_texts`` unless an external content service does."""

    def __init__(self, database: Database, *, keeps_texts: bool) -> None:
        self._database = database
        self._keeps_texts = keeps_texts

    async def start(self, batch_id: BatchId, *, everything: bool, requested_by: str) -> Erasure:
        async with self._database.transaction() as connection:
            batch = (await connection.execute(sql.LOCK_BATCH, {"batch_id": batch_id})).first()
            if batch is None:
                return await _forgotten(connection, batch_id)
            if batch.ended_at is None:
                raise Conflict(f"batch {batch_id!r} has not ended: cancel it first")
            elsewhere = await self._erase_texts(connection, batch, everything=everything)
            await connection.execute(sql.DELETE_FAILURES, {"job_id": batch.id})
            for statement in (sql.DELETE_MESSAGES, sql.DELETE_CALLBACKS):
                await connection.execute(statement, {"batch_id": batch_id})
            await _audit(connection, batch_id, everything=everything, by=requested_by)
            values = {
                "batch_id": batch_id,
                "everything": everything,
                "requested_by": requested_by,
                "elsewhere": elsewhere,
            }
            return _erasure((await connection.execute(sql.ADD_ERASURE, values)).one())

    async def _erase_texts(
        self, connection: AsyncConnection, batch: Row[Any], *, everything: bool
    ) -> list[str]:
        """Delete a batch's texts; returns those that are to be deleted in another service."""
        held = await connection.execute(sql.TEXTS_OF_BATCH, {"job_id": batch.id})
        storage_ids = list(held.scalars())
        if everything:
            released = await connection.execute(sql.RELEASE_RESULT, {"job_id": batch.id})
            storage_ids += released.scalars()
        await connection.execute(sql.ERASE_TEXTS, {"job_id": batch.id})
        alone = set((await connection.execute(sql.TEXTS_USED_HERE_ALONE, {"ids": storage_ids})).scalars())
        deleted = set((await connection.execute(sql.DELETE_CONTENT, {"ids": storage_ids})).scalars())
        return [] if self._keeps_texts else sorted(alone - deleted)

    async def read(self, batch_id: BatchId) -> Erasure | None:
        async with self._database.transaction() as connection:
            row = (await connection.execute(sql.READ_ERASURE, {"batch_id": batch_id})).first()
        return None if row is None else _erasure(row)

    async def take_open(self, *, limit: int, lease: timedelta) -> Due[BatchId]:
        async with self._database.transaction() as connection:
            values = {"limit": limit, "lease": lease}
            found = await leased_keys(connection, TAKE_OPEN, due=DUE_OPEN, values=values)
            if keys := [BatchId(key) for key in found]:
                return Due(keys=keys, rest_seconds=0)
            return Due(keys=(), rest_seconds=rest_until(await connection.scalar(NEXT_OPEN)))

    async def note_requests(self, batch_id: BatchId, *, erased: int) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(sql.NOTE_REQUESTS, {"batch_id": batch_id, "erased": erased})

    async def note_texts(self, batch_id: BatchId, *, settled: Collection[str], kept: int) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                sql.NOTE_TEXTS, {"batch_id": batch_id, "settled": list(settled), "kept": kept}
            )

    async def finish(self, batch_id: BatchId) -> bool:
        async with self._database.transaction() as connection:
            erasure = _erasure((await connection.execute(sql.READ_ERASURE, {"batch_id": batch_id})).one())
            if erasure.everything:
                await connection.execute(sql.DELETE_BATCH, {"batch_id": batch_id})
                if await connection.scalar(sql.BATCH_IS_THERE, {"batch_id": batch_id}):
                    return False
            return (await connection.execute(sql.COMPLETE, {"batch_id": batch_id})).rowcount > 0


async def _audit(connection: AsyncConnection, batch_id: BatchId, *, everything: bool, by: str) -> None:
    """A repetition that asks for no more than before changes nothing, and is not recorded."""
    known = (await connection.execute(sql.READ_ERASURE, {"batch_id": batch_id})).first()
    if known is None or (everything and not known.everything):
        before: JsonObject | None = None if known is None else {"everything": known.everything}
        after: JsonObject = {"everything": everything}
        change = AdminChange(
            by=by, operation="batches.forget", subject=f"batch {batch_id}", before=before, after=after
        )
        await append_audit(connection, change)


async def _forgotten(connection: AsyncConnection, batch_id: BatchId) -> Erasure:
    row = (await connection.execute(sql.READ_ERASURE, {"batch_id": batch_id})).first()
    if row is None:
        raise unknown_batch(batch_id)
    return _erasure(row)


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(
        batch_id=BatchId(row.batch_id),
        everything=row.everything,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        elsewhere=tuple(row.elsewhere),
        kept_elsewhere=row.kept_elsewhere,
        requests_erased=row.requests_erased,
        completed_at=row.completed_at,
    )
