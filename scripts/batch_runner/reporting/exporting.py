"""A run's essays and comparisons as tables: CSV for spreadsheet programs, Parquet for analysis."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.spreadsheets import write_table

TEXT, WHOLE, REAL, TRUTH = DataType.utf8(), DataType.int64(), DataType.float64(), DataType.bool()
ESSAY_COLUMNS: Final = {
    "essay_id": TEXT,
    "rank": WHOLE,
    "theta": REAL,
    "standard_error": REAL,
    "comparison_count": WHOLE,
    "is_anchor": TRUTH,
    "anchor_grade": TEXT,
    "grade": TEXT,
    "probability": REAL,
    "infit": REAL,
    "outfit": REAL,
}
COMPARISON_COLUMNS: Final = {
    "sequence": WHOLE,
    "essay_a_id": TEXT,
    "essay_b_id": TEXT,
    "status": TEXT,
    "judge": TEXT,
    "candidate_chosen": TEXT,
    "candidate_not_chosen": TEXT,
    "confidence": REAL,
    "justification": TEXT,
    "cost_usd": REAL,
    "prompt_sha256": TEXT,
    "error_code": TEXT,
    "completed_at": TEXT,
}


def export_run(run: AssessmentRun, folder: Path) -> tuple[Path, ...]:
    """Write essays and comparisons, each as CSV and as Parquet with the same columns; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, columns, rows in (
        ("essays", ESSAY_COLUMNS, _essays(run)),
        ("comparisons", COMPARISON_COLUMNS, _comparisons(run)),
    ):
        written.append(write_table(folder / f"{name}.csv", tuple(columns), rows))
        written.append(_write_parquet(folder / f"{name}.parquet", columns, rows))
    return tuple(written)


def _write_parquet(path: Path, columns: dict[str, DataType], rows: Sequence[Sequence[object]]) -> Path:
    arrays = {
        name: Array([row[place] for row in rows], type=kind)
        for place, (name, kind) in enumerate(columns.items())
    }
    write_parquet(Table.from_arrays(list(arrays.values()), names=list(arrays)), path)
    return path


def _essays(run: AssessmentRun) -> list[tuple[object, ...]]:
    graded = {each.essay_id: each for each in run.grade_projections}
    rows: list[tuple[object, ...]] = []
    for score in sorted(run.bt_summary, key=lambda each: (each.rank, each.essay_id)):
        projected = graded.get(score.essay_id)
        grade = None if projected is None else projected.grade
        chance = None if projected is None or grade is None else projected.probabilities.get(grade)
        rows.append(
            (
                score.essay_id,
                score.rank,
                score.theta,
                score.standard_error,
                score.comparison_count,
                score.is_anchor,
                score.anchor_grade,
                grade,
                chance,
                score.infit,
                score.outfit,
            )
        )
    return rows


def _comparisons(run: AssessmentRun) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for each in run.llm_comparisons:
        rows.append(
            (
                each.sequence,
                each.essay_a_id,
                each.essay_b_id,
                each.status,
                each.judge,
                each.winner_id,
                each.loser_id,
                each.confidence,
                each.justification,
                float(each.cost_usd),
                each.prompt_hash,
                each.error_code,
                each.completed_at.isoformat() if each.completed_at else None,
            )
        )
    return rows
