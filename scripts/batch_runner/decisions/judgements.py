"""What each row of a file says: two items, who won, who judged, and how often it counts."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from event_contracts import InvalidRequest
from event_contracts.judging import MARGINS

from batch_runner.decisions.coding import MISSING, Coding, Outcome, UnknownValue, margin_of
from batch_runner.decisions.columns import Layout, Role
from batch_runner.decisions.header import Body
from batch_runner.decisions.item_names import composed

UNNAMED_JUDGE: Final = "(not named)"
PROBLEMS_SHOWN: Final = 5
PROBLEMS_KEPT: Final = 100
MAX_DECISIONS: Final = 2_000_000

_MARGINS: Final = tuple(margin.removesuffix(" better") for margin in MARGINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One row: the two items, in the order they were shown where the file says so.

    It is ``times`` decisions with the same outcome, each of which counts with ``weight``. ``margin`` (1 slightly
    better, 2 clearly, 3 far), ``confidence`` and ``log_odds`` (of the first) are NaN where the row states none.
    """

    first: str
    second: str
    outcome: Outcome
    judge: str
    times: int = 1
    weight: float = 1.0
    margin: float = math.nan
    confidence: float = math.nan
    log_odds: float = math.nan


def judgements(body: Body, coding: Coding) -> list[Judgement]:
    """Every row; raises ``InvalidRequest`` that names the first lines that cannot be read."""
    found: list[Judgement] = []
    problems: list[str] = []
    unknown: set[str] = set()
    decisions = 0
    for line, cells in body.rows:
        try:
            for judgement in _of_row(dict(zip(body.header, cells, strict=True)), body.layout, coding):
                found.append(judgement)
                decisions += judgement.times
        except UnknownValue as error:
            if error.message not in unknown:
                problems.append(f"line {line}: {error}")
            unknown.add(error.message)
        except InvalidRequest as error:
            problems.append(f"line {line}: {error}")
        if decisions > MAX_DECISIONS:
            raise InvalidRequest(f"more than {MAX_DECISIONS} decisions")
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        shown = [*problems[:PROBLEMS_SHOWN], *([f"and {more} more lines"] if more > 0 else [])]
        raise InvalidRequest("; ".join(shown), details={"problems": list(problems[:PROBLEMS_KEPT])})
    return found


def _of_row(cells: Mapping[str, str], layout: Layout, coding: Coding) -> Iterator[Judgement]:
    said = {role: cells[name] for role, name in layout.column.items()}
    for role in (Role.SLOT_A, Role.SLOT_B, Role.WINNER, Role.LOSER, Role.JUDGE):
        if role in said:
            said[role] = composed(said[role])
    if Role.WINS_A in said:
        yield from _wins(said)
        return
    times = _whole(said[Role.COUNT], "count") if Role.COUNT in said else 1
    if times == 0:
        return  # a table of counts lists pairs in which the item never won
    first, second, outcome = _shown(said, coding) if layout.has_slots else _winner_and_loser(said)
    yield Judgement(
        first=first,
        second=second,
        outcome=outcome,
        judge=_judge(said, outcome),
        times=times,
        weight=_weight(said[Role.WEIGHT]) if Role.WEIGHT in said else 1.0,
        margin=_margin(said[Role.MARGIN])
        if Role.MARGIN in said
        else margin_of(said.get(Role.RESULT, said.get(Role.WINNER, ""))),
        confidence=_stated(said.get(Role.CONFIDENCE, ""), "confidence"),
        log_odds=_stated(said.get(Role.LOG_ODDS, ""), "log_odds"),
    )


def _margin(cell: str) -> float:
    """A margin as a number from 1 to 3, or in words."""
    words = cell.strip().casefold().removesuffix(" better")
    if words in _MARGINS:
        return 1.0 + _MARGINS.index(words)
    number = _stated(cell, "margin")
    if not math.isnan(number) and number not in (1, 2, 3):
        raise InvalidRequest(
            f"the margin {cell!r} is none of 1, 2, 3, {', '.join(MARGINS)}: leave the column out with --columns"
            " ignore=COLUMN if it is something else"
        )
    return number


