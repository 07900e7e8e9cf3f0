"""What a run looks like on the terminal: live progress, the ranking, and one line of totals."""

from datetime import UTC, datetime, timedelta

from event_contracts import UNGRADED, AssessmentState, BatchStatusView, EssayResultV1
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from batch_runner.execution import FinishedRun

STATE_NAMES = {
    AssessmentState.ACCEPTED: "preparing",
    AssessmentState.JUDGING: "judging",
    AssessmentState.COMPLETED: "done",
    AssessmentState.COMPLETED_WITH_FAILURES: "done, with failures",
    AssessmentState.FAILED: "failed",
    AssessmentState.CANCELLED: "cancelled",
}


class LiveProgress:
    """One line that follows a batch; where there is no terminal, a plain line now and then."""

    PLAIN_EVERY = timedelta(seconds=5)

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._printed = datetime.min.replace(tzinfo=UTC)

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
        if self._task is not None:
            self._progress.update(
                self._task,
                description=STATE_NAMES[status.state],
                completed=status.progress.comparisons_judged,
                total=status.progress.max_comparisons,
                facts=progress_line(status),
            )
        elif datetime.now(UTC) - self._printed >= self.PLAIN_EVERY:
            self._printed = datetime.now(UTC)
            self._console.print(f"{STATE_NAMES[status.state]}: {progress_line(status)}", highlight=False)


def progress_line(status: BatchStatusView) -> str:
    """Comparisons, reliability so far, dollars, time left."""
    progress, reliability = status.progress, status.reliability
    judged = f"{progress.comparisons_judged} of at most {progress.max_comparisons or '?'} comparisons"
    reached = "–" if reliability.eb is None else f"{reliability.eb:.3f}"
    target = f"{reliability.target:.2f}" if reliability.target is not None else "–"
    facts = [judged, f"reliability {reached} (target {target})", f"${status.cost.cost_usd:.4f}"]
    if progress.comparisons_failed:
        facts.append(f"{progress.comparisons_failed} failed")
    left = time_left(status)
    facts.append("time left –" if left is None else f"at most {_short(left)} left")
    return " · ".join(facts)


def time_left(status: BatchStatusView) -> timedelta | None:
    """How long the rest of the budget would take at the pace so far; None before there is a pace."""
    judged, budget = status.progress.comparisons_judged, status.progress.max_comparisons
    if not judged or budget is None:
        return None
    each = (status.updated_at - status.created_at) / judged
    return each * max(0, budget - judged)


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
    table = Table(title=run.assignment.title, title_justify="left", header_style="bold", box=None)
    for name in ("rank", "essay", "grade", "P(grade)", "score ± error"):
        table.add_column(name, justify="left" if name == "essay" else "right")
    for essay in result.essay_results:
        cells = _ranking_cells(essay, standard_error=stats[essay.essay_id].bt_se)
        table.add_row(*cells, style="dim" if essay.is_anchor else None)
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
    reliability = "–" if status.reliability.eb is None else f"{status.reliability.eb:.3f}"
    return (
        f"{status.progress.essays} essays and {status.progress.anchors} anchors,"
        f" {status.progress.comparisons_judged} comparisons, reliability {reliability},"
        f" ${status.cost.cost_usd:.4f}, {seconds:.1f} s, stopped: {status.stop_reason or '–'}"
    )


def problems(run: FinishedRun) -> list[str]:
    """What a reader should know besides the ranking."""
    found = []
    if run.status.error is not None:
        found.append(run.status.error.message)
    if run.results is not None:
        information = run.results.result.assessment_metadata.grade_projections.calibration_info
        warnings = information.get("warnings")
        found += [str(warning) for warning in warnings] if isinstance(warnings, list) else []
        if reason := information.get("reason"):
            found.append(f"no grades: {reason}")
    return found
