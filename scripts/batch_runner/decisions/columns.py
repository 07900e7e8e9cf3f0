"""The role of each column of a decisions file: by its name, or as the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from event_contracts import InvalidRequest


class Role(StrEnum):
    """What a column may hold about a comparison; the slots are the order in which the two were shown."""

    SLOT_A = "slot_a"
    SLOT_B = "slot_b"
    WINNER = "winner"
    LOSER = "loser"
    RESULT = "result"
    JUDGE = "judge"
    COUNT = "count"
    WEIGHT = "weight"
    MARGIN = "margin"
    CONFIDENCE = "confidence"
    LOG_ODDS = "log_odds"
    WINS_A = "wins_a"
    WINS_B = "wins_b"
    IGNORE = "ignore"


NAMES: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SLOT_A: (
        "slot_a", "essay_a_id", "essay_a", "item_a", "item1", "id1", "object1", "a_id", "id_a", "item_1_id",
        "model_a",
    ),
    Role.SLOT_B: (
        "slot_b", "essay_b_id", "essay_b", "item_b", "item2", "id2", "object2", "b_id", "id_b", "item_2_id",
        "model_b",
    ),
    Role.WINNER: ("winner", "winner_id", "candidate_chosen", "chosen", "better_id", "winning_submission"),
    Role.LOSER: ("loser", "loser_id", "candidate_not_chosen", "not_chosen", "losing_submission", "worse_id"),
    Role.RESULT: ("result",),
    Role.JUDGE: ("judge", "judge_id", "judge_name", "rater", "assessor", "model"),
    Role.COUNT: ("count", "counts", "freq", "frequency", "times", "n_times", "wins", "n_wins", "votes"),
    Role.MARGIN: ("margin", "how_much_better"),
    Role.CONFIDENCE: ("confidence",),
    Role.LOG_ODDS: ("log_odds", "log_odds_a", "logodds"),
    Role.WINS_A: ("win1", "wins1", "wins_a", "win_a"),
    Role.WINS_B: ("win2", "wins2", "wins_b", "win_b"),
}  # fmt: skip
"""Names that are recognised, whatever their case, spaces and punctuation."""

LESS_CERTAIN: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SLOT_A: ("left", "left_item", "left_id", "stim_a", "option_a", "script_a", "player1"),
    Role.SLOT_B: ("right", "right_item", "right_id", "stim_b", "option_b", "script_b", "player2"),
    Role.WINNER: ("choice", "preferred", "preference", "selected", "won"),
    Role.LOSER: ("lost",),
    Role.RESULT: ("outcome",),
    Role.JUDGE: ("worker", "worker_id", "annotator", "annotator_id", "first_name_last_name", "assessor_name"),
}
"""Names that are taken where no other column has the role."""
PERHAPS_COUNTS: Final = (
    "n",
    "num",
    "weight",
    "weights",
    "w",
    "wt",
    "wgt",
    "multiplicity",
    "reps",
    "repetitions",
)
"""Names of numbers that may say how much a row counts, or something else."""

NEEDED: Final = (
    "winner and loser; or slot_a, slot_b and one of winner, result; or slot_a, slot_b, wins_a and wins_b"
)


def plain(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return re.sub(r"[\W_]", "", name.casefold())


_ROLE_OF: Final = {plain(name): role for role, names in NAMES.items() for name in names}
_LESS_CERTAIN_ROLE_OF: Final = {plain(name): role for role, names in LESS_CERTAIN.items() for name in names}


@dataclass(frozen=True, slots=True)
class Layout:
    """The column of each role that the file has; ``from_settings`` if the user said so."""

    column: Mapping[Role, str]
    from_settings: bool = False
    ignored: frozenset[str] = field(default_factory=frozenset)

    @property
    def has_slots(self) -> bool:
        """Whether the file says which of the two was shown first."""
        return Role.SLOT_A in self.column

    @property
    def has_judges(self) -> bool:
        """Whether the file says who judged."""
        return Role.JUDGE in self.column

    @property
    def verdict(self) -> Role | None:
        """The column that says who won of two items that have their own columns."""
        return next((role for role in (Role.RESULT, Role.WINNER) if role in self.column), None)


def recognised(header: Sequence[str]) -> int:
    """How many roles the names of the columns tell."""
    return len({**_by_role(header, _LESS_CERTAIN_ROLE_OF), **_by_role(header, _ROLE_OF)})


def recognise(header: Sequence[str]) -> Layout:
    """The layout by the columns' names; raises ``InvalidRequest``."""
    found = _by_role(header, _ROLE_OF)
    certain = found.keys()
    verdicts = {Role.WINNER, Role.RESULT}
    for role, names in _by_role(header, _LESS_CERTAIN_ROLE_OF).items():
        if role not in certain and not (role in verdicts and verdicts & certain):
            found = {**found, role: names}
    for role, names in found.items():
        if len(names) > 1:
            raise _unclear(f"{_listed(names)} could each be the {role}", header)
    return _checked(Layout({role: names[0] for role, names in found.items()}), header)


