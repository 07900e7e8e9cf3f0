"""CSV files that a spreadsheet program opens without running a formula in them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from event_contracts import csv_text


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a UTF-8 CSV file with a header, texts guarded against being formulas; returns its path."""
    path.write_text(csv_text([columns, *rows]), encoding="utf-8", newline="")
    return path
