"""What administrators change; each method is one transaction, and its change is audited in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from event_contracts import JsonObject

from cj_assessment.domain.assignments import Instruction, StoredAnchor, StoredInstruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose instructions: an assignment's or a course's, exactly one."""

    assignment_id: str | None = None
    course_id: str | None = None

    @property
    def subject(self) -> str:
        """In the audit."""
        return f"assignment {self.assignment_id}" if self.assignment_id else f"course {self.course_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminChange:
    """Who changes what, for the audit; ``before`` and ``after`` are None where there is nothing."""

    by: str
    operation: str
    subject: str
    before: JsonObject | None
    after: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(AdminChange):
    """One change as it was audited."""

    number: int
    at: datetime


class Administration(Protocol):
    """Instructions, their texts, anchors and the audit."""

    async def save(self, instruction: Instruction, *, by: str) -> StoredInstruction:
        """Store or replace the instructions of an owner.

        Raises ``Conflict`` where anchors are there and the scale or the context's origin would change.
        """
        ...

    async def find(self, owner: Owner) -> StoredInstruction | None:
        """The owner's own instructions."""
        ...

    async def page(
        self, *, page: int, page_size: int, grade_scale: str | None
    ) -> tuple[Sequence[StoredInstruction], int]:
        """One page by number, from 1, and how many there are."""
        ...

    async def delete(self, owner: Owner, *, by: str) -> bool:
        """Delete the owner's instructions; False where there are none."""
        ...

    async def set_student_prompt(
        self, assignment_id: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        """Name the task of an assignment; None for one without instructions."""
        ...

    async def set_judge_rubric(
        self, assignment_id: str, storage_id: str, *, by: str
    ) -> StoredInstruction | None:
        """Name the rubric of an assignment; None for one without instructions."""
        ...

    async def delete_anchor(self, number: int, *, by: str) -> StoredAnchor | None:
        """Delete an anchor and return it; None for an unknown one."""
        ...

    async def changes(self, *, before: int | None, limit: int) -> Sequence[Change]:
        """The newest changes first, older than the one numbered ``before``."""
        ...
