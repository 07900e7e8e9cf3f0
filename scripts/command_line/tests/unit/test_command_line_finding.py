"""Findings on a terminal, and the exit code that they stand for."""

import io

import pytest
import typer
from command_line.exit_codes import ExitCode
from command_line.finding import (
    Finding,
    exit_where_any_failed,
    failed,
    not_checked,
    passed,
    show,
    show_counts,
)
from rich.console import Console

FOUND = [
    passed("disk", "9 GB free"),
    failed("key [a]", "set it: " + "long " * 40),
    not_checked("broker", "none"),
]


def printed(found: list[Finding]) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, width=40)
    for finding in found:
        show(finding, console=console)
    show_counts(found, console=console)
    return screen.getvalue().splitlines()


def test_each_finding_is_one_line_as_it_was_said_and_the_last_line_counts_them() -> None:
    assert printed(FOUND) == [
        "passed       disk: 9 GB free",
        f"failed       key [a]: set it: {'long ' * 40}",
        "not checked  broker: none",
        "1 passed, 1 failed, 1 not checked",
    ]


def test_a_failure_is_an_exit_code_and_what_was_not_checked_is_none() -> None:
    with pytest.raises(typer.Exit) as ended:
        exit_where_any_failed(FOUND)

    assert ended.value.exit_code == ExitCode.FAILED
    exit_where_any_failed([FOUND[0], FOUND[2]])
