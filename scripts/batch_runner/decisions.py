"""Comparative judgement decisions read from a CSV file of any origin, and what of them can be fitted."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from cj_measurement import Comparisons
from event_contracts import InvalidRequest

CHOSEN: Final = "candidate_chosen"
NOT_CHOSEN: Final = "candidate_not_chosen"
JUDGE: Final = "judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One judgement: who won against whom, and who said so."""

    winner: str
    loser: str
    judge: str


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The fittable comparisons with the names of their items and judges, and the counts of the rest."""

    items: tuple[str, ...]
    judges: tuple[str, ...]
    comparisons: Comparisons
    self_comparisons: int
    without_vote: int


def read_decisions(path: Path) -> Decisions:
    """Read a decisions CSV; raises ``InvalidRequest`` that says what to change."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path}: cannot be read as UTF-8 text: {error}") from error
    if not rows or not {CHOSEN, NOT_CHOSEN} <= set(rows[0]):
        raise InvalidRequest(f"{path.name}: needs the columns {CHOSEN} and {NOT_CHOSEN}")
    return _decisions(list(_votes(rows)), rows=len(rows))


def _votes(rows: Sequence[dict[str, str]]) -> Iterator[Decision]:
    for row in rows:
        if row[CHOSEN] and row[NOT_CHOSEN]:
            yield Decision(winner=row[CHOSEN], loser=row[NOT_CHOSEN], judge=row.get(JUDGE) or "")


def _decisions(votes: Sequence[Decision], *, rows: int) -> Decisions:
    kept = [vote for vote in votes if vote.winner != vote.loser]
    items = sorted({name for vote in kept for name in (vote.winner, vote.loser)})
    judges = sorted({vote.judge for vote in kept})
    if len(items) < 2:
        raise InvalidRequest("there must be decisions about at least two items")
    item, judge = _numbers(items), _numbers(judges)
    return Decisions(
        items=tuple(items),
        judges=tuple(judges),
        comparisons=Comparisons.of(
            len(items),
            [item[vote.winner] for vote in kept],
            [item[vote.loser] for vote in kept],
            np.ones(len(kept), np.bool_),
            [judge[vote.judge] for vote in kept],
        ),
        self_comparisons=len(votes) - len(kept),
        without_vote=rows - len(votes),
    )


def _numbers(names: Sequence[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}
