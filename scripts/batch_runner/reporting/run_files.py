"""The files of an ended run: its record, its tables, and the list of them all with their checksums."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from event_contracts import COMPARISON_COLUMNS, ProcessingError, comparison_row, csv_text

from batch_runner import run_log
from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.run_files import entries_of, read_manifest, write_manifest, write_whole
from batch_runner.artefact.verifying import schema_errors
from batch_runner.running.assembling import EndedRun, PlannedRun, assembled

REPORT: Final = "report.html"
ESSAY_COLUMNS: Final = (
    "rank",
    "essay_id",
    "batch_essay_id",
    "file_name",
    "is_anchor",
    "grade",
    "probability",
    "confidence",
    "score",
    "standard_error",
    "normalized_score",
    "comparisons",
    "wins",
    "infit",
    "outfit",
)


def write_run_files(ended: PlannedRun | EndedRun, folder: Path) -> tuple[Path, ...]:
    """Write the run's files into ``folder``; returns their paths. ``comparisons.csv`` can be analysed again.

    Raises ``OSError``, and ``ProcessingError`` for a record that would break its own schema.
    """
    name = f"assessment_run.{ended.mode}.json"
    written: list[Path] = []
    if isinstance(ended, EndedRun):
        rows = [COMPARISON_COLUMNS, *map(comparison_row, ended.batch.comparisons)]
        written.append(_table(folder / "comparisons.csv", rows))
    now = datetime.now(UTC)
    draft = assembled(ended, manifest=(), generated_at=now)
    if draft.bt_summary:
        written.append(_table(folder / "essays.csv", [ESSAY_COLUMNS, *_essay_rows(draft)]))
    entries = entries_of(folder, leaving_out=(name, REPORT))
    run = draft.model_copy(
        update={"validation": draft.validation.model_copy(update={"manifest_entries": entries})}
    ).sealed()
    _check(run)
    written.append(write_whole(folder / name, run.model_dump_json(indent=1).encode() + b"\n"))
    if run.bt_summary:
        written.append(write_whole(folder / REPORT, _page(run).encode()))
    written.append(write_manifest(folder))
    run_log.about_run(runner_mode=ended.mode, batch_uuid=ended.options.batch_id, batch_id=ended.options.label)
    run_log.event(
        run_log.LogEvent.RECORD_WRITTEN,
        manifest_entries=[entry.model_dump() for entry in read_manifest(folder)],
        artefact_checksum=run.validation.artefact_checksum,
        runner_status=run.validation.runner_status.model_dump(),
    )
    return tuple(written)


def _page(run: AssessmentRun) -> str:
    from batch_runner.reporting.page.rendering import (
        render,  # templates and numpy: only where a page is written
    )
    from batch_runner.reporting.page.wording import Language

    return render(run, Language.spoken_in(run.metadata.language))


def _check(run: AssessmentRun) -> None:
    broken = next(schema_errors(run.model_dump(mode="json")), None)
    if broken is not None:
        raise ProcessingError(
            f"the run's record would break its schema, which is a fault of cj-run: {broken}"
        )


def _table(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    return write_whole(path, csv_text(rows).encode())


def _essay_rows(run: AssessmentRun) -> Iterator[Sequence[object]]:
    students = {each.essay_id: each for each in run.inputs.students}
    files = {each.anchor_id: each.file_name for each in run.inputs.anchors}
    projections = {each.essay_id: each for each in run.grade_projections}
    for score in run.bt_summary:
        student, projected = students.get(score.essay_id), projections.get(score.essay_id)
        yield (
            score.rank,
            score.essay_id,
            student.batch_essay_id if student else score.essay_id,
            student.file_name if student else files.get(score.essay_id, ""),
            score.is_anchor,
            score.anchor_grade or score.grade_projection,
            round(projected.confidence, 4) if projected else None,
            projected.confidence_label if projected else None,
            round(score.theta, 6),
            round(score.standard_error, 6),
            round(projected.normalized_score, 4) if projected else None,
            score.comparison_count,
            score.wins,
            None if score.infit is None else round(score.infit, 4),
            None if score.outfit is None else round(score.outfit, 4),
        )
