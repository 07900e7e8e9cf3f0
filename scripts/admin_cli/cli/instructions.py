"""cj-admin instructions: what judges of an assignment or a course are told, and on which scale they grade."""

from pathlib import Path
from typing import Annotated

import typer
from command_line.errors import WrongOption
from event_contracts import (
    ContextOrigin,
    Deleted,
    InstructionPage,
    InstructionUpsert,
    InstructionView,
    InvalidRequest,
)
from event_contracts.admin_http import MIN_INSTRUCTIONS
from pydantic import ValidationError

from admin_cli.cli.app import (
    DEFAULT_URL,
    Json,
    OptionalAssignment,
    OptionalCourse,
    Url,
    console,
    group,
    scale_names,
)
from admin_cli.client import connected, part
from admin_cli.exit_codes import reporting_errors
from admin_cli.showing import instruction_facts, instructions_table, owner_of, print_json
from admin_cli.typed_texts import given_text, optional_text

PATH = "/admin/v1/assessment-instructions"
commands = group("instructions", "What judges of an assignment or a course are told, and the scale.")


@commands.command()
def create(
    grade_scale: Annotated[
        str, typer.Option(help="Id of the grade scale: see cj-admin scales.", autocompletion=scale_names)
    ],
    assignment_id: OptionalAssignment = None,
    course_id: OptionalCourse = None,
    instructions_file: Annotated[
        Path | None, typer.Option(help="The instructions: .txt, .md, .docx, .odt, .rtf, .pdf or .html.")
    ] = None,
    instructions_text: Annotated[str | None, typer.Option(help="The instructions themselves.")] = None,
    context_origin: Annotated[
        ContextOrigin,
        typer.Option(help="canonical_national: only the assignment's owner says how it is judged."),
    ] = ContextOrigin.RESEARCH_EXPERIMENT,
    prompt_file: Annotated[Path | None, typer.Option(help="The students' task, from a file.")] = None,
    prompt_text: Annotated[str | None, typer.Option(help="The students' task itself.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Store the instructions of an assignment or a course; those that it had are replaced.

    Scale and context origin cannot be changed while the assignment has anchors.
    """
    with reporting_errors():
        path_of(assignment_id, course_id)
        text = given_text(
            instructions_text, instructions_file, names="--instructions-file and --instructions-text"
        )
        prompt = optional_text(prompt_text, prompt_file, names="--prompt-file and --prompt-text")
        wanted = _checked(assignment_id, course_id, text, grade_scale, context_origin)
        if prompt is not None and len(prompt) < MIN_INSTRUCTIONS:
            raise InvalidRequest(f"the prompt is too short: {MIN_INSTRUCTIONS} characters at least")
        with connected(url) as service:
            if prompt is not None:
                stored = service.store_text(prompt)
                wanted = wanted.model_copy(update={"student_prompt_storage_id": stored})
            view = service.ask(InstructionView, "POST", PATH, body=wanted)
        if as_json:
            print_json(console, view)
        else:
            console.print(f"stored the instructions of {owner_of(view)} on {view.grade_scale}", markup=False)


@commands.command("list")
def list_command(
    grade_scale: Annotated[
        str | None, typer.Option(help="Only those on this scale.", autocompletion=scale_names)
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page, from 1.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List the instructions that there are."""
    with reporting_errors(), connected(url) as service:
        query = {"page": page, "page_size": page_size, "grade_scale": grade_scale}
        found = service.ask(InstructionPage, "GET", PATH, query=query)
        if as_json:
            print_json(console, found)
            return
        console.print(instructions_table(found))
        if found.page * found.page_size < found.total:
            console.print(f"{found.total} in all; --page {found.page + 1} shows more", style="dim")


@commands.command()
def get(
    assignment_id: OptionalAssignment = None,
    course_id: OptionalCourse = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show the instructions of an assignment or a course."""
    with reporting_errors():
        path = path_of(assignment_id, course_id)
        with connected(url) as service:
            view = service.ask(InstructionView, "GET", path)
        if as_json:
            print_json(console, view)
        else:
            console.print(instruction_facts(view))


@commands.command()
def delete(
    assignment_id: OptionalAssignment = None,
    course_id: OptionalCourse = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Delete the instructions of an assignment or a course; its anchors stay."""
    with reporting_errors():
        path = path_of(assignment_id, course_id)
        with connected(url) as service:
            deleted = service.ask(Deleted, "DELETE", path)
        if as_json:
            print_json(console, deleted)
        else:
            owner = f"assignment {assignment_id}" if assignment_id else f"course {course_id}"
            console.print(f"deleted the instructions of {owner}", markup=False)


def path_of(assignment_id: str | None, course_id: str | None) -> str:
    """Where one owner's instructions are; raises ``WrongOption`` unless exactly one owner is named."""
    if (assignment_id is None) == (course_id is None):
        raise WrongOption("say one of --assignment-id and --course-id")
    if assignment_id is not None:
        return f"{PATH}/assignment/{part(assignment_id)}"
    return f"{PATH}/course/{part(course_id or '')}"


def _checked(
    assignment_id: str | None,
    course_id: str | None,
    text: str,
    grade_scale: str,
    context_origin: ContextOrigin,
) -> InstructionUpsert:
    try:
        return InstructionUpsert(
            assignment_id=assignment_id,
            course_id=course_id,
            instructions_text=text,
            grade_scale=grade_scale,
            context_origin=context_origin,
        )
    except ValidationError as error:
        raise InvalidRequest.of(error) from error
