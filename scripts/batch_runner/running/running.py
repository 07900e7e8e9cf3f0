"""Running a command or an assessment from beginning to end, and reporting how it ended."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import uuid4

import typer
from event_contracts import ConfigurationError, SuiteError
from rich.console import Console

from batch_runner.assignment.contents import Assignment
from batch_runner.running.execution import (
    FinishedRun,
    RequestEnvelope,
    RunOptions,
    assessment_request,
    collect,
    follow,
    upload,
)
from batch_runner.running.progress import LiveProgress
from batch_runner.wire.client import AssessmentClient, ServiceRefused

EXIT_FAILED: Final = 1
EXIT_INVALID: Final = 2
NOT_FOUND: Final = 404
START_PATIENCE_SECONDS: Final = 10.0
"""How long an interrupted run waits for the answer to its request, so that what has begun can be cancelled."""

CANCEL_PATIENCE_SECONDS: Final = 15.0

errors = Console(stderr=True)


def exit_code(number: signal.Signals) -> int:
    """The exit code of a program that a signal has ended, as shells report it: 130 for Ctrl-C."""
    return 128 + number


def reporting_errors(work: Callable[[], None]) -> None:
    """Run a command: what the user can put right is one line and exit code 2, a failure is exit code 1."""
    try:
        work()
    except SuiteError as error:
        code = error.service_code if isinstance(error, ServiceRefused) else None
        errors.out(code or error.code, style="red", end=" ")
        errors.out(error.message, highlight=False)
        correctable = error.http_status < 500 or isinstance(error, ConfigurationError)
        raise typer.Exit(EXIT_INVALID if correctable else EXIT_FAILED) from error
    except KeyboardInterrupt:
        raise typer.Exit(exit_code(signal.SIGINT)) from None


def new_batch_id() -> str:
    """A new batch id."""
    return f"run-{uuid4()}"


async def run_assignment(
    client: AssessmentClient, assignment: Assignment, options: RunOptions, *, console: Console
) -> FinishedRun:
    """Start a batch, follow it to its end and collect its results; an interrupt cancels the batch that has begun."""
    try:
        texts = await upload(client, assignment)
    except asyncio.CancelledError:
        console.out("interrupted before the batch was started: nothing is judged", highlight=False)
        raise
    request = assessment_request(assignment, texts, options)
    try:
        await _start(client, request)
        with LiveProgress(console) as live:
            async for status in follow(client, options.batch_id):
                live.show(status)
    except asyncio.CancelledError:
        await _cancel(client, options.batch_id, console=console)
        raise
    try:
        return await collect(client, assignment, request, status)
    except asyncio.CancelledError:
        console.out(
            f"interrupted after {options.batch_id} had ended: run it again with --batch-id {options.batch_id} to"
            " collect its results",
            highlight=False,
        )
        raise


async def _start(client: AssessmentClient, request: RequestEnvelope) -> None:
    """Start the batch; an interrupt waits for the answer, as a batch that is not on record cannot be cancelled."""
    starting = asyncio.ensure_future(client.start(request))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        ended, _ = await asyncio.wait({starting}, timeout=START_PATIENCE_SECONDS)
        starting.cancel()
        for task in ended:
            task.exception()  # the cancellation that follows says whether there is a batch
        raise


async def _cancel(client: AssessmentClient, batch_id: str, *, console: Console) -> None:
    try:
        await replace(client, patience=CANCEL_PATIENCE_SECONDS).cancel(batch_id)
    except ServiceRefused as refusal:
        if refusal.status != NOT_FOUND:  # the batch was interrupted before it was on record
            raise
    except (SuiteError, asyncio.CancelledError):
        errors.out(
            f"{batch_id} could not be cancelled and may still be judged: run it again with --batch-id {batch_id} and"
            " press Ctrl-C",
            highlight=False,
        )
        raise
    console.out(f"cancelled {batch_id}: nothing more is judged", highlight=False)
