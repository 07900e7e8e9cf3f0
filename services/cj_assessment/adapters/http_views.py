"""What the routes of assignments show, made of what the use cases give."""

from collections import Counter
from collections.abc import Sequence

from event_contracts import (
    GRADE_SCALES,
    AdminAnchors,
    AnchorView,
    ChangePage,
    ChangeView,
    InstructionView,
    JudgeRubricView,
    ScaleList,
    ScaleView,
    StudentPromptView,
)

from cj_assessment.domain.assignments import AssignmentText, ReviewedAnchors, StoredAnchor, StoredInstruction
from cj_assessment.ports.administration import Change


def instruction_view(instruction: StoredInstruction) -> InstructionView:
    """Instructions with their number and times."""
    return InstructionView(
        id=instruction.number,
        assignment_id=instruction.assignment_id,
        course_id=instruction.course_id,
        instructions_text=instruction.instructions_text,
        grade_scale=instruction.grade_scale,
        context_origin=instruction.context_origin,
        student_prompt_storage_id=instruction.student_prompt_storage_id,
        judge_rubric_storage_id=instruction.judge_rubric_storage_id,
        created_at=instruction.created_at,
        updated_at=instruction.updated_at,
    )


def prompt_view(prompt: AssignmentText) -> StudentPromptView:
    """A student prompt beside the instructions that it belongs to."""
    return StudentPromptView(
        assignment_id=prompt.assignment_id,
        student_prompt_storage_id=prompt.storage_id,
        prompt_text=prompt.text,
        instructions_text=prompt.instruction.instructions_text,
        grade_scale=prompt.instruction.grade_scale,
        context_origin=prompt.instruction.context_origin,
        created_at=prompt.instruction.created_at,
    )


def rubric_view(rubric: AssignmentText) -> JudgeRubricView:
    """A judge rubric beside the instructions that it belongs to."""
    return JudgeRubricView(
        assignment_id=rubric.assignment_id,
        judge_rubric_storage_id=rubric.storage_id,
        rubric_text=rubric.text,
        instructions_text=rubric.instruction.instructions_text,
        grade_scale=rubric.instruction.grade_scale,
        context_origin=rubric.instruction.context_origin,
        created_at=rubric.instruction.created_at,
    )


def anchor_view(anchor: StoredAnchor, assignment_id: str) -> AnchorView:
    """The view of a stored anchor."""
    return AnchorView(
        anchor_id=anchor.number,
        assignment_id=assignment_id,
        anchor_label=anchor.label,
        grade=anchor.grade,
        grade_scale=anchor.grade_scale,
        storage_id=anchor.text_storage_id,
        text_storage_id=anchor.text_storage_id,
        created_at=anchor.created_at,
    )


def reviewed_anchors_view(anchors: ReviewedAnchors, assignment_id: str) -> AdminAnchors:
    """The anchors that are used, and how many there are on each scale."""
    return AdminAnchors(
        assignment_id=assignment_id,
        anchor_count=len(anchors.used),
        anchors=tuple(anchor_view(one, assignment_id) for one in anchors.used),
        anchor_count_total=len(anchors.every),
        anchor_count_by_scale=dict(Counter(one.grade_scale for one in anchors.every)),
    )


def scale_list() -> ScaleList:
    """All grade scales."""
    return ScaleList(
        scales=tuple(
            ScaleView(id=scale.id, grades=scale.grades, below_lowest=scale.below_lowest)
            for scale in GRADE_SCALES.values()
        )
    )


def change_page(changes: Sequence[Change], *, limit: int) -> ChangePage:
    """One page of the audit; one with fewer than ``limit`` changes is the last."""
    items = tuple(
        ChangeView(
            id=one.number,
            at=one.at,
            by=one.by,
            operation=one.operation,
            subject=one.subject,
            before=one.before,
            after=one.after,
        )
        for one in changes
    )
    return ChangePage(items=items, next_before=items[-1].id if len(items) == limit else None)
