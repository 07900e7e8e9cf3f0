"""How a command of cj-run or cj-suite ends: its exit code, and one line for what went wrong."""

import signal
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Final

from event_contracts import ConfigurationError, ErrorCode, InvalidLlmConfig, NotFound, SuiteError
from rich.console import Console

from command_line.errors import EXIT_INTERRUPTED, WrongOption, exiting_on_errors
from command_line.service_client import ServiceRefused

_BUDGET: Final = frozenset({ErrorCode.LLM_COST_LIMIT_EXCEEDED, ErrorCode.QUOTA_EXCEEDED})


class ExitCode(IntEnum):
    """What the exit codes of cj-run and cj-suite mean; 130 and 143 are those of SIGINT and SIGTERM."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    VALIDATION = 4
    BUDGET_REFUSED = 5
    FINDINGS = 6
    TIMED_OUT = 7
    INTERRUPTED = EXIT_INTERRUPTED


class ManifestExitCode(IntEnum):
    """What ``cj-suite models check`` found; its codes are its own, because jobs that run it daily tell them apart."""

    UP_TO_DATE = 0
    NOT_ASKED = 2
    BREAKING = 3
    NEWER = 4
    UNKNOWN_FAMILY = 5


class BudgetRefused(SuiteError):
    """What a run would take is more than it may."""

    code = ErrorCode.LLM_COST_LIMIT_EXCEEDED


error_console = Console(stderr=True)


def exit_code(number: signal.Signals) -> int:
    """The exit code of a program that a signal has ended, as shells report it: 130 for Ctrl-C."""
    return 128 + number


def code_of(error: SuiteError) -> ExitCode:
    """The exit code of a command that ends with this error."""
    service_code = error.service_code if isinstance(error, ServiceRefused) else None
    if isinstance(error, BudgetRefused) or service_code in _BUDGET:
        return ExitCode.BUDGET_REFUSED
    if isinstance(error, NotFound) or (isinstance(error, ServiceRefused) and error.status == 404):
        return ExitCode.NOT_FOUND
    if isinstance(error, ConfigurationError | InvalidLlmConfig | WrongOption):
        return ExitCode.USAGE
    return ExitCode.VALIDATION if error.http_status < 500 else ExitCode.FAILED


def reporting_errors() -> AbstractContextManager[None]:
    """Run a command: an error is one line on stderr and the exit code that it stands for."""
    return exiting_on_errors(_report)


def _report(error: SuiteError) -> ExitCode:
    code = error.service_code if isinstance(error, ServiceRefused) else None
    error_console.out(code or error.code, style="red", end=" ")
    error_console.out(error.message, highlight=False)
    return code_of(error)
