"""The role of each column of a decisions file: by its name, or as the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


NAMES: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.SLOT_A: ("slot_a", "essay_a_id", "essay_a", "item_a", "item1", "id1", "object1"),
    Role.SLOT_B: ("slot_b", "essay_b_id", "essay_b", "item_b", "item2", "id2", "object2"),
    Role.WINNER: ("winner", "winner_id", "candidate_chosen", "chosen", "better_id"),
    Role.LOSER: ("loser", "loser_id", "candidate_not_chosen", "not_chosen"),
    Role.RESULT: ("result",),
    Role.JUDGE: ("judge", "judge_id", "rater", "assessor", "model"),
}
"""Names that are recognised, whatever their case, spaces and punctuation."""

NEEDED: Final = "winner and loser; or slot_a, slot_b and one of winner, result"
_ROLE_OF: Final = {re.sub(r"[\W_]", "", name): role for role, names in NAMES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Layout:
    """The column of each role that the file has."""

    column: Mapping[Role, str]

    @property
    def has_slots(self) -> bool:
        """Whether the file says which of the two was shown first."""
        return Role.SLOT_A in self.column

    @property
    def has_judges(self) -> bool:
        """Whether the file says who judged."""
        return Role.JUDGE in self.column


def recognise(header: Sequence[str]) -> Layout:
    """The layout by the columns' names; raises ``InvalidRequest``."""
    found: dict[Role, list[str]] = {}
    for name in header:
        role = _ROLE_OF.get(re.sub(r"[\W_]", "", name.casefold()))
        if role is not None:
            found.setdefault(role, []).append(name)
    for role, names in found.items():
        if len(names) > 1:
            raise _unclear(f"{_listed(names)} could each be the {role}", header)
    return _checked(Layout({role: names[0] for role, names in found.items()}), header)


def from_settings(header: Sequence[str], settings: Sequence[str]) -> Layout:
    """The layout that ``role=column`` settings describe, and nothing else; raises ``InvalidRequest``."""
    column: dict[Role, str] = {}
    for setting in settings:
        role_name, equals, name = setting.partition("=")
        if not equals or role_name not in list(Role):
            raise InvalidRequest(
                f"--columns {setting}: write role=column, with one of the roles {', '.join(Role)}"
            )
        if name not in header:
            raise _unclear(f"--columns {setting}: there is no column {name!r}", header)
        if Role(role_name) in column:
            raise InvalidRequest(f"--columns {setting}: {role_name} is given twice")
        column[Role(role_name)] = name
    return _checked(Layout(column), header)


def _checked(layout: Layout, header: Sequence[str]) -> Layout:
    has = layout.column.keys()
    slots = has & {Role.SLOT_A, Role.SLOT_B}
    if len(slots) == 1:
        raise _unclear(f"there is a {next(iter(slots))}, but not the other slot", header)
    if Role.RESULT in has and has & {Role.WINNER, Role.LOSER}:
        raise _unclear("both a result and a winner or loser say who won", header)
    if slots and has & {Role.RESULT, Role.WINNER}:
        return layout
    if {Role.WINNER, Role.LOSER} <= has:
        return layout
    raise _unclear(f"they do not say which item won against which; needed: {NEEDED}", header)


def _unclear(reason: str, header: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"the columns are {_listed(header)}: {reason}. Name them with --columns role=column, once for each"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
