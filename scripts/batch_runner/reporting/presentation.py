"""A finished run on the terminal: the ranking, notes on it, the totals."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from event_contracts import (
    UNGRADED,
    AssessmentResultV1,
    EssayResultV1,
)
from rich.table import Table
from rich.text import Text

from batch_runner.money import dollars
from batch_runner.running.execution import FinishedRun
from batch_runner.running.progress import reliability_so_far

NOTES_SHOWN: Final = 10


def ranking_table(result: AssessmentResultV1, *, title: str) -> Table:
    """Rank, essay, grade, P(grade), score ± error; anchors are dimmed."""
    stats = result.assessment_metadata.grade_projections.bt_stats
    table = Table(title=Text(title), title_justify="left", header_style="bold", box=None)
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
        f" {status.progress.comparisons_judged} comparisons, reliability {reliability_so_far(status)},"
        f" {dollars(status.cost.cost_usd)}, {seconds:.1f} s, stopped: {status.stop_reason or '–'}"
    )


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
    notes = metadata.notes()
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
    ssr = metadata.reliability.ssr
    if metadata.reliability.is_inflated and ssr is not None:
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
