"""Fields: what Word computes, kept as an instruction and, in most cases, the text that was shown last."""

from dataclasses import dataclass, field
from typing import Final

_SHOWN_BY_INSTRUCTION: Final = frozenset(
    {"EQ", "SYMBOL", "AUTONUM", "AUTONUMLGL", "AUTONUMOUT", "LISTNUM", "MACROBUTTON", "GOTOBUTTON"}
)
"""Fields whose text is in the instruction, or in Word alone, and not in a result."""


@dataclass
class _Open:
    instruction: str = ""
    has_result: bool = False
    shows: bool = False


@dataclass
class Fields:
    """The fields that are open at a place in the text, innermost last."""

    open: list[_Open] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def in_instruction(self) -> bool:
        """Whether text at this place belongs to an instruction and is not shown."""
        return any(not each.has_result for each in self.open)

    def begin(self) -> None:
        """A field begins with its instruction."""
        self.open.append(_Open())

    def instruction(self, text: str) -> None:
        """A part of the innermost instruction."""
        if self.open:
            self.open[-1].instruction += text

    def result(self) -> None:
        """The instruction ends, and what the field shows follows."""
        if self.open:
            self.open[-1].has_result = True

    def shown(self) -> None:
        """Text of a result was read."""
        for each in self.open:
            each.shows = True

    def end(self) -> None:
        """The innermost field ends; one whose text is lost is remembered."""
        if self.open:
            ended = self.open.pop()
            self.check(ended.instruction, shows=ended.shows)

    def check(self, instruction: str, *, shows: bool) -> None:
        """Remember a field that shows something which is not in the document as text."""
        name = instruction.split(maxsplit=1)[0].upper() if instruction.strip() else ""
        if not shows and name in _SHOWN_BY_INSTRUCTION:
            self.lost.append(name)
