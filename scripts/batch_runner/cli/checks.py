"""Commands on a run that has ended: verify."""

from pathlib import Path
from typing import Annotated

import typer

from batch_runner.artefact.verifying import verify as verified
from batch_runner.cli.app import app, console
from batch_runner.running.exit_codes import ExitCode, reporting_errors

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/<batch uuid>.")]


@app.command()
def verify(run: Run) -> None:
    """Check a run's folder: schema, checksums, each comparison's request, and the scores, computed again.

    Exit code: 0 where everything holds, 4 where anything does not, 3 where there is no run.
    """

    def work() -> None:
        checks = verified(run)
        for check in checks:
            for problem in check.problems:
                console.out("failed ", style="red", end=" ")
                console.out(f"{check.what}: {problem}", highlight=False)
            if not check.problems:
                console.out("passed ", style="green", end=" ")
                console.out(check.what, highlight=False)
        if any(check.problems for check in checks):
            raise typer.Exit(ExitCode.VALIDATION)

    reporting_errors(work)
