"""Names that appear in essays are found before anything is sent."""

from pathlib import Path

import pytest
from batch_runner.cli import app
from batch_runner.reading.anonymity import names_in_texts, read_roster
from batch_runner.tests.building import folder_of
from event_contracts import InvalidRequest
from typer.testing import CliRunner

TEXT = "My name is Anna and Anna's friend Bo Lindqvist goes with us. Will anna sing? Summer is here."


def found(
    text: str = TEXT, *, file: str = "", authors: tuple[str, ...] = (), roster: tuple[str, ...] = ()
) -> list[str]:
    names = names_in_texts({"e1": text}, file_names={"e1": file}, authors={"e1": authors}, roster=roster)
    return [str(name) for name in names]


def test_a_name_is_found_by_the_files_name() -> None:
    expected = ["e1: 'Anna' appears 2 times (from the file's name)"]

    assert found(file="anna_ek_uppsats") == expected
    assert found(file="Anna Ek_1234_assignsubmission_file_") == expected


def test_a_name_is_found_by_the_documents_properties_and_by_the_roster() -> None:
    assert found(authors=("Anna Ek",)) == ["e1: 'Anna' appears 2 times (from the document's properties)"]
    assert found(roster=("Bo Lindqvist", "Cia By")) == ["e1: 'Lindqvist' appears once (from the roster)"]


@pytest.mark.parametrize("file", ["essay final text", "my summer", "1234", "sång", "will"])
def test_words_that_are_not_names_are_not_taken_for_names(file: str) -> None:
    assert found("A text about an essay. This will be the final one, my summer.", file=file) == []


def test_a_name_is_found_however_its_letters_are_composed() -> None:
    assert found("A\u030asa skrev.", file="Åsa") == ["e1: 'Åsa' appears once (from the file's name)"]


@pytest.mark.parametrize(
    "content",
    ["Anna Ek\nBo Alm\n", "id;name;mail\n7;Anna Ek;a@b.se\n8;Bo Alm;c@d.se", "Ek,Anna\nAlm,Bo\n"],
)
def test_a_roster_is_a_list_or_a_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(content, "utf-8")

    names = " ".join(read_roster(path))

    assert {"Anna", "Ek", "Bo", "Alm"} <= set(names.split())
    assert "@" not in names


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "there are no names in it"), (b"PK\x03\x04\x00", "not a text"), (b"1;2", "no names")],
)
def test_a_roster_that_holds_no_names_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "roster.csv").write_bytes(content)

    with pytest.raises(InvalidRequest, match=f"roster.csv: .*{reason}"):
        read_roster(tmp_path / "roster.csv")


def test_a_plan_names_them_and_the_roster_in_the_folder_is_not_an_essay(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, {"anna.txt": TEXT, "b.txt": "By Cia.", "roster.csv": "Cia By\n", "c.txt": "No names."}
    )

    ended = CliRunner().invoke(
        app, ["plan", str(folder), "--roster", str(folder / "roster.csv"), "--target-reliability", "0.5"]
    )

    assert ended.exit_code == 0
    lines = ended.stdout.splitlines()
    assert "names that appear in the essays and would be sent to the judge: 2" in lines
    assert "  anna: 'Anna' appears 2 times (from the file's name)" in lines
    assert "  b: 'Cia' appears once (from the roster)" in lines
