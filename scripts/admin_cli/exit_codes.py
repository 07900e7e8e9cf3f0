"""How a command ends: its exit code, and one line for each thing that went wrong."""

from contextlib import AbstractContextManager
from enum import IntEnum

from command_line.errors import EXIT_INTERRUPTED, WrongOption, exiting_on_errors
from command_line.printable import printable
from event_contracts import (
    ConfigurationError,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    SuiteError,
)
from rich.console import Console


class ExitCode(IntEnum):
    """What the exit codes of cj-admin mean; 130 is that of Ctrl-C."""

    DONE = 0
    UNAVAILABLE = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    NO_PERMISSION = 5
    INTERRUPTED = EXIT_INTERRUPTED


error_console = Console(stderr=True, highlight=False)


def code_of(error: SuiteError) -> ExitCode:
    """The exit code of a command that ends with this error."""
    match error:
        case NotAuthenticated() | NotAuthorized():
            return ExitCode.NO_PERMISSION
        case NotFound():
            return ExitCode.NOT_FOUND
        case WrongOption() | ConfigurationError():
            return ExitCode.USAGE
        case _:
            return ExitCode.REFUSED if error.http_status < 500 else ExitCode.UNAVAILABLE


def reporting_errors() -> AbstractContextManager[None]:
    """Run a command: an error becomes a line on stderr for each of its problems, and the exit code it stands for."""
    return exiting_on_errors(_report)


def _report(error: SuiteError) -> ExitCode:
    problems = error.details.get("problems")
    for line in problems if isinstance(problems, list) and problems else [error.message]:
        error_console.out(printable(str(line)), style="red", highlight=False)
    return code_of(error)
