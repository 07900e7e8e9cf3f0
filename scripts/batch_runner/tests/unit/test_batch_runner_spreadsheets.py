"""CSV files that may be opened in a spreadsheet program."""

import csv
from pathlib import Path

import pytest
from batch_runner.artefact.spreadsheets import write_table
from event_contracts import unescape_formula
from hypothesis import given
from hypothesis import strategies as st


def written(path: Path, cell: object) -> str:
    write_table(path, ["cell"], [[cell]])
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1][0]


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(A1)", "+1", "-essay", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1"]
)
def test_a_text_is_never_a_formula(tmp_path: Path, text: str) -> None:
    assert written(tmp_path / "t.csv", text) == f"'{text}"


@pytest.mark.parametrize(
    ("cell", "expected"), [(-0.5, "-0.5"), ("essay-1", "essay-1"), ("'quoted'", "'quoted'")]
)
def test_text_that_is_not_a_formula_is_unchanged(tmp_path: Path, cell: object, expected: str) -> None:
    assert written(tmp_path / "t.csv", cell) == expected


@given(st.text(alphabet="'=+-@ab\t\r\n", min_size=1, max_size=6))
def test_reading_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert unescape_formula(written(tmp_path_factory.mktemp("csv") / "t.csv", text)) == text
