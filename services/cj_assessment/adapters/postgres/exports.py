"""Everything that the database holds of a batch, or under an essay's id, as JSON in pieces."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import orjson
from event_contracts import NotFound
from service_kit.storage.database import Database
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.tables import STUDENT_PROMPT
from cj_assessment.domain.batch import BatchId, unknown_batch

ROWS_AT_A_TIME: Final = 200

_JOB: Final = "(SELECT id FROM assessment_batch WHERE batch_id = :batch_id)"


def _rows(table: str, condition: str, order: str) -> TextClause:
    """Whole rows: what a later version adds to a table is exported without further changes."""
    return text(
        f"SELECT CAST(to_jsonb(one) AS text) AS row FROM {table} AS one WHERE {condition} ORDER BY {order}"
    )


_OF_BATCH: Final[Mapping[str, TextClause]] = {
    "batch": _rows("assessment_batch", "batch_id = :batch_id", "batch_id"),
    "erasure": _rows("erasure", "batch_id = :batch_id", "batch_id"),
    "essays": _rows("batch_essay", f"job_id = {_JOB}", "item"),
    "comparisons": _rows("comparison", f"job_id = {_JOB}", "id"),
    "attempts": _rows("comparison_attempt", f"job_id = {_JOB}", "comparison_id, number"),
    "scores": _rows("score_snapshot", f"job_id = {_JOB}", "number"),
    "problems": _rows("batch_problem", f"job_id = {_JOB}", "job_id"),
}
_TEXTS_OF_BATCH: Final = text(
    f"""
    SELECT storage_id, body FROM content WHERE storage_id IN (
        SELECT text_storage_id FROM batch_essay WHERE job_id = {_JOB}
        UNION SELECT {STUDENT_PROMPT} FROM assessment_batch WHERE batch_id = :batch_id)
    ORDER BY storage_id
    """
)

# Of a comparison, only what concerns this essay: the other one is another pupil's.
_OF_ESSAY: Final[Mapping[str, TextClause]] = {
    "essays": text(
        """
        SELECT CAST(jsonb_build_object('batch_id', batch.batch_id) || to_jsonb(one) AS text) AS row
        FROM batch_essay AS one JOIN assessment_batch AS batch ON batch.id = one.job_id
        WHERE one.essay_id = :essay_id ORDER BY batch.received_at
        """
    ),
    "results": text(
        """
        SELECT CAST(jsonb_build_object(
            'batch_id', batch.batch_id,
            'result', jsonb_path_query_first(
                batch.result, '$.essay_results[*] ? (@.essay_id == $id)',
                jsonb_build_object('id', CAST(:essay_id AS text))),
            'look_at', batch.result #> ARRAY['assessment_metadata', 'look_at', :essay_id],
            'grade_probabilities', batch.result
                #> ARRAY['assessment_metadata', 'grade_projections', 'grade_probabilities', :essay_id],
            'bt_stats', batch.result #> ARRAY['assessment_metadata', 'grade_projections', 'bt_stats', :essay_id]
        ) AS text) AS row
        FROM batch_essay AS one JOIN assessment_batch AS batch ON batch.id = one.job_id
        WHERE one.essay_id = :essay_id AND jsonb_typeof(batch.result) = 'object' ORDER BY batch.received_at
        """
    ),
    "comparisons": text(
        """
        SELECT CAST(jsonb_build_object('slot', CASE WHEN one.item = comparison.slot_a THEN 'A' ELSE 'B' END)
                    || to_jsonb(comparison) - 'slot_a' - 'slot_b' AS text) AS row
        FROM batch_essay AS one JOIN comparison ON comparison.job_id = one.job_id
             AND one.item IN (comparison.slot_a, comparison.slot_b)
        WHERE one.essay_id = :essay_id ORDER BY comparison.id
        """
    ),
    "attempts": text(
        """
        SELECT CAST(to_jsonb(attempt) AS text) AS row
        FROM batch_essay AS one JOIN comparison ON comparison.job_id = one.job_id
             AND one.item IN (comparison.slot_a, comparison.slot_b)
        JOIN comparison_attempt AS attempt ON attempt.comparison_id = comparison.id
        WHERE one.essay_id = :essay_id ORDER BY attempt.comparison_id, attempt.number
        """
    ),
}
_TEXTS_OF_ESSAY: Final = text(
    """
    SELECT storage_id, body FROM content
    WHERE storage_id IN (SELECT text_storage_id FROM batch_essay WHERE essay_id = :essay_id)
    """
)
_BATCHES_OF: Final = text(
    """
    SELECT batch.batch_id FROM batch_essay JOIN assessment_batch AS batch ON batch.id = batch_essay.job_id
    WHERE essay_id = :essay_id ORDER BY batch.received_at
    """
)
_BATCH_IS_KNOWN: Final = text(
    """
    SELECT EXISTS (SELECT 1 FROM assessment_batch WHERE batch_id = :batch_id)
        OR EXISTS (SELECT 1 FROM erasure WHERE batch_id = :batch_id)
    """
)


class PostgresExports:
    """Implements ``ports.Exports``; read with cursors, so that the memory in use does not grow with the batch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_batch(self, batch_id: BatchId) -> AsyncIterator[bytes]:
        values = {"batch_id": batch_id}
        async with self._database.transaction() as connection:
            if not await connection.scalar(_BATCH_IS_KNOWN, values):
                raise unknown_batch(batch_id)
            async for piece in _members(connection, _OF_BATCH, _TEXTS_OF_BATCH, values):
                yield piece

    async def of_essay(self, essay_id: str) -> AsyncIterator[bytes]:
        values = {"essay_id": essay_id}
        async with self._database.transaction() as connection:
            if not (await connection.execute(_BATCHES_OF, values)).first():
                raise NotFound(
                    f"nothing is held under the essay id {essay_id!r}: check the id; what was forgotten is gone"
                )
            async for piece in _members(connection, _OF_ESSAY, _TEXTS_OF_ESSAY, values):
                yield piece

    async def batches_of(self, essay_id: str) -> Sequence[BatchId]:
        async with self._database.transaction() as connection:
            found = await connection.execute(_BATCHES_OF, {"essay_id": essay_id})
            return [BatchId(batch_id) for batch_id in found.scalars()]


async def _members(
    connection: AsyncConnection,
    sections: Mapping[str, TextClause],
    texts: TextClause,
    values: Mapping[str, object],
) -> AsyncIterator[bytes]:
    """Members of a JSON object, each an array of rows."""
    for name, statement in sections.items():
        yield orjson.dumps(name) + b":["
        async for piece in _joined(connection, statement, values, as_json=_row):
            yield piece
        yield b"],"
    yield b'"texts":['
    async for piece in _joined(connection, texts, values, as_json=_text):
        yield piece
    yield b"]"


async def _joined(
    connection: AsyncConnection, statement: TextClause, values: Mapping[str, object], *, as_json: Any
) -> AsyncIterator[bytes]:
    separator = b""
    async with connection.stream(
        statement, dict(values), execution_options={"yield_per": ROWS_AT_A_TIME}
    ) as rows:
        async for part in rows.partitions():
            yield separator + b",".join(as_json(row) for row in part)
            separator = b","


def _row(row: Row[Any]) -> bytes:
    found: str = row.row
    return found.encode()


def _text(row: Row[Any]) -> bytes:
    """The bytes as text where they are text."""
    try:
        held = {"text": row.body.decode()}
    except UnicodeDecodeError:
        held = {"base64": base64.b64encode(row.body).decode()}
    return orjson.dumps({"storage_id": row.storage_id, **held})