def _stated(cell: str, what: str) -> float:
    """A number, NaN where the cell is empty."""
    if cell in MISSING:
        return math.nan
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidRequest(
            f"the {what} {cell!r} is not a number: leave the column out with --columns ignore=COLUMN"
        )
    return number


def _wins(said: Mapping[Role, str]) -> Iterator[Judgement]:
    first, second = _items(said)
    for role, outcome in ((Role.WINS_A, Outcome.FIRST_WON), (Role.WINS_B, Outcome.SECOND_WON)):
        times = _whole(said[role], role)
        if times:
            yield Judgement(
                first=first, second=second, outcome=outcome, judge=_judge(said, outcome), times=times
            )


def _judge(said: Mapping[Role, str], outcome: Outcome) -> str:
    judge = said.get(Role.JUDGE, UNNAMED_JUDGE)
    if not judge and outcome is not Outcome.NO_VOTE:
        raise InvalidRequest("there is a vote, but no judge")
    return judge


def _whole(cell: str, what: str) -> int:
    number = _positive(cell, what)
    if number != int(number):
        raise InvalidRequest(
            f"the {what} {cell!r} is not a whole number: if it is a weight, map it as weight"
        )
    return int(number)


def _weight(cell: str) -> float:
    number = _positive(cell, "weight")
    if number == 0:
        raise InvalidRequest("a weight of 0 says nothing about the items: leave the row out")
    return number


def _positive(cell: str, what: str) -> float:
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        number = -1.0
    if not 0 <= number <= MAX_DECISIONS:
        raise InvalidRequest(f"the {what} {cell!r} is not a number from 0 to {MAX_DECISIONS}")
    return number


def _winner_and_loser(said: Mapping[Role, str]) -> tuple[str, str, Outcome]:
    winner, loser = said[Role.WINNER], said[Role.LOSER]
    if (winner in MISSING) != (loser in MISSING):
        raise InvalidRequest("only one of winner and loser is given")
    return winner, loser, Outcome.NO_VOTE if winner in MISSING else Outcome.FIRST_WON


def _items(said: Mapping[Role, str]) -> tuple[str, str]:
    first, second = said[Role.SLOT_A], said[Role.SLOT_B]
    if not (first and second):
        raise InvalidRequest("one of the two items has no name")
    return first, second


def _shown(said: Mapping[Role, str], coding: Coding) -> tuple[str, str, Outcome]:
    first, second = _items(said)
    outcome = (
        coding.outcome(said[Role.RESULT])
        if Role.RESULT in said
        else _by_winner(said[Role.WINNER], first, second, coding)
    )
    if Role.LOSER in said:
        _check_loser(said[Role.LOSER], first, second, outcome)
    return first, second, outcome


def _by_winner(winner: str, first: str, second: str, coding: Coding) -> Outcome:
    """The winner by its name, by the same number written with decimals, or by its column or side."""
    if winner == first:
        return Outcome.FIRST_WON
    if winner == second:
        return Outcome.SECOND_WON
    numbers = {_as_number(first): Outcome.FIRST_WON, _as_number(second): Outcome.SECOND_WON}
    number = _as_number(winner)
    if number is not None and number in numbers and len(numbers) > 1:
        return numbers[number]
    try:
        return coding.outcome(winner)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"the winner {winner!r} is neither {first!r} nor {second!r}; if it names a side, say which with --coding"
            f" {winner}=a or {winner}=b (or =tie, =none)"
        ) from error


def _as_number(name: str) -> int | None:
    whole, point, decimals = name.partition(".")
    if point and decimals.strip("0"):
        return None
    return (
        int(whole)
        if whole.isascii() and whole.isdecimal() and len(whole) < 20 and (whole == "0" or whole[0] != "0")
        else None
    )


def _check_loser(loser: str, first: str, second: str, outcome: Outcome) -> None:
    expected = {Outcome.FIRST_WON: second, Outcome.SECOND_WON: first}.get(outcome)
    if expected is None:
        if outcome is Outcome.NO_VOTE and loser not in MISSING:
            raise InvalidRequest("there is a loser, but no winner")
    elif loser != expected:
        raise InvalidRequest(f"the loser {loser!r} is not the item that did not win, {expected!r}")
