"""What the values of a result column mean: as the user says, by the columns' names, or by a guess that is reported."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from event_contracts import InvalidRequest

from batch_runner.decisions.columns import Layout, Role, plain

MISSING: Final = ("", "NA")


class Outcome(Enum):
    """What a row says about its two items."""

    FIRST_WON = "the first won"
    SECOND_WON = "the second won"
    TIE = "a tie"
    NO_VOTE = "no vote"


_MEANINGS: Final = {
    "a": Outcome.FIRST_WON,
    "b": Outcome.SECOND_WON,
    "tie": Outcome.TIE,
    "none": Outcome.NO_VOTE,
}
_TIES: Final = {
    "tie",
    "ties",
    "tied",
    "draw",
    "equal",
    "both",
    "bothbad",
    "bothgood",
    "tiebothbad",
    "neither",
}
_SIDES: Final = {
    **dict.fromkeys(("left", "l", "first", "1st", "a"), Outcome.FIRST_WON),
    **dict.fromkeys(("right", "r", "second", "2nd", "b"), Outcome.SECOND_WON),
}
_NUMBERS: Final = {1.0: Outcome.FIRST_WON, 0.0: Outcome.SECOND_WON, 0.5: Outcome.TIE}
_WAYS: Final = (
    "--coding VALUE=a (the first won), VALUE=b (the second won), VALUE=tie or VALUE=none, once for each"
)


_SIGNS: Final = re.compile(r"\[{0,2}A(>{1,3}|<{1,3}|=)B\]{0,2}")
"""As Arena-Hard writes it: ``A>>B`` is far better, ``A>B`` slightly, ``A=B`` a tie."""
_OF_SIGN: Final = {">": Outcome.FIRST_WON, "<": Outcome.SECOND_WON, "=": Outcome.TIE}


def margin_of(value: str) -> float:
    """The margin in a value such as ``A>>B``: the number of its signs; NaN in any other."""
    signs = _SIGNS.fullmatch(value.strip())
    return math.nan if signs is None or signs[1] == "=" else float(len(signs[1]))


def coding_from_settings(settings: Sequence[str]) -> Mapping[str, Outcome]:
    """The meanings that ``VALUE=MEANING`` settings give; raises ``InvalidRequest``."""
    coding: dict[str, Outcome] = {}
    for setting in settings:
        value, equals, meaning = setting.rpartition("=")
        if not equals or meaning.casefold() not in _MEANINGS:
            raise InvalidRequest(f"--coding {setting}: write {_WAYS}")
        key = _key(value)
        if key in coding:
            raise InvalidRequest(f"--coding {setting}: {value!r} is given twice")
        coding[key] = _MEANINGS[meaning.casefold()]
    return coding


def _key(value: str) -> str:
    """One spelling for a value: numbers without decimals that say nothing, letters without their case."""
    number = _number(value)
    return value.strip().casefold() if number is None else f"{number:g}"


def _number(value: str) -> float | None:
    try:
        return float(value.replace(",", "."))
    except ValueError:
        return None


class UnknownValue(InvalidRequest):
    """A value whose meaning is not known; it is the same in every line that holds it."""


@dataclass(slots=True)
class Coding:
    """Reads the values of a file's result or winner column, and remembers how each was read."""

    layout: Layout
    settings: Mapping[str, Outcome]
    read: dict[str, tuple[Outcome, str]] = field(default_factory=dict)
    """By value: its meaning, and where that is known from."""

    def outcome(self, value: str) -> Outcome:
        """What a value means; raises ``InvalidRequest`` that says what it could mean and how to say so."""
        if value in self.read:
            return self.read[value][0]
        found = self._meaning(value)
        if found is None:
            raise UnknownValue(self._unknown(value))
        self.read[value] = found
        return found[0]

    def _meaning(self, value: str) -> tuple[Outcome, str] | None:
        if _key(value) in self.settings:
            return self.settings[_key(value)], "as set"
        if value in MISSING:
            return Outcome.NO_VOTE, ""
        signs = _SIGNS.fullmatch(value.strip())
        if signs is not None:
            return _OF_SIGN[signs[1][0]], "A and B with signs between them"
        if plain(value) in _TIES:
            return Outcome.TIE, ""
        columns = {
            self.layout.column[Role.SLOT_A]: Outcome.FIRST_WON,
            self.layout.column[Role.SLOT_B]: Outcome.SECOND_WON,
        }
        if value in columns:
            return columns[value], "by the columns' names"
        return self._side(value) or self._by_number(value)

    def _side(self, value: str) -> tuple[Outcome, str] | None:
        outcome = _SIDES.get(value.casefold())
        if outcome is None:
            return None
        first, second = (plain(self.layout.column[role]) for role in (Role.SLOT_A, Role.SLOT_B))
        named = value.casefold() in ("first", "second", "1st", "2nd") or (
            first.startswith(value.casefold()) or second.startswith(value.casefold())
            or first.endswith(value.casefold()) or second.endswith(value.casefold())
        )  # fmt: skip
        return outcome, "by the columns' names" if named else "guessed"

    def _by_number(self, value: str) -> tuple[Outcome, str] | None:
        """1, 0 and 0.5 as R's packages write them, in a column of that name; elsewhere 0 may be the first."""
        number = _number(value)
        if number is None or number not in _NUMBERS or self.settings:
            return None
        if _NUMBERS[number] is Outcome.TIE:
            return Outcome.TIE, ""
        if plain(self.layout.column.get(Role.RESULT, "")) != plain(Role.RESULT):
            return None
        return _NUMBERS[number], "guessed: as R's sirt and BradleyTerry2 write it"

    def _unknown(self, value: str) -> str:
        column = self.layout.column.get(Role.RESULT, self.layout.column.get(Role.WINNER, ""))
        number = _number(value)
        if number in (0.0, 1.0, 0.5) and not self.settings:
            return (
                f"the result {value!r} in {column!r} may mean that the first won, or the second (some write 0 for the"
                f" first item, others 1): say which with {_WAYS}"
            )
        if number is not None:
            return (
                f"the result {value!r} is not 1 (the first won), 0 (the second won) or 0.5 (a tie); 1 and 2 could be"
                f" the first and the second, -1 a defeat of the first: say which with {_WAYS}"
            )
        return f"what {value!r} in {column!r} means is not known: say so with {_WAYS}"

    def lines(self) -> list[str]:
        """How the values were read."""
        shown = [
            f"{value!r} = {outcome.value}" + (f" ({source})" if source else "")
            for value, (outcome, source) in sorted(self.read.items())
            if source
        ]
        return [", ".join(shown)] if shown else []

    @property
    def guessed(self) -> list[str]:
        """The values whose meaning was guessed."""
        return sorted(value for value, (_, source) in self.read.items() if source.startswith("guessed"))
