"""A run that is forgotten leaves nothing that the tool wrote, and takes nothing else with it."""

import json
from pathlib import Path

import pytest
from batch_runner.artefact.forgetting import forget_run
from batch_runner.cli import app
from event_contracts import InvalidRequest
from typer.testing import CliRunner

FILES = (
    "run.json",
    "events.ndjson",
    "requests/assessment_request.json",
    "events/comparisons/1.json",
    "assessment_run.execute.json",
    "manifest.json",
    "essays.csv",
    "comparisons.csv",
    "report.html",
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "run-1"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "run.json").write_text(json.dumps({"options": {"batch_uuid": "run-1"}}))
    return folder


def test_everything_that_the_tool_wrote_is_gone_with_its_folder(run: Path) -> None:
    forgotten = forget_run(run)

    assert not run.exists()
    assert run.parent.exists()
    assert len(forgotten.deleted) == len(FILES)
    assert (forgotten.batch_id, forgotten.left) == ("run-1", ())


def test_what_somebody_else_put_there_is_left_and_named(run: Path) -> None:
    (run / "my notes.txt").write_text("mine")
    (run / "letters").mkdir()

    forgotten = forget_run(run)

    assert sorted(path.name for path in run.iterdir()) == ["letters", "my notes.txt"]
    assert [path.name for path in forgotten.left] == ["letters", "my notes.txt"]


def test_a_link_is_deleted_and_not_followed(run: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.csv"
    precious.write_text("precious")
    (run / "essays.csv").unlink()
    (run / "essays.csv").symlink_to(precious)

    forget_run(run)

    assert precious.read_text() == "precious"
    assert not run.exists()


def test_the_data_of_an_embedded_suite_is_gone_as_well(run: Path) -> None:
    data = run.parent / ".embedded" / "run-1"
    data.mkdir(parents=True)
    (data / "database").write_text("an essay")

    forget_run(run)

    assert not data.exists()


def test_a_folder_that_is_a_link_keeps_what_it_holds(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "essays.csv").write_text("precious")
    (run / "export").symlink_to(elsewhere)

    forgotten = forget_run(run)

    assert (elsewhere / "essays.csv").read_text() == "precious"
    assert [path.name for path in forgotten.left] == ["export"]


def test_another_folder_is_refused_and_nothing_is_deleted(tmp_path: Path, run: Path) -> None:
    (tmp_path / "photo.png").write_text("x")
    (tmp_path / "link").symlink_to(run)

    for wrong in (tmp_path, tmp_path / "nowhere", tmp_path / "photo.png", tmp_path / "link"):
        with pytest.raises(InvalidRequest):
            forget_run(wrong)

    assert (tmp_path / "photo.png").exists()
    assert (run / "run.json").exists()


def test_a_run_whose_settings_cannot_be_read_is_forgotten_all_the_same(run: Path) -> None:
    (run / "run.json").write_text("{")

    assert forget_run(run).batch_id is None
    assert not run.exists()


def test_the_command_says_what_is_left_to_do(run: Path) -> None:
    answer = CliRunner().invoke(app, ["forget", str(run)])

    assert answer.exit_code == 0, answer.output
    assert "DELETE /admin/v1/batches/run-1" in answer.output
    assert not run.exists()


def test_the_command_fails_where_something_is_left(run: Path) -> None:
    (run / "notes.txt").write_text("mine")

    answer = CliRunner().invoke(app, ["forget", str(run)])

    assert answer.exit_code == 6
    assert "notes.txt" in answer.output
