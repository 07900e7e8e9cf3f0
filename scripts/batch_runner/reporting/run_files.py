"""The files of a run: the request, the results, the ranking and every comparison."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from event_contracts import COMPARISON_COLUMNS, EssayResultV1, comparison_row

from batch_runner.artefact.spreadsheets import write_table
from batch_runner.running.execution import FinishedRun

RANKING_COLUMNS = (
    "rank",
    "essay_id",
    "is_anchor",
    "grade",
    "probability",
    "confidence",
    "score",
    "standard_error",
    "normalized_score",
)


def write_run_files(run: FinishedRun, folder: Path) -> tuple[Path, ...]:
    """Write the run's files into ``folder``; returns their paths. ``comparisons.csv`` can be analysed again."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [_write(folder / "request.json", run.request.to_json())]
    paths.append(_write(folder / "status.json", run.status.model_dump_json(indent=2).encode()))
    if run.results is not None:
        paths.append(_write(folder / "result.json", run.results.result.model_dump_json(indent=2).encode()))
        paths.append(write_table(folder / "ranking.csv", RANKING_COLUMNS, _ranking_rows(run)))
    paths.append(
        write_table(folder / "comparisons.csv", COMPARISON_COLUMNS, map(comparison_row, run.comparisons))
    )
    return tuple(paths)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _ranking_rows(run: FinishedRun) -> Iterable[Sequence[object]]:
    assert run.results is not None, "written only for a run with results"
    result = run.results.result
    stats = result.assessment_metadata.grade_projections.bt_stats
    for essay in result.essay_results:
        yield _ranking_row(essay, standard_error=stats[essay.essay_id].bt_se)


def _ranking_row(essay: EssayResultV1, *, standard_error: float) -> Sequence[object]:
    return (
        essay.rank,
        essay.essay_id,
        essay.is_anchor,
        essay.letter_grade,
        round(essay.confidence_score, 4),
        essay.confidence_label,
        round(essay.bt_score, 6),
        round(standard_error, 6),
        round(essay.normalized_score, 4),
    )
