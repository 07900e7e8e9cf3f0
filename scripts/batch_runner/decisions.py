"""Comparative judgement decisions, read from a CSV file of any origin."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from cj_measurement import Comparisons
from event_contracts import InvalidRequest, unguarded

from batch_runner.columns import Layout, Role, from_settings, recognise

DELIMITERS: Final = (",", ";", "\t")
UNNAMED_JUDGE: Final = "(not named)"
PROBLEMS_SHOWN: Final = 5

_MISSING: Final = ("", "NA")
_TIES: Final = ("tie", "draw", "equal")

IntArray = npt.NDArray[np.int64]
Row = tuple[int, Mapping[str, str]]
"""The number of a line in its file, and its cells by column."""


class Outcome(Enum):
    """The outcome of a row."""

    FIRST_WON = "first won"
    SECOND_WON = "second won"
    TIE = "tie"
    NO_VOTE = "no vote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One row: the two items, in the order they were shown where the file says so."""

    first: str
    second: str
    outcome: Outcome
    judge: str


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What can be fitted, by name, and how many rows say something else.

    ``comparisons`` number the items and judges by their places in ``items`` and ``judges``. Where ``slots_known``
    is false, slot A holds the winner and says nothing about the order. ``self_compared`` (s,) are the items of the
    self-comparisons, ``lost_pairs`` (k, 2) those of the rows without a vote; ``left_out_items`` stand in the file,
    but in no decision that can be fitted, so they have no place.
    """

    items: tuple[str, ...]
    judges: tuple[str, ...]
    comparisons: Comparisons
    slots_known: bool
    judges_known: bool
    self_comparisons: int
    ties: int
    without_vote: int
    self_compared: IntArray
    lost_pairs: IntArray
    left_out_items: tuple[str, ...]


def read_decisions(path: Path, *, columns: Sequence[str] = ()) -> Decisions:
    """Read a decisions CSV; ``columns`` are ``role=column`` settings for names that are not recognised.

    Raises ``InvalidRequest`` that says what to change: in the columns, or in which line.
    """
    try:
        header, rows = _rows(_text(path))
        layout = from_settings(header, columns) if columns else recognise(header)
        return _decisions(list(_judgements(rows, layout)), layout)
    except (csv.Error, InvalidRequest) as error:
        raise InvalidRequest(f"{path.name}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidRequest(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"byte {error.start} is not UTF-8; save the file as CSV in UTF-8") from error


def _rows(text: str) -> tuple[list[str], list[Row]]:
    first_line = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise InvalidRequest("there is no header: the first line must name the columns")
    repeated = {name for name in header if name and header.count(name) > 1}
    if repeated:
        raise InvalidRequest(f"two columns are called {', '.join(sorted(repeated))}; rename one")
    filled = [(reader.line_num, cells) for cells in reader if cells]
    return header, [(line, _cells(line, header, cells)) for line, cells in filled]


def _cells(line: int, header: Sequence[str], cells: Sequence[str]) -> Mapping[str, str]:
    if len(cells) != len(header):
        raise InvalidRequest(
            f"line {line} has {len(cells)} cells, but the header has {len(header)};"
            " a text that holds the separator must stand in quotation marks"
        )
    return dict(zip(header, (unguarded(cell.strip()) for cell in cells), strict=True))


def _judgements(rows: Iterable[Row], layout: Layout) -> Iterator[Judgement]:
    problems = []
    for line, cells in rows:
        try:
            yield _judgement(cells, layout)
        except InvalidRequest as error:
            problems.append(f"line {line}: {error}")
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        shown = [*problems[:PROBLEMS_SHOWN], *([f"and {more} more lines"] if more > 0 else [])]
        raise InvalidRequest("; ".join(shown), details={"problems": list(problems[:100])})


def _judgement(cells: Mapping[str, str], layout: Layout) -> Judgement:
    said = {role: cells[name] for role, name in layout.column.items()}
    first, second, outcome = _shown(said, layout) if layout.has_slots else _winner_and_loser(said)
    judge = said.get(Role.JUDGE, UNNAMED_JUDGE)
    if not judge and outcome is not Outcome.NO_VOTE:
        raise InvalidRequest("there is a vote, but no judge")
    return Judgement(first=first, second=second, outcome=outcome, judge=judge)


def _winner_and_loser(said: Mapping[Role, str]) -> tuple[str, str, Outcome]:
    winner, loser = said[Role.WINNER], said[Role.LOSER]
    if (winner in _MISSING) != (loser in _MISSING):
        raise InvalidRequest("only one of winner and loser is given")
    return winner, loser, Outcome.NO_VOTE if winner in _MISSING else Outcome.FIRST_WON


def _shown(said: Mapping[Role, str], layout: Layout) -> tuple[str, str, Outcome]:
    first, second = said[Role.SLOT_A], said[Role.SLOT_B]
    if not (first and second):
        raise InvalidRequest("one of the two items has no name")
    outcome = (
        _by_result(said[Role.RESULT], layout)
        if Role.RESULT in said
        else _by_winner(said[Role.WINNER], first, second)
    )
    if Role.LOSER in said:
        _check_loser(said[Role.LOSER], first, second, outcome)
    return first, second, outcome


def _by_winner(winner: str, first: str, second: str) -> Outcome:
    if winner == first:
        return Outcome.FIRST_WON
    if winner == second:
        return Outcome.SECOND_WON
    if winner in _MISSING:
        return Outcome.NO_VOTE
    if winner.casefold() in _TIES:
        return Outcome.TIE
    raise InvalidRequest(f"the winner {winner!r} is neither {first!r} nor {second!r}")


def _by_result(result: str, layout: Layout) -> Outcome:
    if result in _MISSING:
        return Outcome.NO_VOTE
    if result.casefold() in _TIES:
        return Outcome.TIE
    if result in (layout.column[Role.SLOT_A], layout.column[Role.SLOT_B]):
        return Outcome.FIRST_WON if result == layout.column[Role.SLOT_A] else Outcome.SECOND_WON
    try:
        return _BY_NUMBER[float(result.replace(",", "."))]
    except (KeyError, ValueError):
        raise InvalidRequest(
            f"the result {result!r} is not 1 (the first won), 0 (the second won) or 0.5 (a tie)"
        ) from None


_BY_NUMBER: Final = {1.0: Outcome.FIRST_WON, 0.0: Outcome.SECOND_WON, 0.5: Outcome.TIE}


def _check_loser(loser: str, first: str, second: str, outcome: Outcome) -> None:
    expected = {Outcome.FIRST_WON: second, Outcome.SECOND_WON: first}.get(outcome)
    if expected is None:
        if outcome is Outcome.NO_VOTE and loser not in _MISSING:
            raise InvalidRequest("there is a loser, but no winner")
    elif loser != expected:
        raise InvalidRequest(f"the loser {loser!r} is not the item that did not win, {expected!r}")


def _decisions(judgements: Sequence[Judgement], layout: Layout) -> Decisions:
    voted = [row for row in judgements if row.outcome is not Outcome.NO_VOTE]
    pairs = [row for row in voted if row.first != row.second]
    fitted = [row for row in pairs if row.outcome is not Outcome.TIE]
    items = _names(fitted)
    judges = sorted({row.judge for row in fitted})
    if not fitted:
        raise InvalidRequest(_nothing_to_fit(rows=len(judgements), voted=len(voted), pairs=len(pairs)))
    return Decisions(
        items=tuple(items),
        judges=tuple(judges),
        comparisons=_comparisons(fitted, items, judges),
        slots_known=layout.has_slots,
        judges_known=layout.has_judges,
        self_comparisons=len(voted) - len(pairs),
        ties=len(pairs) - len(fitted),
        without_vote=len(judgements) - len(voted),
        self_compared=_places(items, [(row.first,) for row in voted if row.first == row.second]).reshape(-1),
        lost_pairs=_places(
            items, [(row.first, row.second) for row in judgements if row.outcome is Outcome.NO_VOTE]
        ),
        left_out_items=tuple(sorted(set(_names(judgements)) - set(items) - set(_MISSING))),
    )


def _places(items: Sequence[str], groups: Iterable[tuple[str, ...]]) -> IntArray:
    """The places of groups of items, where all of a group have one."""
    place = {name: number for number, name in enumerate(items)}
    known = [[place[name] for name in group] for group in groups if all(name in place for name in group)]
    return np.array(known, dtype=np.int64).reshape(len(known), -1) if known else np.empty((0, 2), np.int64)


def _names(judgements: Sequence[Judgement]) -> list[str]:
    return sorted({name for row in judgements for name in (row.first, row.second)})


def _nothing_to_fit(*, rows: int, voted: int, pairs: int) -> str:
    return (
        f"no row decides between two items: of {rows} rows {rows - voted} have no vote,"
        f" {voted - pairs} compare an item with itself and {pairs} are ties"
    )


def _comparisons(fitted: Sequence[Judgement], items: Sequence[str], judges: Sequence[str]) -> Comparisons:
    item = {name: place for place, name in enumerate(items)}
    judge = {name: place for place, name in enumerate(judges)}
    return Comparisons.of(
        len(items),
        [item[row.first] for row in fitted],
        [item[row.second] for row in fitted],
        np.array([row.outcome is Outcome.FIRST_WON for row in fitted]),
        [judge[row.judge] for row in fitted],
    )
