"""A command's work with the services, until it ends or is interrupted."""

from collections.abc import Callable, Coroutine
from typing import Any

import stamina
import typer
from command_line.exit_codes import error_console, exit_code, reporting_errors

from batch_runner import run_log
from batch_runner.running.interrupting import run_until_interrupted
from batch_runner.wire.client import RETRY_TIMEOUT_SECONDS


def run_async(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a command's work; raises ``typer.Exit`` with the code of its error or of the signal that ended it."""
    stamina.instrumentation.set_on_retry_hooks([_reporting_each_wait_once()])

    with reporting_errors():
        number = run_until_interrupted(work)
        if number is not None:
            raise typer.Exit(exit_code(number))


def _reporting_each_wait_once() -> stamina.instrumentation.RetryHook:
    """Uploads run concurrently and each is retried: a reason is printed once."""
    printed: set[str] = set()

    def report(details: stamina.instrumentation.RetryDetails) -> None:
        reason = str(details.caused_by)
        if reason not in printed:
            printed.add(reason)
            run_log.event(run_log.LogEvent.REQUEST_RETRIED, reason=reason)
            error_console.out(
                f"waiting up to {RETRY_TIMEOUT_SECONDS:.0f} s: {reason}", style="dim", highlight=False
            )

    return report
