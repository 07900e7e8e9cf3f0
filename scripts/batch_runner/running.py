"""Running a command or an assessment from beginning to end, and telling what came of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

import typer
from event_contracts import AssessmentState, SuiteError
from rich.console import Console

from batch_runner.assignment import Assignment
from batch_runner.client import AssessmentClient, ServiceRefused
from batch_runner.execution import FinishedRun, RunOptions, assessment_request, collect, follow, upload
from batch_runner.presentation import LiveProgress, problems, ranking_table, totals_line
from batch_runner.run_files import write_run_files

EXIT_FAILED: Final = 1
EXIT_INVALID: Final = 2
EXIT_INTERRUPTED: Final = 130
NOT_FOUND: Final = 404

errors = Console(stderr=True)


def reporting_errors(work: Callable[[], None]) -> None:
    """Run a command: what the user can put right is one line and exit code 2, a failure is exit code 1."""
    try:
        work()
    except SuiteError as error:
        code = error.service_code if isinstance(error, ServiceRefused) else None
        errors.out(code or error.code, style="red", end=" ")
        errors.out(error.message, highlight=False)
        raise typer.Exit(EXIT_INVALID if error.http_status < 500 else EXIT_FAILED) from error


def new_batch_id() -> str:
    """A batch id that nobody has used."""
    return f"run-{uuid4()}"


async def run_assignment(
    client: AssessmentClient, assignment: Assignment, options: RunOptions, *, console: Console
) -> FinishedRun:
    """Start a batch, follow it to its end and collect its results; an interrupt cancels the batch."""
    texts = await upload(client, assignment)
    request = assessment_request(assignment, texts, options)
    try:
        await client.start(request)
        with LiveProgress(console) as live:
            async for status in follow(client, options.batch_id):
                live.show(status)
    except asyncio.CancelledError:
        await _cancel(client, options.batch_id, console=console)
        raise
    return await collect(client, assignment, request, status)


async def _cancel(client: AssessmentClient, batch_id: str, *, console: Console) -> None:
    try:
        await client.cancel(batch_id)
    except ServiceRefused as refusal:
        if refusal.status != NOT_FOUND:  # the interrupt came before the batch was on record
            raise
    console.out(f"cancelled {batch_id}: nothing more is judged", highlight=False)


def report_run(run: FinishedRun, *, out: Path, console: Console) -> None:
    """Print the ranking, what to know about it, the totals and the files; exit 1 when there is no ranking."""
    if run.results is not None:
        console.print(ranking_table(run))
    for problem in problems(run):
        console.out("note", style="yellow", end=" ")
        console.out(problem, highlight=False)
    console.out(totals_line(run), highlight=False)
    for path in write_run_files(run, out / run.status.batch_id):
        console.out(str(path), highlight=False)
    if run.status.state in (AssessmentState.FAILED, AssessmentState.CANCELLED):
        reason = run.status.error.message if run.status.error else f"the batch was {run.status.state}"
        errors.out("no ranking:", style="red", end=" ")
        errors.out(reason, highlight=False)
        raise typer.Exit(EXIT_FAILED)
