"""Reading decisions from spreadsheets and Parquet files, and what their rows and cells may hold."""

from pathlib import Path

import openpyxl
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from batch_runner.decisions.from_file import read_decisions
from batch_runner.tests.decision_files import EXPECTED, read, winners_and_losers
from event_contracts import InvalidRequest


def spreadsheet(path: Path, *sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        assert sheet is not None
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def parquet(path: Path, **columns: list[str] | list[float]) -> Path:
    table = Table.from_pydict(
        {
            name: Array(values, type=DataType.string() if isinstance(values[0], str) else DataType.float64())
            for name, values in columns.items()
        }
    )
    with path.open("wb") as file:
        write_parquet(table, file)
    return path


def test_a_spreadsheet_is_read(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Export", None],
        ["winner", "loser"],
        ["anna", "bo"],
        ["cia", "bo"],
        ["anna", "cia"],
    ]
    path = spreadsheet(tmp_path / "d.xlsx", [["notes"]], rows)

    assert winners_and_losers(read_decisions(path)) == EXPECTED


def test_numbers_of_a_spreadsheet_are_whole_where_they_are(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path / "d.xlsx", [["item1", "item2", "winner"], [1, 2, 1], [2, 3, 3.0]])

    assert winners_and_losers(read_decisions(path)) == [("1", "2"), ("3", "2")]


def test_two_sheets_of_decisions_are_refused(tmp_path: Path) -> None:
    rows: list[list[object]] = [["winner", "loser"], ["a", "b"]]

    with pytest.raises(InvalidRequest, match="the sheets 'Sheet' and 'Sheet1' both hold decisions"):
        read_decisions(spreadsheet(tmp_path / "d.xlsx", rows, rows))


def test_a_parquet_file_is_read(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "d.parquet", item1=["a", "b"], item2=["b", "c"], winner=["a", "c"], n_times=[2.0, 1.0]
    )

    decisions = read_decisions(path)

    assert winners_and_losers(decisions) == [("a", "b"), ("a", "b"), ("c", "b")]


@pytest.mark.parametrize("name", ["d.xlsx", "d.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"PK\x03\x04 nothing", b"PAR1" + b"\0" * 50 + b"PAR1"])
def test_a_damaged_spreadsheet_or_parquet_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InvalidRequest, match=f"^{name}: not a .*; save it as CSV$"):
        read_decisions(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "skipped"),
    [
        ("sep=;\nwinner;loser\na;b\n", "1 sep= line"),
        ("Task: writing;;\nExported 2024;;\n\njudge;winner;loser\nj;a;b\n", "2 above the header"),
        ("winner;loser\na;b\n;\n;\n", "2 of empty cells"),
        ("winner,loser\na,b\nwinner,loser\n", "1 that repeat the header"),
        (
            'id,winner,loser\nId,Which?,Other\n"{""ImportId"":""x""}",a,b\n1,a,b\n',
            "2 of Qualtrics' descriptions",
        ),
    ],
)
def test_rows_that_are_not_decisions_are_skipped_and_counted_in_one_line(
    tmp_path: Path, text: str, skipped: str
) -> None:
    decisions = read(tmp_path, text)

    assert winners_and_losers(decisions) == [("a", "b")]
    (line,) = [line for line in decisions.how_read if line.startswith("skipped")]
    assert line.endswith(f"rows that are not decisions: {skipped}")


def test_empty_cells_beyond_the_header_are_ignored(tmp_path: Path) -> None:
    assert winners_and_losers(read(tmp_path, "winner;loser;;\na;b;;\na;b;;;\n")) == [("a", "b"), ("a", "b")]