def _by_role(header: Sequence[str], roles: Mapping[str, Role]) -> dict[Role, list[str]]:
    found: dict[Role, list[str]] = {}
    for name in header:
        role = roles.get(plain(name))
        if role is not None:
            found.setdefault(role, []).append(name)
    return found


def from_settings(header: Sequence[str], settings: Sequence[str]) -> Layout:
    """The layout that ``role=column`` settings describe, and nothing else; raises ``InvalidRequest``."""
    column: dict[Role, str] = {}
    ignored: set[str] = set()
    for setting in settings:
        role_name, equals, name = setting.partition("=")
        if not equals or role_name not in list(Role):
            raise InvalidRequest(
                f"--columns {setting}: write role=column, with one of the roles {', '.join(Role)}"
            )
        if name not in header:
            raise _unclear(f"--columns {setting}: there is no column {name!r}", header)
        if Role(role_name) is Role.IGNORE:
            ignored.add(name)
            continue
        if Role(role_name) in column:
            raise InvalidRequest(f"--columns {setting}: {role_name} is given twice")
        column[Role(role_name)] = name
    if not column:
        return _without(recognise([name for name in header if name not in ignored]), header, ignored)
    return _checked(Layout(column, from_settings=True, ignored=frozenset(ignored)), header)


def _without(layout: Layout, header: Sequence[str], ignored: set[str]) -> Layout:
    return _checked(Layout(layout.column, ignored=frozenset(ignored)), header)


def _checked(layout: Layout, header: Sequence[str]) -> Layout:
    has = layout.column.keys()
    slots = has & {Role.SLOT_A, Role.SLOT_B}
    wins = has & {Role.WINS_A, Role.WINS_B}
    if len(slots) == 1:
        raise _unclear(f"{next(iter(slots))} given without the other slot", header)
    if Role.RESULT in has and has & {Role.WINNER, Role.LOSER}:
        raise _unclear("both a result and a winner or loser say who won", header)
    if wins and (len(wins) == 1 or not slots or has & {Role.RESULT, Role.WINNER, Role.LOSER, Role.COUNT}):
        raise _unclear(
            "wins of both items need two slots, and no other column that says which item won", header
        )
    complete = (slots and (has & {Role.RESULT, Role.WINNER} or wins)) or {Role.WINNER, Role.LOSER} <= has
    if not complete:
        raise _unclear(f"they do not say which item won against which; needed: {NEEDED}", header)
    _check_counts(layout, header)
    return layout


def _check_counts(layout: Layout, header: Sequence[str]) -> None:
    """No column that may say how much a row counts is passed over."""
    used = {*layout.column.values(), *layout.ignored}
    names = {plain(name) for role in (Role.COUNT, Role.WINS_A, Role.WINS_B) for name in NAMES[role]}
    counts = [name for name in header if name not in used and plain(name) in {*names, *PERHAPS_COUNTS}]
    if counts:
        raise InvalidRequest(
            f"the column {counts[0]!r} may say how often a row counts: give it with --columns count={counts[0]} (whole"
            f" numbers) or --columns weight={counts[0]}, or --columns ignore={counts[0]}"
            + (
                ""
                if layout.from_settings
                else ", along with the roles of other columns that are not recognised"
            )
        )


def _unclear(reason: str, header: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"the columns are {_listed(header)}: {reason}. Name them with --columns role=column, once for each"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
