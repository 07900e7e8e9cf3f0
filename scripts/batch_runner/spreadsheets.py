"""CSV files that a spreadsheet program opens without running anything that stands in them.

A text that begins like a formula is written with an apostrophe before it, as OWASP recommends; whoever reads our
files back takes it away again. Numbers are left alone: a score of -0.5 is no formula.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_GUARD: Final = "'"


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a UTF-8 CSV file with a header; returns its path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_guarded(cell) for cell in row] for row in rows)
    return path


def unguarded(cell: str) -> str:
    """The text as it was before it was guarded."""
    return cell[1:] if cell.startswith(_GUARD) and _needs_guard(cell[1:]) else cell


def _guarded(cell: object) -> object:
    return f"{_GUARD}{cell}" if isinstance(cell, str) and _needs_guard(cell) else cell


def _needs_guard(cell: str) -> bool:
    # A text that looks guarded already is guarded once more, so that reading gives back exactly what was written.
    return cell.startswith(_FORMULA_STARTS) or (cell.startswith(_GUARD) and _needs_guard(cell[1:]))
