"""The files of a run."""

import csv
from pathlib import Path

from batch_runner.artefact.run_files import write_manifest
from batch_runner.artefact.verifying import read_artefact, verify
from batch_runner.decisions.from_file import read_decisions
from batch_runner.reporting.run_files import write_run_files
from batch_runner.tests.building import STARTED, comparison, ended, finished
from event_contracts import (
    AssessmentState,
    Winner,
    unescape_formula,
)

COMPARISONS = (
    comparison(1, "=anna", "bo", Winner.ESSAY_A),
    comparison(2, "bo", "cia", Winner.ESSAY_B, justification='=HYPERLINK("http://x")\nsecond line, "quoted"'),
    comparison(3, "cia", "=anna", None),
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_its_tables_its_record_and_a_list_of_them(tmp_path: Path) -> None:
    paths = write_run_files(ended(finished("=anna", "bo", "cia", comparisons=COMPARISONS)), tmp_path / "run")

    assert [path.name for path in paths] == [
        "comparisons.csv",
        "essays.csv",
        "assessment_run.execute.json",
        "report.html",
        "manifest.json",
    ]
    assert all(path.is_file() for path in paths)


def test_a_run_can_be_verified_and_no_file_of_it_changed_unnoticed(tmp_path: Path) -> None:
    complete = [
        each.model_copy(update={"prompt_sha256": "0" * 64, "judged_at": STARTED}) for each in COMPARISONS
    ]
    paths = write_run_files(ended(finished("=anna", "bo", "cia", comparisons=complete)), tmp_path)

    assert [check.what for check in verify(tmp_path) if check.problems] == []

    for path in paths[:3]:
        before = path.read_bytes()
        path.write_bytes(before.replace(b"clearer", b"clearly"))
        assert [
            check.what for check in verify(tmp_path) if check.problems
        ] != [] or before == path.read_bytes()
        path.write_bytes(before)


def test_a_score_that_the_comparisons_do_not_give_is_found(tmp_path: Path) -> None:
    complete = [
        each.model_copy(update={"prompt_sha256": "0" * 64, "judged_at": STARTED}) for each in COMPARISONS
    ]
    write_run_files(ended(finished("=anna", "bo", "cia", comparisons=complete)), tmp_path)
    run = read_artefact(tmp_path)
    forged = run.bt_summary[0].model_copy(update={"theta": run.bt_summary[0].theta + 1e-12})
    sealed = run.model_copy(update={"bt_summary": (forged, *run.bt_summary[1:])}).sealed()
    (tmp_path / "assessment_run.execute.json").write_text(sealed.model_dump_json(), encoding="utf-8")
    write_manifest(tmp_path)

    failed = [check.what for check in verify(tmp_path) if check.problems]

    assert failed == ["scores"]


def test_the_essays_have_a_row_each_best_first(tmp_path: Path) -> None:
    write_run_files(ended(finished("=anna", "bo", "cia", comparisons=COMPARISONS)), tmp_path)

    ranked = rows(tmp_path / "essays.csv")
    assert [(row["rank"], unescape_formula(row["batch_essay_id"])) for row in ranked] == [
        ("1", "=anna"),
        ("1", "cia"),
        ("3", "bo"),
    ]
    assert [row["comparisons"] for row in ranked] == ["1", "1", "2"]


def test_comparisons_can_be_analysed_again(tmp_path: Path) -> None:
    write_run_files(ended(finished("=anna", "bo", "cia", comparisons=COMPARISONS)), tmp_path)

    decisions = read_decisions(tmp_path / "comparisons.csv")

    assert decisions.items == ("=anna", "bo", "cia")
    assert decisions.judges == ("mock/simulated-judge",)
    assert decisions.comparisons.slot_a.tolist() == [0, 1]
    assert decisions.comparisons.a_won.tolist() == [True, False]
    assert (decisions.without_vote, decisions.slots_known) == (1, True)


def test_a_judges_words_and_an_essays_name_are_never_a_formula(tmp_path: Path) -> None:
    write_run_files(ended(finished("=anna", "bo", "cia", comparisons=COMPARISONS)), tmp_path)

    for name in ("essays.csv", "comparisons.csv"):
        cells = [cell for row in rows(tmp_path / name) for cell in row.values()]
        texts = [cell for cell in cells if not cell.removeprefix("-").replace(".", "").isdigit()]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in texts)
    assert (
        unescape_formula(rows(tmp_path / "comparisons.csv")[1]["justification"])
        == COMPARISONS[1].justification
    )


def test_a_run_without_a_result_still_leaves_its_other_files(tmp_path: Path) -> None:
    names = ("=anna", "bo", "cia")
    run = finished(*names, comparisons=COMPARISONS, state=AssessmentState.FAILED, error="too few answers")

    paths = write_run_files(ended(run), tmp_path)

    assert [path.name for path in paths] == [
        "comparisons.csv",
        "assessment_run.execute.json",
        "manifest.json",
    ]
    assert len(rows(tmp_path / "comparisons.csv")) == 3


def test_running_again_replaces_the_files(tmp_path: Path) -> None:
    write_run_files(ended(finished("=anna", "bo", "cia", comparisons=COMPARISONS)), tmp_path)

    write_run_files(ended(finished("a", "b")), tmp_path)

    assert rows(tmp_path / "comparisons.csv") == []
