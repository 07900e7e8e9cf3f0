"""What cj-run logs: JSON on standard error, with the run that it is about; results stay on standard output."""

import json
from pathlib import Path

import pytest
from batch_runner.cli import app
from batch_runner.run_log import LogEvent
from batch_runner.tests.building import folder_of
from typer.testing import CliRunner, Result

RUNBOOK = Path(__file__).parents[4] / "documentation/operations/runner-runbook.md"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def essays(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "essays", {"a.txt": "The first text.", "b.txt": "The second text."})


@pytest.mark.parametrize("command", ["dry-run", "plan"])
def test_the_state_of_a_record_is_logged_when_it_is_written(
    essays: Path, tmp_path: Path, command: str
) -> None:
    simulated = ("--sd", 4, "--target-reliability", 0.3) if command == "plan" else ()
    ended = run("-v", command, essays, "--out", tmp_path / "runs", *simulated)

    line = next(json.loads(each) for each in ended.stderr.splitlines() if "runner_validation_state" in each)
    folder = tmp_path / "runs" / line["batch_uuid"]
    record = json.loads((folder / f"assessment_run.{command}.json").read_text())
    assert line["level"] == "info"
    assert line["runner_mode"] == command
    assert line["artefact_checksum"] == record["validation"]["artefact_checksum"]
    assert line["runner_status"]["partial_data"] is False
    assert {each["path"] for each in line["manifest_entries"]} >= {f"assessment_run.{command}.json"}


def test_without_being_asked_nothing_but_warnings_is_logged(essays: Path, tmp_path: Path) -> None:
    assert run("dry-run", essays, "--out", tmp_path / "runs").stderr == ""


@pytest.mark.parametrize("name", LogEvent)
def test_every_event_is_documented(name: LogEvent) -> None:
    assert f"`{name}`" in RUNBOOK.read_text(encoding="utf-8")
