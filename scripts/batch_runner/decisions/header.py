"""Where the header of a table is, and which of its rows are not decisions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from event_contracts import InvalidRequest

from batch_runner.decisions.columns import Layout, from_settings, recognise, recognised
from batch_runner.decisions.tables import Row, Table

ROWS_LOOKED_AT: Final = 20
ALMOST_A_HEADER: Final = 2
"""Roles from which on a row is a header, though one that is not clear."""
NO_HEADER: Final = "there is no header: the first line must name the columns"
_QUALTRICS: Final = '{"ImportId"'


@dataclass(frozen=True, slots=True)
class Body:
    """The rows under a header, with the layout of their columns; ``skipped`` rows are counted by what they are."""

    header: Sequence[str]
    layout: Layout
    rows: Sequence[Row]
    skipped: Counter[str] = field(default_factory=Counter)


def find_body(tables: Sequence[Table], columns: Sequence[str]) -> Body:
    """The first reading of a file in which a row names the columns; raises the ``InvalidRequest`` of the likeliest."""
    problem: InvalidRequest | None = None
    found: list[tuple[Table, Body]] = []
    for table in tables:
        try:
            found.append((table, _body(table, columns)))
        except InvalidRequest as error:
            problem = problem or error
            continue
        if not table.name:
            break
    if len(found) > 1:
        sheets = " and ".join(repr(table.name) for table, _ in found[:2])
        raise InvalidRequest(f"the sheets {sheets} both hold decisions: save the one that is meant as CSV")
    if found:
        return found[0][1]
    raise problem or InvalidRequest(NO_HEADER)


def _body(table: Table, columns: Sequence[str]) -> Body:
    filled = [(line, cells) for line, cells in table.rows if any(cells)]
    place, layout = _header(filled, columns)
    header = filled[place][1]
    skipped = Counter(
        {
            "sep= line": table.skipped,
            "above the header": place,
            "of empty cells": len(table.rows) - len(filled),
        }
    )
    rows = _without_descriptions(filled[place + 1 :], header, skipped)
    named = _until_last_named(header)
    return Body(named, layout, [(line, _fitting(line, named, cells)) for line, cells in rows], +skipped)


def _header(rows: Sequence[Row], columns: Sequence[str]) -> tuple[int, Layout]:
    problems: list[InvalidRequest] = []
    for place, (_, cells) in enumerate(rows[:ROWS_LOOKED_AT]):
        try:
            layout = from_settings(cells, columns) if columns else recognise(cells)
        except InvalidRequest as error:
            problems.append(error)
            if place == 0 and not columns and recognised(cells) >= ALMOST_A_HEADER:
                break
            continue
        _refuse_repeated(cells)
        return place, layout
    if rows:
        _refuse_repeated(rows[0][1])
    raise problems[0] if problems else InvalidRequest(NO_HEADER)


def _refuse_repeated(header: Sequence[str]) -> None:
    repeated = {name for name in header if name and list(header).count(name) > 1}
    if repeated:
        raise InvalidRequest(f"two columns are called {', '.join(sorted(repeated))}; rename one")


def _without_descriptions(rows: Sequence[Row], header: Sequence[str], skipped: Counter[str]) -> list[Row]:
    """Rows that describe the columns once more: Qualtrics writes two, joined files repeat the header."""
    start = 0
    for place, (_, cells) in enumerate(rows[:2]):
        if any(cell.startswith(_QUALTRICS) for cell in cells):
            start = place + 1
    skipped["of Qualtrics' descriptions"] += start
    kept = [(line, cells) for line, cells in rows[start:] if list(cells) != list(header)]
    skipped["that repeat the header"] += len(rows) - start - len(kept)
    return kept


def _until_last_named(header: Sequence[str]) -> Sequence[str]:
    last = max(place for place, name in enumerate(header) if name)
    return header[: last + 1]


def _fitting(line: int, header: Sequence[str], cells: Sequence[str]) -> Sequence[str]:
    """The row's cells under the header; empty ones beyond it are not cells."""
    kept = list(cells)
    while len(kept) > len(header) and not kept[-1]:
        kept.pop()
    if len(kept) != len(header):
        raise InvalidRequest(
            f"line {line} has {len(kept)} cells, but the header has {len(header)};"
            " a text that holds the separator must be in quotation marks"
        )
    return kept
