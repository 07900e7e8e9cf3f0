"""Commands on finished runs: report, compare, export, anchors check."""

import json
from pathlib import Path

import pytest
from arro3.io import read_parquet
from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.cli import app
from batch_runner.reporting.comparing import compare_runs
from batch_runner.tests.simulated_run import simulated_run
from typer.testing import CliRunner


def saved(run: AssessmentRun, folder: Path) -> Path:
    folder.mkdir()
    (folder / "assessment_run.execute.json").write_text(run.model_dump_json(), encoding="utf-8")
    return folder


def called(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    return result.exit_code, result.output


def test_a_run_is_reported_in_the_language_asked_for(tmp_path: Path) -> None:
    run = saved(simulated_run(8, anchors=4), tmp_path / "run")

    code, _ = called("report", run, "--language", "sv")

    assert code == 0
    assert '<html lang="sv">' in (run / "report.html").read_text(encoding="utf-8")


def test_a_run_compared_with_itself_agrees_fully() -> None:
    run = simulated_run(12, anchors=4)

    found = compare_runs(run, run)

    assert (found.correlation, found.agreement, found.kappa) == pytest.approx((1, 1, 1))
    assert found.changes == ()


def test_grade_changes_are_listed_essay_by_essay(tmp_path: Path) -> None:
    run = simulated_run(12, anchors=4)
    student = next(each.essay_id for each in run.bt_summary if not each.is_anchor)
    other = run.model_copy(
        update={
            "grade_projections": tuple(
                each.model_copy(update={"grade": "F"}) if each.essay_id == student else each
                for each in run.grade_projections
            )
        }
    )

    code, output = called("compare", saved(run, tmp_path / "one"), saved(other, tmp_path / "two"))

    assert code == 0
    assert student in output
    assert "rank correlation 1.000" in output


def test_a_comparison_is_one_json_document(tmp_path: Path) -> None:
    run = simulated_run(12, anchors=4)

    code, output = called("compare", "--json", saved(run, tmp_path / "one"), saved(run, tmp_path / "two"))

    compared = json.loads(output)["compared"]
    assert code == 0
    assert compared[0]["correlation"] == pytest.approx(1)
    assert compared[0]["changes"] == []


def test_parquet_and_csv_hold_every_essay_and_comparison(tmp_path: Path) -> None:
    data = simulated_run(8, anchors=4, reason="=cmd()")
    run = saved(data, tmp_path / "run")

    code, _ = called("export", run)

    assert code == 0
    assert read_parquet(run / "export/essays.parquet").read_all().num_rows == 8
    assert read_parquet(run / "export/comparisons.parquet").read_all().num_rows == len(data.llm_comparisons)
    assert ",'=cmd()" in (run / "export/comparisons.csv").read_text(encoding="utf-8")


def test_anchors_out_of_order_are_found(tmp_path: Path) -> None:
    code, output = called("anchors", "check", saved(simulated_run(24), tmp_path / "run"))

    assert code == 6
    assert "is ranked above" in output


@pytest.mark.parametrize("content", ["{}", "no json", json.dumps({"schema_version": "1.0.0"})])
def test_a_file_that_is_not_an_artefact_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "assessment_run.execute.json").write_text(content, encoding="utf-8")

    code, output = called("report", tmp_path)

    assert code == 4
    assert "no record of a run" in output
