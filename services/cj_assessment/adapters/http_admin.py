"""The service's HTTP routes for administrators: instructions, prompts, rubrics, anchors, scales, audit."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, Protocol, TypeVar

from event_contracts import (
    MAX_INTEGER,
    AdminAnchors,
    ChangePage,
    Deleted,
    ErrorBody,
    InstructionPage,
    InstructionUpsert,
    InstructionView,
    JudgeRubricUpload,
    JudgeRubricView,
    Name,
    ScaleList,
    StudentPromptUpload,
    StudentPromptView,
)
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import document_response, validate_querystring
from service_kit.http.bodies import answers, takes
from service_kit.http.permissions import Permission, caller, requires

from cj_assessment.adapters.http_views import (
    change_page,
    instruction_view,
    prompt_view,
    reviewed_anchors_view,
    rubric_view,
    scale_list,
)
from cj_assessment.domain.assignments import AssignmentText, ReviewedAnchors, StoredInstruction
from cj_assessment.domain.contents import MAX_CONTENT_BYTES
from cj_assessment.ports.administration import Change, Owner

MAX_PAGE_NUMBER: Final = 1_000_000

WantedT = TypeVar("WantedT", contravariant=True)
DoneT = TypeVar("DoneT", covariant=True)


class AuditedAction(Protocol[WantedT, DoneT]):
    """Does what is wanted in the name of ``by``."""

    def __call__(self, wanted: WantedT, /, *, by: str) -> Awaitable[DoneT]: ...


class ListsInstructions(Protocol):
    """Gives one page by number, from 1, and how many instructions there are."""

    def __call__(
        self, *, page: int, page_size: int, grade_scale: str | None
    ) -> Awaitable[tuple[Sequence[StoredInstruction], int]]: ...


class ListsChanges(Protocol):
    """Gives the newest changes, older than the one numbered ``before``."""

    def __call__(self, *, before: int | None, limit: int) -> Awaitable[Sequence[Change]]: ...


@dataclass(frozen=True, kw_only=True)
class AdminActions:
    """What the routes call."""

    save_instructions: AuditedAction[InstructionUpsert, StoredInstruction]
    list_instructions: ListsInstructions
    read_instructions: Callable[[Owner], Awaitable[StoredInstruction]]
    delete_instructions: AuditedAction[Owner, None]
    save_student_prompt: AuditedAction[StudentPromptUpload, AssignmentText]
    read_student_prompt: Callable[[str], Awaitable[AssignmentText]]
    save_judge_rubric: AuditedAction[JudgeRubricUpload, AssignmentText]
    read_judge_rubric: Callable[[str], Awaitable[AssignmentText]]
    review_anchors: Callable[[str], Awaitable[ReviewedAnchors]]
    delete_anchor: AuditedAction[int, None]
    list_changes: ListsChanges
    registry: CollectorRegistry


class InstructionsQuery(BaseModel):
    """Which page of the instructions."""

    page: Annotated[int, Field(ge=1, le=MAX_PAGE_NUMBER)] = 1
    page_size: Annotated[int, Field(ge=1, le=200)] = 50
    grade_scale: Name | None = None


class AuditQuery(BaseModel):
    """How many changes, older than which."""

    before: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class _Operations:
    """``cj_admin_instruction_operations_total``: the platform's dashboards read it by this name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "cj_admin_instruction_operations_total",
            "Operations of administrators.",
            ("operation", "status"),
            registry=registry,
        )
        for status in ("success", "failure"):
            self._counter.labels("upsert", status)

    @contextmanager
    def counted(self, operation: str) -> Iterator[None]:
        status = "failure"
        try:
            yield
            status = "success"
        finally:
            self._counter.labels(operation, status).inc()


def admin_api(actions: AdminActions) -> Blueprint:
    """The routes of instructions, anchors, scales and the audit."""
    blueprint = Blueprint("administration", __name__, url_prefix="/admin/v1")
    operations = _Operations(actions.registry)
    _add_instructions(blueprint, actions, operations)
    _add_readers_of_instructions(blueprint, actions, operations)
    _add_deletion_of_instructions(blueprint, actions, operations)
    _add_prompts(blueprint, actions, operations)
    _add_rubrics(blueprint, actions, operations)
    _add_anchors(blueprint, actions, operations)
    _add_scales_and_audit(blueprint, actions)
    return blueprint


