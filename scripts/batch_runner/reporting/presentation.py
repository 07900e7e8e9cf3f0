"""A run on the terminal: live progress, the ranking, notes on it, the totals."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from event_contracts import (
    UNGRADED,
    AssessmentResultV1,
    AssessmentState,
    BatchStatusView,
    EssayResultV1,
    WireModel,
)
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from batch_runner.running.execution import FinishedRun

STATE_NAMES: Final = {
    AssessmentState.ACCEPTED: "preparing",
    AssessmentState.JUDGING: "judging",
    AssessmentState.COMPLETED: "done",
    AssessmentState.COMPLETED_WITH_FAILURES: "done, with failures",
    AssessmentState.FAILED: "failed",
    AssessmentState.CANCELLED: "cancelled",
}
INFLATED: Final = 0.1
"""How much the classical reliability may exceed EB reliability before a reader is warned."""
NOTES_SHOWN: Final = 10


class LiveProgress:
    """Two lines that follow a batch; where there is no terminal, a plain line every few seconds.

    What keeps the batch waiting is a line of its own, printed once each time it changes.
    """

    PLAIN_EVERY = timedelta(seconds=5)

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
        self._printed = datetime.min.replace(tzinfo=UTC)
        self._problem: str | None = None

    def __enter__(self) -> "LiveProgress":
        if self._console.is_terminal:
            self._progress.start()
            self._task = self._progress.add_task("preparing", total=None, facts="")
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def show(self, status: BatchStatusView) -> None:
        """Show the newest status."""
        self._show_problem(None if status.problem is None else status.problem.message)
        if self._task is not None:
            self._progress.update(
                self._task,
                description=STATE_NAMES[status.state] if status.problem is None else "waiting",
                completed=status.progress.comparisons_judged,
                total=status.progress.max_comparisons,
                facts="\n".join(progress_lines(status)),
            )
        elif datetime.now(UTC) - self._printed >= self.PLAIN_EVERY:
            self._printed = datetime.now(UTC)
            self._console.out(
                f"{STATE_NAMES[status.state]}: {' · '.join(progress_lines(status))}", highlight=False
            )

    def _show_problem(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            self._console.out("going on", style="dim", highlight=False)
        else:
            self._console.out(f"waiting: {problem}", style="yellow", highlight=False)


def progress_lines(status: BatchStatusView) -> tuple[str, str]:
    """Comparisons; then reliability so far, dollars, time left. Each fits beside the bar in 80 columns."""
    progress, reliability = status.progress, status.reliability
    judged = f"{progress.comparisons_judged} of at most {progress.max_comparisons or '?'} comparisons"
    if progress.comparisons_failed:
        judged += f", {progress.comparisons_failed} failed"
    target = "" if reliability.target is None else f" (target {reliability.target:.2f})"
    left, bound = time_left(status), "≤" if _expected(status) is None else "≈"
    facts = (
        f"reliability {_reliability(status)}{target}",
        f"${status.cost.cost_usd:.4f}",
        "time left –" if left is None else f"{bound} {_short(left)} left",
    )
    return judged, " · ".join(facts)


def _reliability(status: BatchStatusView) -> str:
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


def _short(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"


def ranking_table(run: FinishedRun) -> Table:
    """Rank, essay, grade, P(grade), score ± error; anchors are dimmed."""
    assert run.results is not None, "only a run with results has a ranking"
    result = run.results.result
    stats = result.assessment_metadata.grade_projections.bt_stats
    table = Table(title=Text(run.assignment.title), title_justify="left", header_style="bold", box=None)
    for name in ("rank", "essay", "grade", "P(grade)", "score ± error"):
        table.add_column(name, justify="left" if name == "essay" else "right", overflow="fold")
    for essay in result.essay_results:
        cells = _ranking_cells(essay, standard_error=stats[essay.essay_id].bt_se)
        table.add_row(*map(Text, cells), style="dim" if essay.is_anchor else None)
    return table


def _ranking_cells(essay: EssayResultV1, *, standard_error: float) -> tuple[str, ...]:
    graded = essay.letter_grade != UNGRADED
    name = f"{essay.essay_id} (anchor)" if essay.is_anchor else essay.essay_id
    certainty = "known" if essay.is_anchor else f"{essay.confidence_score:.2f}"
    return (
        str(essay.rank),
        name,
        essay.letter_grade if graded else "–",
        certainty if graded else "–",
        f"{essay.bt_score:+.2f} ± {standard_error:.2f}",
    )


def totals_line(run: FinishedRun) -> str:
    """One line: comparisons, reliability, cost, time and why judging stopped."""
    status = run.status
    seconds = ((status.completed_at or datetime.now(UTC)) - status.created_at).total_seconds()
    return (
        f"{status.progress.essays} essays and {status.progress.anchors} anchors,"
        f" {status.progress.comparisons_judged} comparisons, reliability {_reliability(status)},"
        f" ${status.cost.cost_usd:.4f}, {seconds:.1f} s, stopped: {status.stop_reason or '–'}"
    )


class _FailedComparisons(WireModel):
    total: int = 0
    by_error_code: Mapping[str, int] = {}


class _LookAt(WireModel):
    signals: tuple[str, ...] = ()


class _Notes(WireModel):
    """What the service adds to a result's metadata."""

    failed_essays: Mapping[str, str] = {}
    unranked_essays: Mapping[str, str] = {}
    failed_comparisons: _FailedComparisons = _FailedComparisons()
    look_at: Mapping[str, _LookAt] = {}


def problems(run: FinishedRun) -> list[str]:
    """Notes for the reader of the ranking."""
    found = []
    if not run.status.cost.prices_known:
        found.append("the cost is too low: some calls have no known price")
    if run.assignment.left_out:
        found.append(f"left out: {', '.join(run.assignment.left_out)}")
    found += run.assignment.notes
    if run.results is not None:
        found += _notes_on(run.results.result)
    return found


def _notes_on(result: AssessmentResultV1) -> Iterator[str]:
    metadata = result.assessment_metadata
    notes = _Notes.model_validate(metadata.model_extra or {})
    yield from _first(f"{name} was not judged: {why}" for name, why in notes.failed_essays.items())
    yield from _first(f"{name} has no rank: {why}" for name, why in notes.unranked_essays.items())
    yield from _first(
        f"read {name} yourself: {', '.join(seen.signals)}" for name, seen in notes.look_at.items()
    )
    if notes.failed_comparisons.total:
        reasons = ", ".join(
            f"{times} × {code}" for code, times in notes.failed_comparisons.by_error_code.items()
        )
        yield f"{notes.failed_comparisons.total} comparisons failed: {reasons}"
    ssr, eb = metadata.reliability.get("ssr"), metadata.reliability.get("eb")
    if isinstance(ssr, float) and isinstance(eb, float) and ssr - eb > INFLATED:
        yield f"do not quote the classical reliability {ssr:.3f}: choosing pairs by score inflates it"
    yield from _grading_notes(metadata.grade_projections.calibration_info)


def _grading_notes(information: Mapping[str, object]) -> Iterator[str]:
    warnings = information.get("warnings")
    yield from (str(warning) for warning in warnings) if isinstance(warnings, list) else ()
    if reason := information.get("reason"):
        yield f"no grades: {reason}"


def _first(notes: Iterator[str]) -> Iterator[str]:
    shown = list(notes)
    yield from shown[:NOTES_SHOWN]
    if len(shown) > NOTES_SHOWN:
        yield f"and {len(shown) - NOTES_SHOWN} more of this kind: see result.json"
