"""cj-suite doctor, on the terminal."""

import logging
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer
from command_line.exit_codes import ExitCode
from command_line.finding import Finding, Verdict
from rich.console import Console

from suite.stack.options import DEFAULT_DATA

STYLES: Final = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.NOT_CHECKED: "dim"}
WIDTH: Final = max(len(verdict) for verdict in Verdict)

console = Console(highlight=False)


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
    verdicts: Counter[Verdict] = Counter()
    for found in examine(data, compose=compose, with_judges=judges):
        _print(found)
        verdicts[found.verdict] += 1
    console.print(", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict))
    if verdicts[Verdict.FAILED]:
        raise typer.Exit(ExitCode.FAILED)


def _print(found: Finding) -> None:
    console.print(f"{found.verdict:<{WIDTH}}  ", style=STYLES[found.verdict], end="")
    console.print(f"{found.what}: {found.said}", markup=False, soft_wrap=True)
