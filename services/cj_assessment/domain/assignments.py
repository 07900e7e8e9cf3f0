"""What is set up for an assignment before its batches come: anchors, instructions, and the texts these name."""

from dataclasses import dataclass
from datetime import datetime

from event_contracts import Conflict, ContextOrigin, JsonObject


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


def anchor_details(number: int, anchor: Anchor) -> JsonObject:
    """An anchor as the audit keeps it: its text by its id alone."""
    return {
        "anchor_id": number,
        "anchor_label": anchor.label,
        "grade": anchor.grade,
        "grade_scale": anchor.grade_scale,
        "text_storage_id": anchor.text_storage_id,
    }


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


def check_change_under_anchors(before: Instruction, wanted: Instruction, *, anchors: int) -> None:
    """Raise ``Conflict`` where the assignment's ``anchors`` lock its scale and the context's origin."""
    kept = (before.grade_scale, before.context_origin)
    if anchors and kept != (wanted.grade_scale, wanted.context_origin):
        raise Conflict(
            f"the assignment has {anchors} anchors on {before.grade_scale}: its scale and context_origin are"
            " locked; delete the anchors first"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentText:
    """The student prompt or the judge rubric of an assignment, and the instructions that name it."""

    assignment_id: str
    storage_id: str
    text: str
    instruction: StoredInstruction
