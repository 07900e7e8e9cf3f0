"""Prompts and answers of batches that are to be forgotten, and what is held of a batch."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import orjson
from service_kit.storage.database import Database
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres import erasing_sql as sql
from llm_provider.domain.requests.request import QueueId

ROWS_AT_A_TIME: Final = 200

_OF_BATCH: Final = "judge_request.batch_id = :batch_id"
_OF_ESSAY: Final = f"{_OF_BATCH} AND :essay_id IN (metadata ->> 'essay_a_id', metadata ->> 'essay_b_id')"
_CALLS: Final = "JOIN judge_request ON judge_request.id = provider_call.request_id"


def _rows(columns: str, source: str, condition: str, order: str) -> TextClause:
    return text(f"SELECT CAST({columns} AS text) AS row FROM {source} WHERE {condition} ORDER BY {order}")


_BATCH_SECTIONS: Final = {
    "requests": _rows("to_jsonb(judge_request)", "judge_request", _OF_BATCH, "seq"),
    "calls": _rows("to_jsonb(provider_call)", f"provider_call {_CALLS}", _OF_BATCH, "provider_call.id"),
    "spending": _rows("to_jsonb(spending)", "spending", "batch_id = :batch_id", "day, provider, model"),
}
_ESSAY_SECTIONS: Final = {
    "requests": _rows(
        "to_jsonb(judge_request) - 'system_prompt' - 'prompt_blocks'", "judge_request", _OF_ESSAY, "seq"
    ),
    "calls": _rows("to_jsonb(provider_call)", f"provider_call {_CALLS}", _OF_ESSAY, "provider_call.id"),
}


class PostgresErasures:
    """Implements ``ports.Erasures``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_requests(self, batch_id: str, *, limit: int) -> Sequence[QueueId]:
        async with self._database.transaction() as connection:
            found = await connection.execute(sql.OPEN_OF_BATCH, {"batch_id": batch_id, "limit": limit})
            return [QueueId(queue_id) for queue_id in found.scalars()]

    async def erase_ended(self, batch_id: str, *, limit: int) -> int:
        return await self._changed(sql.ERASE_ENDED, batch_id=batch_id, limit=limit)

    async def erase_traces(self, batch_id: str) -> None:
        await self._changed(sql.DELETE_FAILURES, batch_id=batch_id)
        await self._changed(sql.DELETE_MESSAGES, batch_id=batch_id, quoted=_quoted(batch_id))

    async def delete_ended(self, batch_id: str, *, limit: int) -> int:
        return await self._changed(sql.DELETE_ENDED, batch_id=batch_id, limit=limit)

    async def anonymise_spending(self, batch_id: str) -> None:
        await self._changed(sql.ANONYMISE_SPENDING, batch_id=batch_id)

    async def erased(self, batch_id: str) -> int:
        return await self._counted(sql.COUNT_ERASED, batch_id=batch_id)

    async def outstanding(self, batch_id: str) -> int:
        waiting = await self._counted(sql.COUNT_WAITING, batch_id=batch_id, quoted=_quoted(batch_id))
        return waiting + await self._counted(sql.COUNT_OPEN, batch_id=batch_id)

    async def _changed(self, statement: TextClause, **values: object) -> int:
        async with self._database.transaction() as connection:
            return (await connection.execute(statement, values)).rowcount

    async def _counted(self, statement: TextClause, **values: object) -> int:
        async with self._database.transaction() as connection:
            return int(await connection.scalar(statement, values) or 0)


class PostgresExports:
    """Implements ``ports.Exports``; read with cursors, so that the memory in use does not grow with the batch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_batch(self, batch_id: str, *, essay_id: str | None) -> AsyncIterator[bytes]:
        values: dict[str, object] = {"batch_id": batch_id}
        sections = _BATCH_SECTIONS
        if essay_id is not None:
            values["essay_id"], sections = essay_id, _ESSAY_SECTIONS
        async with self._database.transaction() as connection:
            yield b'{"batch_id":' + orjson.dumps(batch_id)
            for name, statement in sections.items():
                yield b"," + orjson.dumps(name) + b":["
                async for piece in _joined(connection, statement, values):
                    yield piece
                yield b"]"
            yield b"}"


async def _joined(
    connection: AsyncConnection, statement: TextClause, values: dict[str, object]
) -> AsyncIterator[bytes]:
    separator = ""
    async with connection.stream(statement, values, execution_options={"yield_per": ROWS_AT_A_TIME}) as rows:
        async for part in rows.partitions():
            yield (separator + ",".join(_text(row) for row in part)).encode()
            separator = ","


def _text(row: Any) -> str:
    found: str = row.row
    return found


def _quoted(batch_id: str) -> str:
    """The batch id as it stands in the JSON of a message."""
    return '"bos_batch_id":' + orjson.dumps(batch_id).decode()
