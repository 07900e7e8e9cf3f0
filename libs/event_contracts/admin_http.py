"""Administration of the CJ Assessment service over HTTP: instructions, prompts, rubrics, anchors, scales, audit."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from event_contracts.assessment import StopReason
from event_contracts.base import CourseCode, WireModel
from event_contracts.cj_http import MAX_ANCHORS_PER_ASSIGNMENT, AnchorView, AssessmentState
from event_contracts.fields import (
    MAX_RESULTS_PER_BATCH,
    Count,
    Flag,
    Identifier,
    JsonObject,
    LargeCount,
    LongText,
    Name,
    UtcDatetime,
)

MAX_PAGE_SIZE: Final = 200
MIN_INSTRUCTIONS: Final = 10
AssignmentId = Annotated[Identifier, Field(max_length=100)]
UploadedText = Annotated[LongText, Field(min_length=MIN_INSTRUCTIONS)]


class ContextOrigin(StrEnum):
    """What an assignment is for: on a national one, only its owner says how it is judged."""

    RESEARCH_EXPERIMENT = "research_experiment"
    CANONICAL_NATIONAL = "canonical_national"


class InstructionUpsert(WireModel):
    """POST /admin/v1/assessment-instructions: exactly one of `assignment_id` and `course_id`."""

    assignment_id: AssignmentId | None = None
    course_id: AssignmentId | None = None
    instructions_text: UploadedText
    grade_scale: Name
    context_origin: ContextOrigin = ContextOrigin.RESEARCH_EXPERIMENT
    student_prompt_storage_id: Identifier | None = None

    @model_validator(mode="after")
    def _one_owner(self) -> Self:
        if (self.assignment_id is None) == (self.course_id is None):
            raise ValueError("send exactly one of assignment_id and course_id")
        return self


class InstructionView(WireModel):
    """The instructions of an assignment or a course."""

    id: LargeCount
    assignment_id: Identifier | None = None
    course_id: Identifier | None = None
    instructions_text: LongText
    grade_scale: Name
    context_origin: ContextOrigin
    student_prompt_storage_id: Identifier | None = None
    judge_rubric_storage_id: Identifier | None = None
    created_at: UtcDatetime
    updated_at: UtcDatetime


class InstructionPage(WireModel):
    """GET /admin/v1/assessment-instructions."""

    items: Annotated[tuple[InstructionView, ...], Field(max_length=MAX_PAGE_SIZE)]
    total: Count
    page: Count
    page_size: Count


class Deleted(WireModel):
    """What was deleted; the fields that do not apply are null."""

    status: Literal["deleted"] = "deleted"
    assignment_id: Identifier | None = None
    course_id: Identifier | None = None
    anchor_id: LargeCount | None = None


class StudentPromptUpload(WireModel):
    """POST /admin/v1/student-prompts."""

    assignment_id: AssignmentId
    prompt_text: UploadedText


class JudgeRubricUpload(WireModel):
    """POST /admin/v1/judge-rubrics."""

    assignment_id: AssignmentId
    rubric_text: UploadedText


class StudentPromptView(WireModel):
    """The student prompt of an assignment."""

    assignment_id: Identifier
    student_prompt_storage_id: Identifier
    prompt_text: LongText
    instructions_text: LongText
    grade_scale: Name
    context_origin: ContextOrigin
    created_at: UtcDatetime


class JudgeRubricView(WireModel):
    """The judge rubric of an assignment."""

    assignment_id: Identifier
    judge_rubric_storage_id: Identifier
    rubric_text: LongText
    instructions_text: LongText
    grade_scale: Name
    context_origin: ContextOrigin
    created_at: UtcDatetime


class AdminAnchors(WireModel):
    """GET /admin/v1/anchors/assignment/{id}: `anchors` are those on the assignment's scale."""

    assignment_id: Identifier
    anchor_count: Count
    anchors: Annotated[tuple[AnchorView, ...], Field(max_length=MAX_ANCHORS_PER_ASSIGNMENT)]
    anchor_count_total: Count
    anchor_count_by_scale: Annotated[dict[Name, Count], Field(max_length=100)]


class ScaleView(WireModel):
    """A grade scale, lowest grade first."""

    id: Name
    grades: Annotated[tuple[Name, ...], Field(max_length=100)]
    below_lowest: Name | None = None


class ScaleList(WireModel):
    """GET /admin/v1/grade-scales."""

    scales: Annotated[tuple[ScaleView, ...], Field(max_length=100)]


class ChangeView(WireModel):
    """One change: who, when, what, before and after. Texts are named by their storage ids."""

    id: LargeCount
    at: UtcDatetime
    by: Name
    operation: Name
    subject: Name
    before: JsonObject | None = None
    after: JsonObject | None = None


class ChangePage(WireModel):
    """GET /admin/v1/audit: the newest first; `next_before` asks for older ones."""

    items: Annotated[tuple[ChangeView, ...], Field(max_length=MAX_PAGE_SIZE)]
    next_before: LargeCount | None = None


class ErasureView(WireModel):
    """A batch that is being forgotten: who has not finished yet, and what an external content service keeps."""

    batch_id: Identifier
    everything: Flag
    requested_by: Name
    requested_at: UtcDatetime
    completed_at: UtcDatetime | None
    waiting_for: Annotated[tuple[Name, ...], Field(max_length=MAX_RESULTS_PER_BATCH)]
    requests_erased: Count | None
    texts_kept_elsewhere: Count


class BatchSummary(WireModel):
    """One batch in a list."""

    batch_id: Identifier
    cj_assessment_job_id: Identifier
    assignment_id: Identifier | None = None
    course_code: CourseCode
    state: AssessmentState
    stop_reason: StopReason | None = None
    created_at: UtcDatetime
    completed_at: UtcDatetime | None = None


class BatchPage(WireModel):
    """GET /api/v1/batches: the newest first; `next_cursor` asks for older ones, null where there are none."""

    items: Annotated[tuple[BatchSummary, ...], Field(max_length=MAX_PAGE_SIZE)]
    next_cursor: Identifier | None = None
