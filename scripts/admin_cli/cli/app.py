"""The program, and the options that several of its commands have."""

from pathlib import Path
from typing import Annotated, Final

import typer
from command_line.addresses import ASSESSMENT_URL
from event_contracts import GRADE_SCALES
from rich.console import Console

app = typer.Typer(
    name="cj-admin",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Administer the CJ Assessment service: instructions, prompts, rubrics, anchors, batches.",
    epilog="Exit codes: 0 done, 1 a service is unavailable, 2 wrong usage, 3 not found, 4 refused as invalid,"
    " 5 no login or no permission, 130 Ctrl-C.",
)
console = Console(highlight=False)

DEFAULT_URL: Final = ASSESSMENT_URL
Url = Annotated[
    str,
    typer.Option(
        envvar=["CJ_ADMIN_BASE_URL", "CJ_ASSESSMENT_URL"],
        help="Base URL of the CJ Assessment service, with or without /admin/v1.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
AssignmentId = Annotated[str, typer.Option(help="Id of the assignment.")]
OptionalAssignment = Annotated[str | None, typer.Option(help="Id of the assignment.")]
OptionalCourse = Annotated[str | None, typer.Option(help="Id of the course, for instructions of a course.")]
OutputFile = Annotated[
    Path | None, typer.Option(help="Write to this file, for its owner's eyes only, instead of the screen.")
]


def scale_names() -> list[str]:
    """What a shell completes ``--grade-scale`` to."""
    return list(GRADE_SCALES)


def group(name: str, purpose: str) -> typer.Typer:
    """A group of commands under the program."""
    commands = typer.Typer(no_args_is_help=True, help=purpose)
    app.add_typer(commands, name=name)
    return commands
