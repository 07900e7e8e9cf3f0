"""Instructions, anchors and the audit, as administrators change them."""

from collections.abc import Sequence
from typing import Any

from event_contracts import JsonObject
from service_kit.storage.database import Database
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.anchors import anchor_of, instruction_of
from cj_assessment.adapters.postgres.audit import append_audit
from cj_assessment.adapters.postgres.tables import admin_change, anchor_essay, assessment_instruction
from cj_assessment.domain.assignments import (
    Instruction,
    StoredAnchor,
    StoredInstruction,
    anchor_details,
    check_change_under_anchors,
)
from cj_assessment.ports.administration import AdminChange, Change, Owner

_INSTRUCTION = assessment_instruction.c


class PostgresAdministration:
    """Implements ``ports.Administration``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, instruction: Instruction, *, by: str) -> StoredInstruction:
        owner = Owner(assignment_id=instruction.assignment_id, course_id=instruction.course_id)
        values = {
            "instructions_text": instruction.instructions_text,
            "grade_scale": instruction.grade_scale,
            "context_origin": instruction.context_origin,
            "updated_at": func.now(),
        }
        if instruction.student_prompt_storage_id is not None:
            values["student_prompt_storage_id"] = instruction.student_prompt_storage_id
        async with self._database.transaction() as connection:
            # Two writers of one owner take turns, also where there is no row yet.
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(owner.subject))))
            before = await _locked(connection, owner)
            if before is not None:
                check_change_under_anchors(
                    instruction_of(before), instruction, anchors=await _anchor_count(connection, owner)
                )
                row = await _updated(connection, before, values)
            else:
                row = (
                    await connection.execute(
                        insert(assessment_instruction)
                        .values(assignment_id=owner.assignment_id, course_id=owner.course_id, **values)
                        .returning(assessment_instruction)
                    )
                ).one()
            await _audit(connection, "instructions.save", owner, by=by, before=before, after=row)
        return instruction_of(row)

    async def find(self, owner: Owner) -> StoredInstruction | None:
        async with self._database.transaction() as connection:
            row = (await connection.execute(select(assessment_instruction).where(_is_of(owner)))).first()
        return None if row is None else instruction_of(row)

    async def page(
        self, *, page: int, page_size: int, grade_scale: str | None
    ) -> tuple[Sequence[StoredInstruction], int]:
        chosen = select(assessment_instruction)
        if grade_scale is not None:
            chosen = chosen.where(_INSTRUCTION.grade_scale == grade_scale)
        async with self._database.transaction() as connection:
            total = await connection.scalar(select(func.count()).select_from(chosen.subquery()))
            rows = await connection.execute(
                chosen.order_by(_INSTRUCTION.id).offset((page - 1) * page_size).limit(page_size)
            )
            return [instruction_of(row) for row in rows], total or 0

    async def delete(self, owner: Owner, *, by: str) -> bool:
        async with self._database.transaction() as connection:
            before = await _locked(connection, owner)
            if before is None:
                return False
            await connection.execute(delete(assessment_instruction).where(_INSTRUCTION.id == before.id))
            await _audit(connection, "instructions.delete", owner, by=by, before=before, after=None)
        return True

    async def set_student_prompt(
        self, assignment_id: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        return await self._set_text(assignment_id, "student_prompt_storage_id", storage_id, by=by)

    async def set_judge_rubric(
        self, assignment_id: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        return await self._set_text(assignment_id, "judge_rubric_storage_id", storage_id, by=by)

    async def _set_text(
        self, assignment_id: str, column: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        owner = Owner(assignment_id=assignment_id)
        async with self._database.transaction() as connection:
            before = await _locked(connection, owner)
            if before is None:
                return None
            row = await _updated(connection, before, {column: storage_id, "updated_at": func.now()})
            operation = f"{column.removesuffix('_storage_id')}.upload"
            await _audit(connection, operation, owner, by=by, before=before, after=row)
        return instruction_of(row)

    async def delete_anchor(self, number: int, *, by: str) -> StoredAnchor | None:
        async with self._database.transaction() as connection:
            row = (
                await connection.execute(
                    delete(anchor_essay).where(anchor_essay.c.id == number).returning(anchor_essay)
                )
            ).first()
            if row is None:
                return None
            anchor = anchor_of(row)
            change = AdminChange(
                by=by,
                operation="anchors.delete",
                subject=Owner(assignment_id=row.assignment_id).subject,
                before=anchor_details(anchor.number, anchor),
                after=None,
            )
            await append_audit(connection, change)
        return anchor

    async def changes(self, *, before: int | None, limit: int) -> Sequence[Change]:
        chosen = select(admin_change).order_by(admin_change.c.id.desc()).limit(limit)
        if before is not None:
            chosen = chosen.where(admin_change.c.id < before)
        async with self._database.transaction() as connection:
            rows = await connection.execute(chosen)
            return [
                Change(
                    number=row.id,
                    at=row.at,
                    by=row.by,
                    operation=row.operation,
                    subject=row.subject,
                    before=row.before,
                    after=row.after,
                )
                for row in rows
            ]


def _is_of(owner: Owner) -> ColumnElement[bool]:
    if owner.assignment_id is not None:
        return _INSTRUCTION.assignment_id == owner.assignment_id
    return _INSTRUCTION.course_id == owner.course_id


async def _locked(connection: AsyncConnection, owner: Owner) -> Row[Any] | None:
    chosen = select(assessment_instruction).where(_is_of(owner)).with_for_update()
    return (await connection.execute(chosen)).first()


async def _updated(connection: AsyncConnection, row: Row[Any], values: dict[str, Any]) -> Row[Any]:
    statement = update(assessment_instruction).where(_INSTRUCTION.id == row.id).values(**values)
    return (await connection.execute(statement.returning(assessment_instruction))).one()


async def _anchor_count(connection: AsyncConnection, owner: Owner) -> int:
    """How many anchors the assignment has; a course has none."""
    if owner.assignment_id is None:
        return 0
    counted = select(func.count()).select_from(anchor_essay)
    return await connection.scalar(counted.where(anchor_essay.c.assignment_id == owner.assignment_id)) or 0


async def _audit(
    connection: AsyncConnection,
    operation: str,
    owner: Owner,
    *,
    by: str,
    before: Row[Any] | None,
    after: Row[Any] | None,
) -> None:
    change = AdminChange(
        by=by,
        operation=operation,
        subject=owner.subject,
        before=_details(before),
        after=_details(after),
    )
    await append_audit(connection, change)


def _details(row: Row[Any] | None) -> JsonObject | None:
    if row is None:
        return None
    return {
        "instructions_text": row.instructions_text,
        "grade_scale": row.grade_scale,
        "context_origin": row.context_origin,
        "student_prompt_storage_id": row.student_prompt_storage_id,
        "judge_rubric_storage_id": row.judge_rubric_storage_id,
    }
