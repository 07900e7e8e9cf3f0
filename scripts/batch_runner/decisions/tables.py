"""The rows of a file of decisions, as text: CSV of any separator, a spreadsheet or Parquet."""

import codecs
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from event_contracts import InvalidRequest, unescape_formula

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_BYTES: Final = 200 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 500 * 1024 * 1024
MAX_ROWS: Final = 2_000_000
PARQUET_SECONDS: Final = 120
_CHUNK: Final = 1024 * 1024
_SEPARATOR_LINE: Final = "sep="
_LINES_LOOKED_AT: Final = 20
_WIDE_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Row = tuple[int, Sequence[str]]
"""The number of a line in its file, and its cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a file or of a sheet of it; ``skipped`` lines came before them and are not rows."""

    name: str
    rows: Sequence[Row]
    skipped: int = 0


def read_tables(path: Path) -> list[Table]:
    """Every way to read the file as a table: by separator, or sheet by sheet; the most likely first.

    Raises ``InvalidRequest`` that says what to change.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidRequest(f"has more than {MAX_BYTES // 1024**2} MB")
        return _READERS.get(path.suffix.lower(), _csv)(path)
    except OSError as error:
        raise InvalidRequest(f"cannot be read: {error.strerror or error}") from error


def _csv(path: Path) -> list[Table]:
    text = _decoded(path.read_bytes())
    first, _, rest = text.partition("\n")
    setting = first.strip().strip('"')
    if setting.casefold().startswith(_SEPARATOR_LINE) and len(setting) == len(_SEPARATOR_LINE) + 1:
        return [Table(name="", rows=_separated(rest, setting[-1], first_line=1), skipped=1)]
    head = "\n".join(text.splitlines()[:_LINES_LOOKED_AT])
    likely = sorted(DELIMITERS, key=head.count, reverse=True)
    tables = []
    problem: csv.Error | None = None
    for delimiter in [each for each in likely if each in head] or likely[:1]:
        try:
            tables.append(Table(name="", rows=_separated(text, delimiter, first_line=0)))
        except csv.Error as error:
            problem = problem or error
    if not tables and problem is not None:
        raise InvalidRequest(str(problem)) from problem
    return tables


def _decoded(content: bytes) -> str:
    for mark, codec in _WIDE_MARKS:
        if content.startswith(mark):
            try:
                return content.decode(codec)
            except UnicodeDecodeError as error:
                raise InvalidRequest("not UTF-16, as it begins; save the file as CSV in UTF-8") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"byte {error.start} is not UTF-8; save the file as CSV in UTF-8") from error


def _separated(text: str, delimiter: str, *, first_line: int) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [
        (first_line + reader.line_num, [unescape_formula(cell.strip()) for cell in cells])
        for cells in _bounded(reader)
        if cells
    ]


def _bounded(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    for number, row in enumerate(rows):
        if number >= MAX_ROWS:
            raise InvalidRequest(f"has more than {MAX_ROWS} rows")
        yield row


def _spreadsheet(path: Path) -> list[Table]:
    # Imported here: most files are CSV.
    from python_calamine import CalamineError, load_workbook

    _check_unpacked_size(path)
    try:
        workbook = load_workbook(str(path))
        tables = [
            Table(name=name, rows=_cells(workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)))
            for name in workbook.sheet_names
        ]
    except CalamineError as error:
        raise InvalidRequest(f"not a spreadsheet that can be opened ({error}); save it as CSV") from error
    return [table for table in tables if table.rows]


def _check_unpacked_size(path: Path) -> None:
    """Unpack it once without keeping anything: what an archive claims to be large and what it is are two things."""
    left = MAX_UNPACKED_BYTES
    try:
        with ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as part:
                    while chunk := part.read(_CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise InvalidRequest("unpacks to more than 500 MB; save the decisions as CSV")
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidRequest(f"not a spreadsheet that can be opened ({error}); save it as CSV") from error


def _cells(rows: Sequence[Sequence[object]]) -> list[Row]:
    return [(number, [_text(cell) for cell in row]) for number, row in enumerate(rows, start=1)]


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value != value:  # not a number, as some programs write a missing value
            return ""
        case float() if value.is_integer():
            return str(int(value))
        case date() | time():
            return value.isoformat()
    return str(value).strip()


def _parquet(path: Path) -> list[Table]:
    # In a process of its own: a damaged file ends the library's process, not just its call.
    command = [
        sys.executable,
        "-m",
        "batch_runner.decisions.parquet_process",
        str(path.absolute()),
        str(MAX_ROWS),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    try:
        ended = subprocess.run(
            command, capture_output=True, env=environment, timeout=PARQUET_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidRequest(f"took longer than {PARQUET_SECONDS} s to read; save it as CSV") from error
    if ended.returncode != 0:
        raise InvalidRequest("not a Parquet file that can be read; save it as CSV")
    header, *rows = json.loads(ended.stdout)
    if len(rows) > MAX_ROWS:
        raise InvalidRequest(f"has more than {MAX_ROWS} rows")
    return [Table(name="", rows=_cells([header, *rows]))]


_READERS: Final[dict[str, Callable[[Path], list[Table]]]] = {
    ".xlsx": _spreadsheet,
    ".xlsm": _spreadsheet,
    ".ods": _spreadsheet,
    ".parquet": _parquet,
    ".pq": _parquet,
}
