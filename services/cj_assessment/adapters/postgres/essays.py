"""The essays of batches."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from service_kit.storage.database import named_rows
from service_kit.storage.rows import RowCodec
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.tables import batch_essay
from cj_assessment.domain.batch import Essay, JobId
from cj_assessment.domain.signals import Signal
from cj_assessment.ports import EssayCounts


def _essay(row: Mapping[str, Any]) -> Essay:
    return Essay(
        item=row["item"],
        essay_id=row["essay_id"],
        text_storage_id=row["text_storage_id"],
        anchor_grade=row["anchor_grade"],
        problem=row["problem"],
        signals=tuple(Signal(signal) for signal in row["signals"].split(",") if signal),
        hidden_characters=row["hidden_characters"],
    )


ESSAYS = RowCodec[Essay](
    batch_essay,
    write={
        "item": lambda essay: essay.item,
        "essay_id": lambda essay: essay.essay_id,
        "text_storage_id": lambda essay: essay.text_storage_id,
        "anchor_grade": lambda essay: essay.anchor_grade,
        "body": lambda essay: essay.text,
        "problem": lambda essay: essay.problem,
        "signals": lambda essay: ",".join(essay.signals),
        "hidden_characters": lambda essay: essay.hidden_characters,
    },
    read=_essay,
)
_WITHOUT_TEXT = [column for column in batch_essay.c if column.name != "body"]

# Essays are stored once when a batch is accepted, and once more with what its preparation has found.
PUT_ESSAYS = text(
    f"""
    INSERT INTO batch_essay (job_id, {ESSAYS.columns})
    SELECT CAST(:job_id AS uuid), {ESSAYS.columns} FROM {ESSAYS.source}
    ON CONFLICT (job_id, item) DO UPDATE SET
        essay_id = excluded.essay_id, text_storage_id = excluded.text_storage_id,
        anchor_grade = excluded.anchor_grade, body = excluded.body, problem = excluded.problem,
        signals = excluded.signals, hidden_characters = excluded.hidden_characters
    """
)
REQUESTED = text(
    """
    SELECT place - 1 AS item, essay->>'essay_id' AS essay_id, essay->>'text_storage_id' AS text_storage_id
    FROM assessment_batch, jsonb_array_elements(request->'essays_for_cj') WITH ORDINALITY AS sent (essay, place)
    WHERE assessment_batch.id = :job_id ORDER BY place
    """
)
# Whatever the request holds: this is asked where a batch ends because its request cannot be read.
REQUESTED_IDS = text(
    """
    SELECT essay->>'essay_id' AS essay_id
    FROM assessment_batch, jsonb_array_elements(
        CASE jsonb_typeof(request->'essays_for_cj') WHEN 'array' THEN request->'essays_for_cj' ELSE '[]' END
    ) WITH ORDINALITY AS sent (essay, place)
    WHERE assessment_batch.id = :job_id AND jsonb_typeof(essay->'essay_id') = 'string' ORDER BY place
    """
)
TEXTS = text(
    """
    SELECT essay.job_id, essay.item, essay.body
    FROM unnest(CAST(:job_ids AS uuid[]), CAST(:items AS int[])) AS wanted (job_id, item)
    JOIN batch_essay AS essay ON essay.job_id = wanted.job_id AND essay.item = wanted.item
    WHERE essay.body IS NOT NULL
    """
)


class PostgresEssays:
    """Implements ``ports.Essays``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, job_id: JobId, essays: Sequence[Essay]) -> None:
        if essays:
            await self._connection.execute(PUT_ESSAYS, {"job_id": job_id, **ESSAYS.parameters(essays)})

    async def requested(self, job_id: JobId) -> tuple[Essay, ...]:
        rows = await self._connection.execute(REQUESTED, {"job_id": job_id})
        return tuple(Essay(**row) for row in named_rows(rows))

    async def requested_ids(self, job_id: JobId) -> Sequence[str]:
        rows = await self._connection.execute(REQUESTED_IDS, {"job_id": job_id})
        return [row.essay_id for row in rows]

    async def delete_from_index(self, job_id: JobId, item: int) -> None:
        await self._connection.execute(
            delete(batch_essay).where(batch_essay.c.job_id == job_id, batch_essay.c.item >= item)
        )

    async def of_batch(self, job_id: JobId) -> tuple[Essay, ...]:
        rows = await self._connection.execute(
            select(*_WITHOUT_TEXT).where(batch_essay.c.job_id == job_id).order_by(batch_essay.c.item)
        )
        return tuple(ESSAYS.values(rows))

    async def counts(self, job_id: JobId) -> EssayCounts:
        students = batch_essay.c.anchor_grade.is_(None)
        counted = select(
            func.count().filter(students).label("students"),
            func.count().filter(~students).label("anchors"),
            func.count().filter(batch_essay.c.problem.is_(None)).label("usable"),
        ).where(batch_essay.c.job_id == job_id)
        return EssayCounts(**(await self._connection.execute(counted)).mappings().one())

    async def texts(self, wanted: Collection[tuple[JobId, int]]) -> Mapping[tuple[JobId, int], str]:
        rows = await self._connection.execute(
            TEXTS, {"job_ids": [job_id for job_id, _ in wanted], "items": [item for _, item in wanted]}
        )
        return {(JobId(row["job_id"]), row["item"]): row["body"] for row in named_rows(rows)}
