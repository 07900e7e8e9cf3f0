"""A run that has ended: its ranking, notes and totals on the terminal, and its files."""

from pathlib import Path

import typer
from event_contracts import AssessmentState, InvalidRequest
from rich.console import Console

from batch_runner.reporting.presentation import problems, ranking_table, totals_line
from batch_runner.reporting.run_files import write_run_files
from batch_runner.running.execution import FinishedRun
from batch_runner.running.running import EXIT_FAILED, errors


def report_run(run: FinishedRun, *, out: Path, console: Console) -> None:
    """Print the ranking, notes on it, the totals and the files; exit code 1 when there is no ranking."""
    if run.results is not None:
        console.print(ranking_table(run))
    for problem in problems(run):
        console.out("note", style="yellow", end=" ")
        console.out(problem, highlight=False)
    console.out(totals_line(run), highlight=False)
    for path in _written(run, out / run.status.batch_id):
        console.out(str(path), highlight=False)
    if run.status.state in (AssessmentState.FAILED, AssessmentState.CANCELLED):
        reason = run.status.error.message if run.status.error else f"the batch was {run.status.state}"
        errors.out("no ranking:", style="red", end=" ")
        errors.out(reason, highlight=False)
        raise typer.Exit(EXIT_FAILED)


def _written(run: FinishedRun, folder: Path) -> tuple[Path, ...]:
    try:
        return write_run_files(run, folder)
    except OSError as error:
        raise InvalidRequest(
            f"{folder} could not be written ({error.strerror}): put that right, and run it again with --batch-id"
            f" {run.status.batch_id} to collect the results"
        ) from error
