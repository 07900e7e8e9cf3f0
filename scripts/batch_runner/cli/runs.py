"""Commands that carry a run out: execute, cancel."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from command_line.errors import WrongOption
from command_line.option_values import with_options

from batch_runner.assignment.loading import load_assignment
from batch_runner.cli.app import app, console
from batch_runner.cli.execute_options import ExecuteOptions
from batch_runner.cli.executing import cancel_run, check_scale, execute_run, resume_run
from batch_runner.cli.run_async import run_async
from batch_runner.planning.printing import print_names
from batch_runner.reading.anonymity import read_roster


@app.command()
@with_options(ExecuteOptions)
def execute(options: ExecuteOptions) -> None:
    """Assess a folder of essays: live progress, then the ranking, then the paths of the run's files.

    Ctrl-C leaves a run that --resume continues; cj-run cancel stops its batch. The exit code is then 130.
    """
    run_async(lambda: _execute(options))


async def _execute(options: ExecuteOptions) -> None:
    if (options.folder is None) == (options.resume is None):
        raise WrongOption("give either a folder of essays, or a run with --resume")
    if options.resume is not None:
        await resume_run(options.resume, options.execution())
    elif options.folder is not None:
        await _assess(options.folder, options)


async def _assess(folder: Path, options: ExecuteOptions) -> None:
    changes = options.changes()
    ignored = () if options.roster is None else (options.roster,)
    assignment = changes.applied(load_assignment(folder, course=options.course, ignored=ignored))
    check_scale(assignment, expected=options.expected_grade_scale)
    names = () if options.roster is None else read_roster(options.roster)
    print_names(assignment, roster=names, console=console)
    await execute_run(
        assignment,
        options.run_options(assignment),
        options.execution(),
        source=await asyncio.to_thread(folder.resolve),
        course=options.course,
        given=changes,
    )


@app.command()
def cancel(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/<batch uuid>.")],
) -> None:
    """Stop judging the batch of a run: calls in progress are paid for, no further calls are made."""
    run_async(lambda: cancel_run(run))
