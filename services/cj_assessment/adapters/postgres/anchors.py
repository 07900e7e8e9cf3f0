"""Anchor essays, and the instructions of assignments and courses."""

from collections.abc import Sequence
from typing import Any

from event_contracts import ContextOrigin
from sqlalchemy import Row, delete, false, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.audit import append_audit
from cj_assessment.adapters.postgres.tables import anchor_essay, assessment_instruction
from cj_assessment.domain.assignments import Anchor, StoredAnchor, StoredInstruction
from cj_assessment.ports.administration import AdminChange


class PostgresAnchors:
    """Implements ``ports.Anchors``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, anchor: Anchor, *, assignment_id: str) -> int:
        row = {
            "assignment_id": assignment_id,
            "anchor_label": anchor.label,
            "grade_scale": anchor.grade_scale,
            "grade": anchor.grade,
            "text_storage_id": anchor.text_storage_id,
        }
        statement = upsert(anchor_essay).values(row)
        replaced = {name: statement.excluded[name] for name in ("grade", "text_storage_id")}
        numbers = await self._connection.execute(
            statement.on_conflict_do_update(constraint="anchor_essay_label", set_=replaced).returning(
                anchor_essay.c.id
            )
        )
        return int(numbers.scalar_one())

    async def for_assignment(self, assignment_id: str) -> Sequence[StoredAnchor]:
        rows = await self._connection.execute(
            select(anchor_essay)
            .where(anchor_essay.c.assignment_id == assignment_id)
            .order_by(anchor_essay.c.anchor_label)
        )
        return [anchor_of(row) for row in rows]

    async def audit(self, change: AdminChange) -> None:
        await append_audit(self._connection, change)

    async def remove(self, number: int) -> None:
        await self._connection.execute(delete(anchor_essay).where(anchor_essay.c.id == number))

    async def instruction(
        self, *, assignment_id: str | None, course_id: str | None
    ) -> StoredInstruction | None:
        columns = assessment_instruction.c
        # Never compared with None: IS NULL would find the instructions of every course.
        owners = [
            column == owner
            for column, owner in ((columns.assignment_id, assignment_id), (columns.course_id, course_id))
            if owner is not None
        ]
        rows = await self._connection.execute(
            select(assessment_instruction)
            .where(or_(false(), *owners))
            .order_by(assessment_instruction.c.assignment_id.is_(None))
            .limit(1)
        )
        row = rows.first()
        return None if row is None else instruction_of(row)


def anchor_of(row: Row[Any]) -> StoredAnchor:
    """The anchor of a row."""
    return StoredAnchor(
        number=row.id,
        label=row.anchor_label,
        grade=row.grade,
        grade_scale=row.grade_scale,
        text_storage_id=row.text_storage_id,
        created_at=row.created_at,
    )


def instruction_of(row: Row[Any]) -> StoredInstruction:
    """The instruction of a row."""
    return StoredInstruction(
        assignment_id=row.assignment_id,
        instructions_text=row.instructions_text,
        grade_scale=row.grade_scale,
        context_origin=ContextOrigin(row.context_origin),
        student_prompt_storage_id=row.student_prompt_storage_id,
        judge_rubric_storage_id=row.judge_rubric_storage_id,
        course_id=row.course_id,
        number=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
