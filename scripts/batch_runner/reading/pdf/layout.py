"""What a page shows, in numbers: characters, pictures and drawn shapes with their places on the page."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from batch_runner.reading.code_points import (
    C0_CONTROLS,
    C1_CONTROLS,
    PRIVATE_AREA,
    PRIVATE_PLANES,
    SPECIALS,
    SURROGATES,
    UNICODE,
)

_HYPHENS: Final = (0x02, 0xFFFE)
"""What PDFium makes of a hyphen at the end of a line."""
_WITHOUT_MEANING: Final = (C0_CONTROLS, C1_CONTROLS, SURROGATES, PRIVATE_AREA, PRIVATE_PLANES, SPECIALS)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in points."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """In points."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """In points."""
        return self.top - self.bottom

    def clipped(self, other: "Box") -> "Box":
        """The part of the box within another; a box without extent where there is none."""
        left, bottom = max(self.left, other.left), max(self.bottom, other.bottom)
        return Box(
            left, bottom, max(left, min(self.right, other.right)), max(bottom, min(self.top, other.top))
        )

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in the box."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top


class Visibility(Enum):
    """Whether a reader sees a character."""

    SEEN = auto()
    WHITE = auto()
    INVISIBLE = auto()


@dataclass(frozen=True, slots=True)
class Character:
    """A character on a page; ``certain`` is false where the font does not say what its glyph means."""

    code: int
    x: float
    y: float
    certain: bool
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed or open line of a drawing; ``is_plain`` for straight rules, frames and fills."""

    box: Box
    is_plain: bool


@dataclass(frozen=True, slots=True)
class AnnotationText:
    """Text that was written onto the page, or into a field of it."""

    what: str
    text: str


@dataclass(slots=True)
class Page:
    """Everything that a page shows."""

    box: Box
    text: str = ""
    characters: list[Character] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    written: list[AnnotationText] = field(default_factory=list)
    comments: int = 0
    strokes_by_hand: int = 0
    lost: list[str] = field(default_factory=list)
    """Other things that a reader sees and that have no text."""


def has_meaning(code: int) -> bool:
    """Whether a character that was painted is one, and no control, no private character and no half of one."""
    is_one = code in UNICODE and not any(code in codes for codes in _WITHOUT_MEANING)
    return is_one or code in _HYPHENS
