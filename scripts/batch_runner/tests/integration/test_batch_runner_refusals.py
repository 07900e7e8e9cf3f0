"""cj-run refuses what cannot work in one line that says what to do, before anything is sent."""

import os
from pathlib import Path

import pytest
from batch_runner.cli import app
from batch_runner.tests.building import BATCH, folder_of
from batch_runner.tests.stub_service import Answer, Assessing, StubService, serving
from typer.testing import CliRunner, Result

ESSAYS = {"a.txt": "The text of a.", "b.txt": "The text of b."}


def execute(essays: Path, service: StubService, *options: str) -> Result:
    return CliRunner().invoke(app, ["execute", str(essays), "--url", service.url, *options])


@pytest.mark.parametrize(
    ("batch_id", "said"),
    [
        ("a/b", "--batch-id 'a/b' holds '/': choose another"),
        ("a?b", "--batch-id 'a?b' holds '?'"),
        ("a\nb", "--batch-id 'a\\nb' holds a character that cannot be printed"),
        ("a\udcffb", "--batch-id 'a\\udcffb' holds a character that cannot be printed"),
        ("x" * 300, f"--batch-id '{'x' * 40}…' has 300 characters, more than 255"),
        ("", "--batch-id '' is empty"),
        ("..", "--batch-id '..' cannot be the name of a folder"),
    ],
)
def test_a_batch_id_that_cannot_be_part_of_an_address_is_refused(
    tmp_path: Path, batch_id: str, said: str
) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    with serving(Assessing()) as service:
        ended = execute(essays, service, "--out", str(tmp_path / "runs"), "--batch-id", batch_id)

    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"VALIDATION_ERROR {said}")
    assert ended.stderr.count("\n") == 1
    assert service.asked == []


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)
    (tmp_path / "taken").write_text("a file")

    with serving(Assessing()) as service:
        ended = execute(essays, service, "--out", str(tmp_path / "taken" / "runs"), "--batch-id", BATCH)

    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"VALIDATION_ERROR {tmp_path}/taken/runs/")
    assert ended.stderr.endswith(" cannot be written (Not a directory): choose another folder with --out\n")
    assert service.asked == []


def test_a_refused_run_leaves_no_folder(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)

    ended = CliRunner().invoke(
        app, ["execute", str(essays), "--url", "http://127.0.0.1:9", "--out", str(tmp_path / "a" / "runs")]
    )

    assert ended.exit_code == 1
    assert not (tmp_path / "a").exists()


def test_every_file_whose_name_is_not_utf8_is_named(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", ESSAYS)
    for name in (b"\xe5sa.txt", b"bj\xf6rn.txt"):
        Path(os.fsdecode(bytes(essays) + b"/" + name)).write_text("An essay.")

    with serving(Assessing()) as service:
        ended = execute(essays, service)

    assert ended.exit_code == 4
    assert ended.stderr == (
        r"VALIDATION_ERROR bj\xf6rn.txt: the file's name is not UTF-8; rename the file;"
        r" \xe5sa.txt: the file's name is not UTF-8; rename the file"
        "\n"
    )
    assert service.asked == []


def test_a_file_name_with_a_line_break_is_refused(tmp_path: Path) -> None:
    essays = folder_of(tmp_path / "essays", {**ESSAYS, "c\nd.txt": "An essay."})

    with serving(Assessing()) as service:
        ended = execute(essays, service)

    assert ended.exit_code == 4
    assert ended.stderr == (
        r"VALIDATION_ERROR c\nd.txt: 'c\nd' is not an essay id (up to 255 printable characters, no '/'); give the file"
        " a shorter or plainer name\n"
    )
    assert service.asked == []


def test_results_that_cannot_be_written_are_kept_at_the_service(tmp_path: Path) -> None:
    essays, runs = folder_of(tmp_path / "essays", ESSAYS), tmp_path / "runs"

    def in_the_way(method: str, path: str) -> Answer:
        if path.endswith("/results"):
            folder = next(each for each in runs.iterdir() if each.is_dir())
            (folder / "essays.csv").mkdir()
        return Assessing()(method, path)

    with serving(in_the_way) as service:
        ended = execute(essays, service, "--out", str(runs))

    assert ended.exit_code == 4
    assert "could not be written" in ended.stderr
    assert "cj-run execute --resume" in ended.stderr
