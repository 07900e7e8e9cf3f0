"""How far a run is: live on a terminal, a JSON object per line for each change elsewhere."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

from event_contracts import AssessmentState, BatchStatusView
from pydantic import JsonValue
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from batch_runner.money import dollars
from batch_runner.run_log import LogEvent

STATE_NAMES: Final = {
    AssessmentState.ACCEPTED: "preparing",
    AssessmentState.JUDGING: "judging",
    AssessmentState.COMPLETED: "done",
    AssessmentState.COMPLETED_WITH_FAILURES: "done, with failures",
    AssessmentState.FAILED: "failed",
    AssessmentState.CANCELLED: "cancelled",
}


class LiveProgress:
    """Two lines that follow a batch; where there is no terminal, one JSON object per line for each change.

    What keeps the batch waiting is a line of its own on a terminal, printed once each time it changes.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._shown: dict[str, JsonValue] | None = None
        self._reason: str | None = None

    def __enter__(self) -> "LiveProgress":
        if self._console.is_terminal:
            self._progress.start()
            self._task = self._progress.add_task("preparing", total=None, facts="")
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def show(self, status: BatchStatusView, *, waiting: str | None = None) -> None:
        """Show the newest status, and why nothing moves."""
        if self._task is None:
            self._print_change(progress_facts(status, waiting=waiting))
            return
        self._say(waiting)
        self._progress.update(
            self._task,
            description=STATE_NAMES[status.state] if waiting is None else "waiting",
            completed=status.progress.comparisons_judged,
            total=status.progress.max_comparisons,
            facts="\n".join(progress_lines(status)),
        )

    def _print_change(self, facts: dict[str, JsonValue]) -> None:
        if facts != self._shown:
            self._shown = facts
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._console.out(
                json.dumps({"event": LogEvent.BATCH_PROGRESS, "at": now, **facts}), highlight=False
            )

    def _say(self, reason: str | None) -> None:
        if reason == self._reason:
            return
        self._reason = reason
        if reason is None:
            self._console.out("continuing", style="dim", highlight=False)
        else:
            self._console.out(f"waiting: {reason}", style="yellow", highlight=False)


def progress_facts(status: BatchStatusView, *, waiting: str | None) -> dict[str, JsonValue]:
    """How far a batch is, as a program reads it; ``waiting`` says why nothing moves."""
    left = time_left(status)
    return {
        "batch_uuid": status.batch_id,
        "state": status.state.value,
        "comparisons_judged": status.progress.comparisons_judged,
        "comparisons_failed": status.progress.comparisons_failed,
        "max_comparisons": status.progress.max_comparisons,
        "reliability": status.reliability.eb,
        "target": status.reliability.target,
        "cost_usd": float(status.cost.cost_usd),
        "seconds_left": None if left is None else round(left.total_seconds()),
        "waiting": waiting,
    }


def progress_lines(status: BatchStatusView) -> tuple[str, str]:
    """Comparisons; then reliability so far, dollars, time left. Each fits next to the bar in 80 columns."""
    progress, reliability = status.progress, status.reliability
    judged = f"{progress.comparisons_judged} of at most {progress.max_comparisons or '?'} comparisons"
    if progress.comparisons_failed:
        judged += f", {progress.comparisons_failed} failed"
    target = "" if reliability.target is None else f" (target {reliability.target:.2f})"
    left, bound = time_left(status), "≤" if _expected(status) is None else "≈"
    facts = (
        f"reliability {reliability_so_far(status)}{target}",
        dollars(status.cost.cost_usd),
        "time left –" if left is None else f"{bound} {short_duration(left)} left",
    )
    return judged, " · ".join(facts)


def reliability_so_far(status: BatchStatusView) -> str:
    """EB reliability at the last fit, or a dash."""
    return "–" if status.reliability.eb is None else f"{status.reliability.eb:.3f}"


def time_left(status: BatchStatusView) -> timedelta | None:
    """How long it takes at the present rate until the target, as forecast, or until the budget is spent.

    None before any comparison is judged.
    """
    judged, budget = status.progress.comparisons_judged, status.progress.max_comparisons
    if not judged or budget is None:
        return None
    each, rest, expected = (
        (status.updated_at - status.created_at) / judged,
        budget - judged,
        _expected(status),
    )
    return each * max(0, rest if expected is None else min(rest, expected))


def _expected(status: BatchStatusView) -> int | None:
    """Comparisons until the target, as forecast at the last fit; None without a forecast."""
    until = status.forecast.until_target if status.forecast else None
    return None if until is None else until.comparisons


def short_duration(duration: timedelta) -> str:
    """A duration in the unit that a person would say it in."""
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"
