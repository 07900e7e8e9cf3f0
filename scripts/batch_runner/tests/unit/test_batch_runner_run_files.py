"""The files of a run."""

import csv
import json
from pathlib import Path

from batch_runner.decisions.from_file import read_decisions
from batch_runner.reporting.run_files import write_run_files
from batch_runner.tests.building import comparison, finished
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    BatchStatusView,
    ELS_CJAssessmentRequestV1,
    Winner,
    parse_envelope,
    unguarded,
)

COMPARISONS = (
    comparison(1, "=anna", "bo", Winner.ESSAY_A),
    comparison(2, "bo", "cia", Winner.ESSAY_B, justification='=HYPERLINK("http://x")\nsecond line, "quoted"'),
    comparison(3, "cia", "=anna", None),
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_its_request_status_result_ranking_and_comparisons(tmp_path: Path) -> None:
    paths = write_run_files(finished("a", "b", comparisons=COMPARISONS), tmp_path / "run")

    assert [path.name for path in paths] == [
        "request.json",
        "status.json",
        "result.json",
        "ranking.csv",
        "comparisons.csv",
    ]
    assert all(path.is_file() for path in paths)


def test_the_json_files_are_the_contracts_own(tmp_path: Path) -> None:
    run = finished("a", "b")

    write_run_files(run, tmp_path)

    request = parse_envelope((tmp_path / "request.json").read_bytes(), ELS_CJAssessmentRequestV1)
    assert request == run.request
    assert BatchStatusView.model_validate_json((tmp_path / "status.json").read_bytes()) == run.status
    assert run.results is not None
    assert (
        AssessmentResultV1.model_validate_json((tmp_path / "result.json").read_bytes()) == run.results.result
    )
    assert (
        json.loads((tmp_path / "result.json").read_bytes())["assessment_metadata"]["comparison_count"] == 10
    )


def test_the_ranking_has_a_row_for_each_essay_best_first(tmp_path: Path) -> None:
    write_run_files(finished("best", "worse"), tmp_path)

    ranked = rows(tmp_path / "ranking.csv")
    assert [(row["rank"], row["essay_id"], row["is_anchor"], row["grade"]) for row in ranked] == [
        ("1", "best", "True", "A"),
        ("2", "worse", "False", "U"),
    ]
    assert [row["score"] for row in ranked] == ["0.5", "-0.5"]


def test_comparisons_can_be_analysed_again(tmp_path: Path) -> None:
    write_run_files(finished("=anna", "bo", "cia", comparisons=COMPARISONS), tmp_path)

    decisions = read_decisions(tmp_path / "comparisons.csv")

    assert decisions.items == ("=anna", "bo", "cia")
    assert decisions.judges == ("mock/simulated-judge",)
    assert decisions.comparisons.slot_a.tolist() == [0, 1]
    assert decisions.comparisons.a_won.tolist() == [True, False]
    assert (decisions.without_vote, decisions.slots_known) == (1, True)


def test_a_judges_words_and_an_essays_name_are_never_a_formula(tmp_path: Path) -> None:
    write_run_files(finished("=anna", "bo", comparisons=COMPARISONS), tmp_path)

    for name in ("ranking.csv", "comparisons.csv"):
        cells = [cell for row in rows(tmp_path / name) for cell in row.values()]
        texts = [cell for cell in cells if not cell.removeprefix("-").replace(".", "").isdigit()]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in texts)
    assert unguarded(rows(tmp_path / "comparisons.csv")[1]["justification"]) == COMPARISONS[1].justification


def test_a_run_without_a_result_still_leaves_its_other_files(tmp_path: Path) -> None:
    run = finished("a", "b", comparisons=COMPARISONS, state=AssessmentState.FAILED, error="too few answers")

    paths = write_run_files(run, tmp_path)

    assert [path.name for path in paths] == ["request.json", "status.json", "comparisons.csv"]
    assert len(rows(tmp_path / "comparisons.csv")) == 3


def test_running_again_replaces_the_files(tmp_path: Path) -> None:
    write_run_files(finished("a", "b", comparisons=COMPARISONS), tmp_path)

    write_run_files(finished("a", "b"), tmp_path)

    assert rows(tmp_path / "comparisons.csv") == []
