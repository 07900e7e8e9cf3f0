"""A run that has ended: its ranking, notes and totals on the terminal, its files, and its exit code."""

from pathlib import Path

import typer
from command_line.exit_codes import ExitCode, error_console
from event_contracts import AssessmentState, InvalidRequest
from rich.console import Console

from batch_runner.reporting.presentation import problems, ranking_table, totals_line
from batch_runner.reporting.run_files import write_run_files
from batch_runner.running.assembling import EndedRun

_NO_RANKING = (AssessmentState.FAILED, AssessmentState.CANCELLED)


def report_run(run: EndedRun, *, folder: Path, console: Console) -> None:
    """Print the ranking, notes on it, the totals and the files; raises ``typer.Exit`` with what was found."""
    batch, status = run.batch, run.batch.status
    if batch.results is not None:
        console.print(ranking_table(batch.results.result, title=batch.assignment.title))
    for problem in problems(batch):
        console.out("note", style="yellow", end=" ")
        console.out(problem, highlight=False)
    console.out(totals_line(batch), highlight=False)
    for path in _written(run, folder):
        console.out(str(path), highlight=False)
    code = _code(run)
    if status.state in _NO_RANKING:
        reason = status.error.message if status.error else f"the batch was {status.state}"
        error_console.out("no ranking:", style="red", end=" ")
        error_console.out(reason, highlight=False)
    if code is ExitCode.TIMED_OUT:
        error_console.out(
            f"timed out: the batch continues; follow it with cj-run execute --resume {folder}",
            highlight=False,
        )
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


def _code(run: EndedRun) -> ExitCode:
    state = run.batch.status.state
    if run.is_partial:
        return ExitCode.TIMED_OUT
    if state in _NO_RANKING:
        return ExitCode.FAILED
    partial = state is AssessmentState.COMPLETED_WITH_FAILURES
    return ExitCode.FINDINGS if partial else ExitCode.DONE


def _written(run: EndedRun, folder: Path) -> tuple[Path, ...]:
    try:
        return write_run_files(run, folder)
    except OSError as error:
        raise InvalidRequest(
            f"{folder} could not be written ({error.strerror}): correct that, and collect the results with"
            f" cj-run execute --resume {folder}"
        ) from error
