"""cj-suite doctor, on the terminal."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from command_line.finding import Finding, exit_where_any_failed, show, show_counts
from rich.console import Console

from suite.stack.options import DEFAULT_DATA

console = Console()


def doctor(
    data: Annotated[
        Path, typer.Option(help="Where an embedded suite would keep its database and logs.")
    ] = DEFAULT_DATA,
    compose: Annotated[
        bool,
        typer.Option(
            "--compose", help="Ask the services by their names in Docker Compose, not on this machine."
        ),
    ] = False,
    judges: Annotated[
        bool,
        typer.Option(
            "--judges",
            help="Have each judge that has its key compare two sentences: a fraction of a cent each.",
        ),
    ] = False,
) -> None:
    """Try what this installation needs: disk, settings, each key with one free call, databases, broker, clock.

    Settings come from the environment and from .env in this folder. Each line says passed, failed or not checked,
    and what to do. Nothing is changed, and nothing is paid for without --judges.

    Exit code: 0 when nothing failed, 1 otherwise.
    """
    # Imported here: the services take seconds to load, and the other commands do not need all of them.
    from suite.doctor.examination import examine

    logging.disable()  # what a library says of a server that does not answer is in the finding, in words
    found: list[Finding] = []
    for finding in examine(data, compose=compose, with_judges=judges):
        show(finding, console=console)
        found.append(finding)
    show_counts(found, console=console)
    exit_where_any_failed(found)
