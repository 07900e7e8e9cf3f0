"""How a command ends: its exit code, and one line for each thing that went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer
from batch_runner.reading.names import printable
from event_contracts import (
    ConfigurationError,
    InvalidRequest,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    RateLimited,
    SuiteError,
)
from rich.console import Console


class ExitCode(IntEnum):
    """What the exit codes of cj-admin mean; 130 is that of Ctrl-C."""

    DONE = 0
    AWAY = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    NO_PERMISSION = 5
    INTERRUPTED = 130


class WrongOption(InvalidRequest):
    """The command cannot be done as it was typed."""


errors = Console(stderr=True, highlight=False)


def code_of(error: SuiteError) -> ExitCode:
    """The exit code of a command that ends with this error."""
    match error:
        case NotAuthenticated() | NotAuthorized():
            return ExitCode.NO_PERMISSION
        case NotFound():
            return ExitCode.NOT_FOUND
        case WrongOption() | ConfigurationError():
            return ExitCode.USAGE
        case RateLimited():
            return ExitCode.AWAY
        case _:
            return ExitCode.REFUSED if error.http_status < 500 else ExitCode.AWAY


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Run a command: an error becomes a line on stderr for each of its problems, and the exit code it stands for."""
    try:
        yield
    except SuiteError as error:
        problems = error.details.get("problems")
        for line in problems if isinstance(problems, list) and problems else [error.message]:
            errors.out(printable(str(line)), style="red", highlight=False)
        raise typer.Exit(code_of(error)) from error
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
