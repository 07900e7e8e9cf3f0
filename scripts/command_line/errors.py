"""How the commands of all programs end with an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from event_contracts import InvalidRequest, SuiteError

EXIT_INTERRUPTED: Final = 130
"""The exit code that shells report for Ctrl-C."""


class WrongOption(InvalidRequest):
    """The command cannot be done as it was typed."""


@contextmanager
def exiting_on_errors(report: Callable[[SuiteError], int]) -> Iterator[None]:
    """Run a command: ``report`` prints its error and returns the exit code that the error stands for."""
    try:
        yield
    except SuiteError as error:
        raise typer.Exit(report(error)) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
