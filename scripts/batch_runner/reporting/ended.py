"""A run that has ended: its ranking, notes and totals on the terminal, its files, and its exit code."""

from pathlib import Path

import typer
from command_line.exit_codes import ExitCode, errors
from event_contracts import AssessmentState, InvalidRequest
from rich.console import Console

from batch_runner.reporting.presentation import problems, ranking_table, totals_line
from batch_runner.reporting.run_files import write_run_files
from batch_runner.running.assembling import RunFacts

_NO_RANKING = (AssessmentState.FAILED, AssessmentState.CANCELLED)


def report_run(facts: RunFacts, *, folder: Path, console: Console) -> None:
    """Print the ranking, notes on it, the totals and the files; raises ``typer.Exit`` with what was found."""
    run = facts.finished()
    if run.results is not None:
        console.print(ranking_table(run))
    for problem in problems(run):
        console.out("note", style="yellow", end=" ")
        console.out(problem, highlight=False)
    console.out(totals_line(run), highlight=False)
    for path in _written(facts, folder):
        console.out(str(path), highlight=False)
    code = _code(facts)
    if run.status.state in _NO_RANKING:
        reason = run.status.error.message if run.status.error else f"the batch was {run.status.state}"
        errors.out("no ranking:", style="red", end=" ")
        errors.out(reason, highlight=False)
    if code is ExitCode.TIMED_OUT:
        errors.out(
            f"timed out: the batch continues; follow it with cj-run execute --resume {folder}",
            highlight=False,
        )
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


def _code(facts: RunFacts) -> ExitCode:
    assert facts.status is not None, "only a batch is reported"
    if facts.partial:
        return ExitCode.TIMED_OUT
    if facts.status.state in _NO_RANKING:
        return ExitCode.FAILED
    partial = facts.status.state is AssessmentState.COMPLETED_WITH_FAILURES
    return ExitCode.FINDINGS if partial else ExitCode.DONE


def _written(facts: RunFacts, folder: Path) -> tuple[Path, ...]:
    try:
        return write_run_files(facts, folder)
    except OSError as error:
        raise InvalidRequest(
            f"{folder} could not be written ({error.strerror}): put that right, and collect the results with"
            f" cj-run execute --resume {folder}"
        ) from error
