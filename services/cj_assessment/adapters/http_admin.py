"""The service's HTTP routes for administrators: instructions, prompts, rubrics, anchors, scales, audit."""

from collections import Counter as CountsOf
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final

from event_contracts import (
    GRADE_SCALES,
    AdminAnchors,
    ChangePage,
    ChangeView,
    Deleted,
    ErrorBody,
    InstructionPage,
    InstructionUpsert,
    InstructionView,
    JudgeRubricUpload,
    JudgeRubricView,
    Name,
    NotFound,
    ScaleList,
    ScaleView,
    StudentPromptUpload,
    StudentPromptView,
    grade_scale,
)
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import document_response, validate_querystring
from service_kit.http.bodies import answers, takes
from service_kit.http.permissions import Permission, caller, requires

from cj_assessment.adapters.http_api import anchor_view
from cj_assessment.domain.batch import Instruction, StoredAnchor, StoredInstruction
from cj_assessment.domain.contents import MAX_CONTENT_BYTES
from cj_assessment.ports import ContentStore
from cj_assessment.ports.administration import Administration, Owner

MAX_PAGE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class AdminActions:
    """What the routes call."""

    administration: Administration
    content: ContentStore
    list_anchors: Callable[[str], Awaitable[tuple[StoredAnchor, ...]]]
    registry: CollectorRegistry


class InstructionsQuery(BaseModel):
    """Which page of the instructions."""

    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    page_size: Annotated[int, Field(ge=1, le=200)] = 50
    grade_scale: Name | None = None


class AuditQuery(BaseModel):
    """How many changes, older than which."""

    before: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
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
    _add_texts(blueprint, actions, operations)
    _add_lists(blueprint, actions, operations)
    return blueprint


