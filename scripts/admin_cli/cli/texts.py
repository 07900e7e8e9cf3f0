"""cj-admin prompts and rubrics: the students' task and the judges' rubric of an assignment."""

from pathlib import Path
from typing import Annotated

import typer
from event_contracts import (
    InvalidRequest,
    JudgeRubricUpload,
    JudgeRubricView,
    StudentPromptUpload,
    StudentPromptView,
)
from pydantic import ValidationError

from admin_cli.cli.app import DEFAULT_URL, AssignmentId, Json, OutputFile, Url, console, group
from admin_cli.client import connected, part
from admin_cli.exit_codes import reporting_errors
from admin_cli.showing import print_json, print_text, save_text
from admin_cli.typed_texts import given_text

PROMPTS, RUBRICS = "/admin/v1/student-prompts", "/admin/v1/judge-rubrics"
prompts = group("prompts", "The task that an assignment's students were given.")
rubrics = group("rubrics", "The rubric that an assignment's judges are shown.")


@prompts.command("upload")
def upload_prompt(
    assignment_id: AssignmentId,
    prompt_file: Annotated[Path | None, typer.Option(help="The students' task, from a file.")] = None,
    prompt_text: Annotated[str | None, typer.Option(help="The students' task itself.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Store the students' task of an assignment that has instructions; the one it had is replaced."""
    with reporting_errors():
        text = given_text(prompt_text, prompt_file, names="--prompt-file and --prompt-text")
        try:
            upload = StudentPromptUpload(assignment_id=assignment_id, prompt_text=text)
        except ValidationError as error:
            raise InvalidRequest.of(error) from error
        with connected(url) as service:
            view = service.ask(StudentPromptView, "POST", PROMPTS, body=upload)
        if as_json:
            print_json(console, view)
        else:
            console.print(f"stored the prompt of assignment {view.assignment_id}", markup=False)


@prompts.command("get")
def get_prompt(
    assignment_id: AssignmentId,
    output_file: OutputFile = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show the students' task of an assignment."""
    with reporting_errors():
        with connected(url) as service:
            path = f"{PROMPTS}/assignment/{part(assignment_id)}"
            view = service.ask(StudentPromptView, "GET", path)
        if output_file is not None:
            save_text(output_file, view.prompt_text)
        if as_json:
            print_json(console, view)
        elif output_file is None:
            print_text(console, view.prompt_text)


@rubrics.command("upload")
def upload_rubric(
    assignment_id: AssignmentId,
    rubric_file: Annotated[Path | None, typer.Option(help="The rubric, from a file.")] = None,
    rubric_text: Annotated[str | None, typer.Option(help="The rubric itself.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Store the judges' rubric of an assignment that has instructions; the one it had is replaced."""
    with reporting_errors():
        text = given_text(rubric_text, rubric_file, names="--rubric-file and --rubric-text")
        try:
            upload = JudgeRubricUpload(assignment_id=assignment_id, rubric_text=text)
        except ValidationError as error:
            raise InvalidRequest.of(error) from error
        with connected(url) as service:
            view = service.ask(JudgeRubricView, "POST", RUBRICS, body=upload)
        if as_json:
            print_json(console, view)
        else:
            console.print(f"stored the rubric of assignment {view.assignment_id}", markup=False)


@rubrics.command("get")
def get_rubric(
    assignment_id: AssignmentId,
    output_file: OutputFile = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show the judges' rubric of an assignment."""
    with reporting_errors():
        with connected(url) as service:
            path = f"{RUBRICS}/assignment/{part(assignment_id)}"
            view = service.ask(JudgeRubricView, "GET", path)
        if output_file is not None:
            save_text(output_file, view.rubric_text)
        if as_json:
            print_json(console, view)
        elif output_file is None:
            print_text(console, view.rubric_text)
