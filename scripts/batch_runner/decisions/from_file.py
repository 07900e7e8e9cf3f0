"""Comparative judgement decisions, read from a file of any origin."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from cj_measurement import Comparisons
from event_contracts import InvalidRequest

from batch_runner.decisions.coding import MISSING, Coding, Outcome, coding_from_settings
from batch_runner.decisions.columns import Layout
from batch_runner.decisions.header import Body, find_body
from batch_runner.decisions.item_names import item_names
from batch_runner.decisions.judgements import Judgement, judgements
from batch_runner.decisions.tables import read_tables

IntArray = npt.NDArray[np.int64]
Ties = Literal["drop", "half"]
HALF: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What can be fitted, by name, and how many rows say something else.

    ``comparisons`` number the items and judges by their places in ``items`` and ``judges``. Where ``slots_known``
    is false, slot A holds the winner and says nothing about the order. ``self_compared`` (s,) are the items of the
    self-comparisons, ``lost_pairs`` (k, 2) those of the rows without a vote; ``left_out_items`` are in the file,
    but in no decision that can be fitted, so they have no place.

    ``decisions`` are fitted. With ``halved_ties`` the ties are among them, each as half a win either way.
    ``how_read`` says which columns and values were read as what, ``guesses`` what of it is not
    certain, ``doubts`` which items may be one.
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
    decisions: int
    halved_ties: bool = False
    how_read: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def read_decisions(
    path: Path, *, columns: Sequence[str] = (), coding: Sequence[str] = (), ties: Ties = "drop"
) -> Decisions:
    """Read a file of decisions.

    ``columns`` are ``role=column`` settings for names that are not recognised, ``coding`` are ``value=meaning``
    settings for results. Raises ``InvalidRequest`` that says what to change: in the columns, or in which line.
    """
    try:
        body = find_body(read_tables(path), columns)
        coded = Coding(body.layout, coding_from_settings(coding))
        found = judgements(body, coded)
        return _decisions(found, body, coded, ties)
    except InvalidRequest as error:
        raise InvalidRequest(f"{path.name}: {error}", details=error.details) from error


def _decisions(found: Sequence[Judgement], body: Body, coding: Coding, ties: Ties) -> Decisions:
    layout = body.layout
    names = item_names(name for row in found for name in (row.first, row.second))
    rows = [replace(row, first=names.name_of[row.first], second=names.name_of[row.second]) for row in found]
    voted = [row for row in rows if row.outcome is not Outcome.NO_VOTE]
    pairs = [row for row in voted if row.first != row.second]
    tied = [row for row in pairs if row.outcome is Outcome.TIE]
    fitted = [row for row in pairs if ties == "half" or row.outcome is not Outcome.TIE]
    if not fitted:
        raise InvalidRequest(
            _nothing_to_fit(rows=_total(rows), voted=_total(voted), pairs=_total(pairs), tied=_total(tied))
        )
    items, judges = _names(fitted), sorted({row.judge for row in fitted})
    return Decisions(
        items=tuple(items),
        judges=tuple(judges),
        comparisons=_comparisons(fitted, items, judges),
        slots_known=layout.has_slots,
        judges_known=layout.has_judges,
        self_comparisons=_total(voted) - _total(pairs),
        ties=_total(tied),
        without_vote=_total(rows) - _total(voted),
        self_compared=_places(
            items,
            [(row.first,) for row in voted if row.first == row.second for _ in range(row.times)],
        ).reshape(-1),
        lost_pairs=_places(
            items,
            [
                (row.first, row.second)
                for row in rows
                if row.outcome is Outcome.NO_VOTE
                for _ in range(row.times)
            ],
        ),
        left_out_items=tuple(sorted(set(_names(rows)) - set(items) - set(MISSING))),
        decisions=_total(fitted),
        halved_ties=ties == "half" and bool(tied),
        how_read=tuple(_how_read(body, coding)),
        guesses=tuple(_guesses(coding, names.remarks)),
        doubts=names.doubts,
    )


def _total(rows: Iterable[Judgement]) -> int:
    return sum(row.times for row in rows)


def _how_read(body: Body, coding: Coding) -> list[str]:
    layout: Layout = body.layout
    roles = ", ".join(f"{role} = {name!r}" for role, name in layout.column.items())
    lines = [f"columns{' as set' if layout.from_settings else ''}: {roles}"]
    lines += [f"values: {line}" for line in coding.lines()]
    if body.skipped:
        shown = ", ".join(f"{number} {what}" for what, number in body.skipped.items())
        lines.append(f"skipped {sum(body.skipped.values())} rows that are not decisions: {shown}")
    return lines


def _guesses(coding: Coding, warnings: Sequence[str]) -> list[str]:
    lines = list(warnings)
    if coding.guessed:
        shown = ", ".join(f"{value!r} as {coding.read[value][0].value}" for value in coding.guessed)
        lines.append(
            f"the coding is guessed ({shown}): if it is the other way round, say so with --coding VALUE=a|b|tie"
        )
    return lines


def _places(items: Sequence[str], groups: Iterable[tuple[str, ...]]) -> IntArray:
    """The places of groups of items, where all of a group have one."""
    place = {name: number for number, name in enumerate(items)}
    known = [[place[name] for name in group] for group in groups if all(name in place for name in group)]
    return np.array(known, dtype=np.int64).reshape(len(known), -1) if known else np.empty((0, 2), np.int64)


def _names(rows: Sequence[Judgement]) -> list[str]:
    return sorted({name for row in rows for name in (row.first, row.second)})


def _nothing_to_fit(*, rows: int, voted: int, pairs: int, tied: int) -> str:
    return (
        f"no row decides between two items: of {rows} rows {rows - voted} have no vote,"
        f" {voted - pairs} compare an item with itself and {tied} are ties"
    )


def _comparisons(fitted: Sequence[Judgement], items: Sequence[str], judges: Sequence[str]) -> Comparisons:
    """A decision that counts n times is n decisions; a tie is half a win either way."""
    item = {name: place for place, name in enumerate(items)}
    judge = {name: place for place, name in enumerate(judges)}
    rows: list[tuple[int, int, bool, int, float]] = []
    stated: list[tuple[float, float, float]] = []
    for row in fitted:
        pair = item[row.first], item[row.second]
        outcomes = (True, False) if row.outcome is Outcome.TIE else (row.outcome is Outcome.FIRST_WON,)
        for won in outcomes:
            weight = row.weight * (HALF if row.outcome is Outcome.TIE else 1)
            rows += [(*pair, won, judge[row.judge], weight)] * row.times
            stated += [(row.margin, row.confidence, row.log_odds)] * row.times
    first, second, won_first, judged, weights = zip(*rows, strict=True)
    margin, confidence, log_odds = np.array(stated, dtype=np.float64).T
    return Comparisons.of(
        len(items),
        first,
        second,
        np.array(won_first),
        judged,
        weight=np.array(weights, dtype=np.float64),
        margin=margin,
        confidence=confidence,
        log_odds=log_odds,
    )