def _add_instructions(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    administration = actions.administration

    @blueprint.post("/assessment-instructions")
    @takes(InstructionUpsert, max_bytes=MAX_CONTENT_BYTES)
    @answers(InstructionView)
    @document_response(ErrorBody, 409)
    @requires(Permission.ADMINISTER)
    async def save_instructions(data: InstructionUpsert) -> InstructionView:
        """Store or replace the instructions of an assignment or a course."""
        with operations.counted("upsert"):
            instruction = Instruction(
                assignment_id=data.assignment_id,
                course_id=data.course_id,
                instructions_text=data.instructions_text,
                grade_scale=grade_scale(data.grade_scale).id,
                context_origin=data.context_origin,
                student_prompt_storage_id=data.student_prompt_storage_id,
            )
            return _view(await administration.save(instruction, by=caller().subject))

    @blueprint.get("/assessment-instructions")
    @validate_querystring(InstructionsQuery)
    @answers(InstructionPage)
    @requires(Permission.ADMINISTER)
    async def list_instructions(query_args: InstructionsQuery) -> InstructionPage:
        """All instructions, by page."""
        with operations.counted("list"):
            found, total = await administration.page(
                page=query_args.page, page_size=query_args.page_size, grade_scale=query_args.grade_scale
            )
        return InstructionPage(
            items=tuple(_view(one) for one in found),
            total=total,
            page=query_args.page,
            page_size=query_args.page_size,
        )

    @blueprint.get("/assessment-instructions/assignment/<assignment_id>")
    @answers(InstructionView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def for_assignment(assignment_id: str) -> InstructionView:
        """The instructions of an assignment."""
        with operations.counted("get"):
            return _view(await _known(administration, Owner(assignment_id=assignment_id)))

    @blueprint.get("/assessment-instructions/course/<course_id>")
    @answers(InstructionView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def of_course(course_id: str) -> InstructionView:
        """The instructions of a course."""
        with operations.counted("get"):
            return _view(await _known(administration, Owner(course_id=course_id)))

    @blueprint.delete("/assessment-instructions/assignment/<assignment_id>")
    @answers(Deleted)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def delete_of_assignment(assignment_id: str) -> Deleted:
        """Delete the instructions of an assignment; its anchors stay."""
        with operations.counted("delete"):
            await _delete(administration, Owner(assignment_id=assignment_id))
        return Deleted(assignment_id=assignment_id)

    @blueprint.delete("/assessment-instructions/course/<course_id>")
    @answers(Deleted)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def delete_of_course(course_id: str) -> Deleted:
        """Delete the instructions of a course."""
        with operations.counted("delete"):
            await _delete(administration, Owner(course_id=course_id))
        return Deleted(course_id=course_id)


def _add_texts(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    administration, content = actions.administration, actions.content

    @blueprint.post("/student-prompts")
    @takes(StudentPromptUpload, max_bytes=MAX_CONTENT_BYTES)
    @answers(StudentPromptView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def upload_prompt(data: StudentPromptUpload) -> StudentPromptView:
        """Store the task of an assignment that has instructions."""
        with operations.counted("prompt_upload"):
            await _known(administration, Owner(assignment_id=data.assignment_id))
            storage_id = await content.store(data.prompt_text.encode())
            saved = await administration.set_student_prompt(
                data.assignment_id, storage_id, by=caller().subject
            )
            if saved is None:
                raise _gone(data.assignment_id)
            return _prompt(saved, data.prompt_text)

    @blueprint.get("/student-prompts/assignment/<assignment_id>")
    @answers(StudentPromptView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER, Permission.PLAN)
    async def read_prompt(assignment_id: str) -> StudentPromptView:
        """The task of an assignment."""
        with operations.counted("prompt_get"):
            found = await _known(administration, Owner(assignment_id=assignment_id))
            return _prompt(found, await _text(content, found.student_prompt_storage_id, "student prompt"))

    @blueprint.post("/judge-rubrics")
    @takes(JudgeRubricUpload, max_bytes=MAX_CONTENT_BYTES)
    @answers(JudgeRubricView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def upload_rubric(data: JudgeRubricUpload) -> JudgeRubricView:
        """Store the rubric of an assignment that has instructions."""
        with operations.counted("rubric_upload"):
            await _known(administration, Owner(assignment_id=data.assignment_id))
            storage_id = await content.store(data.rubric_text.encode())
            saved = await administration.set_judge_rubric(data.assignment_id, storage_id, by=caller().subject)
            if saved is None:
                raise _gone(data.assignment_id)
            return _rubric(saved, data.rubric_text)

    @blueprint.get("/judge-rubrics/assignment/<assignment_id>")
    @answers(JudgeRubricView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def read_rubric(assignment_id: str) -> JudgeRubricView:
        """The rubric of an assignment."""
        with operations.counted("rubric_get"):
            found = await _known(administration, Owner(assignment_id=assignment_id))
            return _rubric(found, await _text(content, found.judge_rubric_storage_id, "judge rubric"))


def _add_lists(blueprint: Blueprint, actions: AdminActions, operations: _Operations) -> None:
    administration = actions.administration

    @blueprint.get("/anchors/assignment/<assignment_id>")
    @answers(AdminAnchors)
    @requires(Permission.ADMINISTER)
    async def anchors(assignment_id: str) -> AdminAnchors:
        """The anchors of an assignment: those on its scale, and how many there are on each."""
        found = await actions.list_anchors(assignment_id)
        instruction = await administration.find(Owner(assignment_id=assignment_id))
        used = [one for one in found if instruction is None or one.grade_scale == instruction.grade_scale]
        return AdminAnchors(
            assignment_id=assignment_id,
            anchor_count=len(used),
            anchors=tuple(anchor_view(one, assignment_id) for one in used),
            anchor_count_total=len(found),
            anchor_count_by_scale=dict(CountsOf(one.grade_scale for one in found)),
        )

    @blueprint.delete("/anchors/<int:anchor_id>")
    @answers(Deleted)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def delete_anchor(anchor_id: int) -> Deleted:
        """Delete an anchor; batches that have begun keep it."""
        with operations.counted("anchor_delete"):
            is_possible = anchor_id < 2**63
            if not is_possible or await administration.delete_anchor(anchor_id, by=caller().subject) is None:
                raise NotFound(f"there is no anchor {anchor_id}")
        return Deleted(anchor_id=anchor_id)

    @blueprint.get("/grade-scales")
    @answers(ScaleList)
    @requires(Permission.ADMINISTER)
    async def scales() -> ScaleList:
        """All grade scales."""
        return ScaleList(
            scales=tuple(
                ScaleView(id=scale.id, grades=scale.grades, below_lowest=scale.below_lowest)
                for scale in GRADE_SCALES.values()
            )
        )

    @blueprint.get("/audit")
    @validate_querystring(AuditQuery)
    @answers(ChangePage)
    @requires(Permission.ADMINISTER)
    async def audit(query_args: AuditQuery) -> ChangePage:
        """Who changed what and when, the newest first."""
        found = await administration.changes(before=query_args.before, limit=query_args.limit)
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
            for one in found
        )
        is_last = len(items) < query_args.limit
        return ChangePage(items=items, next_before=None if is_last else items[-1].id)


async def _known(administration: Administration, owner: Owner) -> StoredInstruction:
    found = await administration.find(owner)
    if found is None:
        raise NotFound(
            f"no instructions exist for {owner.subject}: create them with POST /admin/v1/assessment-instructions"
        )
    return found


def _gone(assignment_id: str) -> NotFound:
    return NotFound(f"assignment {assignment_id} no longer has instructions")


async def _delete(administration: Administration, owner: Owner) -> None:
    if not await administration.delete(owner, by=caller().subject):
        raise NotFound(f"no instructions exist for {owner.subject}")


async def _text(content: ContentStore, storage_id: str | None, name: str) -> str:
    if storage_id is None:
        raise NotFound(f"the assignment has no {name}: upload one first")
    fetched = await content.fetch([storage_id], max_bytes=MAX_CONTENT_BYTES)
    return fetched.text_of(storage_id, name=name)


def _view(instruction: StoredInstruction) -> InstructionView:
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


def _prompt(instruction: StoredInstruction, text: str) -> StudentPromptView:
    view = _view(instruction)
    return StudentPromptView(
        assignment_id=instruction.assignment_id or "",
        student_prompt_storage_id=instruction.student_prompt_storage_id or "",
        prompt_text=text,
        instructions_text=view.instructions_text,
        grade_scale=view.grade_scale,
        context_origin=view.context_origin,
        created_at=view.created_at,
    )


def _rubric(instruction: StoredInstruction, text: str) -> JudgeRubricView:
    view = _view(instruction)
    return JudgeRubricView(
        assignment_id=instruction.assignment_id or "",
        judge_rubric_storage_id=instruction.judge_rubric_storage_id or "",
        rubric_text=text,
        instructions_text=view.instructions_text,
        grade_scale=view.grade_scale,
        context_origin=view.context_origin,
        created_at=view.created_at,
    )