def _add_instructions(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    @blueprint.post("/assessment-instructions")
    @takes(InstructionUpsert, max_bytes=MAX_CONTENT_BYTES)
    @answers(InstructionView)
    @document_response(ErrorBody, 409)
    @requires(Permission.ADMINISTER)
    async def save_instructions(data: InstructionUpsert) -> InstructionView:
        """Store or replace the instructions of an assignment or a course."""
        with operations.counted("upsert"):
            return instruction_view(await actions.save_instructions(data, by=caller().subject))

    @blueprint.get("/assessment-instructions")
    @validate_querystring(InstructionsQuery)
    @answers(InstructionPage)
    @requires(Permission.ADMINISTER)
    async def list_instructions(query_args: InstructionsQuery) -> InstructionPage:
        """All instructions, by page."""
        with operations.counted("list"):
            found, total = await actions.list_instructions(
                page=query_args.page, page_size=query_args.page_size, grade_scale=query_args.grade_scale
            )
        return InstructionPage(
            items=tuple(instruction_view(one) for one in found),
            total=total,
            page=query_args.page,
            page_size=query_args.page_size,
        )


def _add_readers_of_instructions(
    blueprint: Blueprint, actions: AdminActions, operations: _Operations
) -> None:
    @blueprint.get("/assessment-instructions/assignment/<assignment_id>")
    @answers(InstructionView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def for_assignment(assignment_id: str) -> InstructionView:
        """The instructions of an assignment."""
        with operations.counted("get"):
            return instruction_view(await actions.read_instructions(Owner(assignment_id=assignment_id)))

    @blueprint.get("/assessment-instructions/course/<course_id>")
    @answers(InstructionView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def of_course(course_id: str) -> InstructionView:
        """The instructions of a course."""
        with operations.counted("get"):
            return instruction_view(await actions.read_instructions(Owner(course_id=course_id)))


def _add_deletion_of_instructions(
    blueprint: Blueprint, actions: AdminActions, operations: _Operations
) -> None:
    @blueprint.delete("/assessment-instructions/assignment/<assignment_id>")
    @answers(Deleted)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def delete_of_assignment(assignment_id: str) -> Deleted:
        """Delete the instructions of an assignment; its anchors stay."""
        with operations.counted("delete"):
            await actions.delete_instructions(Owner(assignment_id=assignment_id), by=caller().subject)
        return Deleted(assignment_id=assignment_id)

    @blueprint.delete("/assessment-instructions/course/<course_id>")
    @answers(Deleted)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def delete_of_course(course_id: str) -> Deleted:
        """Delete the instructions of a course."""
        with operations.counted("delete"):
            await actions.delete_instructions(Owner(course_id=course_id), by=caller().subject)
        return Deleted(course_id=course_id)


def _add_prompts(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    @blueprint.post("/student-prompts")
    @takes(StudentPromptUpload, max_bytes=MAX_CONTENT_BYTES)
    @answers(StudentPromptView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def upload_prompt(data: StudentPromptUpload) -> StudentPromptView:
        """Store the task of an assignment that has instructions."""
        with operations.counted("prompt_upload"):
            return prompt_view(await actions.save_student_prompt(data, by=caller().subject))

    @blueprint.get("/student-prompts/assignment/<assignment_id>")
    @answers(StudentPromptView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER, Permission.PLAN)
    async def read_prompt(assignment_id: str) -> StudentPromptView:
        """The task of an assignment."""
        with operations.counted("prompt_get"):
            return prompt_view(await actions.read_student_prompt(assignment_id))


def _add_rubrics(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    @blueprint.post("/judge-rubrics")
    @takes(JudgeRubricUpload, max_bytes=MAX_CONTENT_BYTES)
    @answers(JudgeRubricView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def upload_rubric(data: JudgeRubricUpload) -> JudgeRubricView:
        """Store the rubric of an assignment that has instructions."""
        with operations.counted("rubric_upload"):
            return rubric_view(await actions.save_judge_rubric(data, by=caller().subject))

    @blueprint.get("/judge-rubrics/assignment/<assignment_id>")
    @answers(JudgeRubricView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def read_rubric(assignment_id: str) -> JudgeRubricView:
        """The rubric of an assignment."""
        with operations.counted("rubric_get"):
            return rubric_view(await actions.read_judge_rubric(assignment_id))


def _add_anchors(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    @blueprint.get("/anchors/assignment/<assignment_id>")
    @answers(AdminAnchors)
    @requires(Permission.ADMINISTER)
    async def anchors(assignment_id: str) -> AdminAnchors:
        """The anchors of an assignment: those on its scale, and how many there are on each."""
        return reviewed_anchors_view(await actions.review_anchors(assignment_id), assignment_id)

    @blueprint.delete("/anchors/<int:anchor_id>")
    @answers(Deleted)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def delete_anchor(anchor_id: int) -> Deleted:
        """Delete an anchor; batches that have begun keep it."""
        with operations.counted("anchor_delete"):
            await actions.delete_anchor(anchor_id, by=caller().subject)
        return Deleted(anchor_id=anchor_id)


def _add_scales_and_audit(blueprint: Blueprint, actions: AdminActions) -> None:
    @blueprint.get("/grade-scales")
    @answers(ScaleList)
    @requires(Permission.ADMINISTER)
    async def scales() -> ScaleList:
        """All grade scales."""
        return scale_list()

    @blueprint.get("/audit")
    @validate_querystring(AuditQuery)
    @answers(ChangePage)
    @requires(Permission.ADMINISTER)
    async def audit(query_args: AuditQuery) -> ChangePage:
        """Who changed what and when, the newest first."""
        found = await actions.list_changes(before=query_args.before, limit=query_args.limit)
        return change_page(found, limit=query_args.limit)
