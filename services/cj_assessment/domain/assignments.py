"""What is set up for an assignment before its batches come: anchors, instructions, and the texts these name."""

from dataclasses import dataclass
from datetime import datetime

from event_contracts import ContextOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An essay with a known grade, registered for an assignment."""

    label: str
    grade: str
    grade_scale: str
    text_storage_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnchor(Anchor):
    """An anchor that is stored: with its number, and since when it is there."""

    number: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedAnchors:
    """The anchors of an assignment; ``used`` are those on its scale, or all where it has no instructions."""

    used: tuple[StoredAnchor, ...]
    every: tuple[StoredAnchor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """Judge instructions of an assignment or, where ``assignment_id`` is None, of a course."""

    assignment_id: str | None
    instructions_text: str
    grade_scale: str
    context_origin: ContextOrigin
    student_prompt_storage_id: str | None = None
    judge_rubric_storage_id: str | None = None
    course_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInstruction(Instruction):
    """Instructions that are stored: with their number, since when they are there, and when they last changed."""

    number: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentText:
    """The student prompt or the judge rubric of an assignment, and the instructions that name it."""

    assignment_id: str
    storage_id: str
    text: str
    instruction: StoredInstruction
