"""What administrators have saved, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cj_assessment.domain.assignments import Instruction, StoredAnchor, StoredInstruction
from cj_assessment.ports.administration import Change, Owner


@dataclass
class MemoryAdministration:
    """Implements ``ports.Administration``, without anchors."""

    saved: dict[Owner, StoredInstruction] = field(default_factory=dict)
    audit: list[Change] = field(default_factory=list)

    async def save(self, instruction: Instruction, *, by: str) -> StoredInstruction:
        owner = Owner(assignment_id=instruction.assignment_id, course_id=instruction.course_id)
        known, now = self.saved.get(owner), datetime.now(UTC)
        self.saved[owner] = StoredInstruction(
            assignment_id=instruction.assignment_id,
            course_id=instruction.course_id,
            instructions_text=instruction.instructions_text,
            grade_scale=instruction.grade_scale,
            context_origin=instruction.context_origin,
            student_prompt_storage_id=instruction.student_prompt_storage_id
            or (known.student_prompt_storage_id if known else None),
            judge_rubric_storage_id=known.judge_rubric_storage_id if known else None,
            number=known.number if known else len(self.saved) + 1,
            created_at=known.created_at if known else now,
            updated_at=now,
        )
        self._note(by, "instructions.save", owner)
        return self.saved[owner]

    async def find(self, owner: Owner) -> StoredInstruction | None:
        return self.saved.get(owner)

    async def page(
        self, *, page: int, page_size: int, grade_scale: str | None
    ) -> tuple[Sequence[StoredInstruction], int]:
        chosen = [one for one in self.saved.values() if grade_scale in (None, one.grade_scale)]
        return chosen[(page - 1) * page_size : page * page_size], len(chosen)

    async def delete(self, owner: Owner, *, by: str) -> bool:
        if self.saved.pop(owner, None) is None:
            return False
        self._note(by, "instructions.delete", owner)
        return True

    async def set_student_prompt(
        self, assignment_id: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        return self._changed(assignment_id, by=by, student_prompt_storage_id=storage_id)

    async def set_judge_rubric(
        self, assignment_id: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        return self._changed(assignment_id, by=by, judge_rubric_storage_id=storage_id)

    async def delete_anchor(self, number: int, *, by: str) -> StoredAnchor | None:  # noqa: ARG002 - the port's
        return None

    async def changes(self, *, before: int | None, limit: int) -> Sequence[Change]:
        older = [one for one in self.audit if before is None or one.number < before]
        return older[::-1][:limit]

    def _changed(self, assignment_id: str, *, by: str, **names: str) -> StoredInstruction | None:
        owner = Owner(assignment_id=assignment_id)
        known = self.saved.get(owner)
        if known is None:
            return None
        self.saved[owner] = replace(known, **names)  # type: ignore[arg-type]  # names and types are those of texts
        self._note(by, "text.upload", owner)
        return self.saved[owner]

    def _note(self, by: str, operation: str, owner: Owner) -> None:
        self.audit.append(
            Change(
                number=len(self.audit) + 1,
                at=datetime.now(UTC),
                by=by,
                operation=operation,
                subject=owner.subject,
                before=None,
                after=None,
            )
        )
