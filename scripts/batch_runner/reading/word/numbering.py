"""The numbers that Word shows before the paragraphs of a list; they are not part of the paragraphs' text."""

import re
from dataclasses import dataclass, field
from typing import Final, Self
from xml.etree.ElementTree import Element

from batch_runner.reading.symbols import symbol
from batch_runner.reading.word.styles import Numbered, Styles

LEVELS: Final = 9
_ROMAN: Final = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
    (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_MAX_ROMAN: Final = 3999
_MAX_LETTERS: Final = 26 * 10


def numeral(number: int, style: str) -> str:
    """A number as a list shows it. ``style`` is one of Word's number formats; an unknown one is read as decimal."""
    match style:
        case "lowerLetter" | "upperLetter" if 0 < number <= _MAX_LETTERS:
            letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
            return letters if style == "lowerLetter" else letters.upper()
        case "lowerRoman" | "upperRoman" if 0 < number <= _MAX_ROMAN:
            roman = _roman(number)
            return roman.lower() if style == "lowerRoman" else roman
        case "decimalZero":
            return f"{number:02d}"
        case "none":
            return ""
    return str(number)


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        times, number = divmod(number, value)
        written += letters * times
    return written


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    style: str
    text: str
    symbol_font: str | None
    paragraph_style: str | None


@dataclass
class Numbering:
    """The lists of a document, and how far each has counted. A list is counted in the order of the text."""

    styles: Styles
    levels: dict[str, dict[int, _Level]] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    overrides: dict[tuple[str, int], int] = field(default_factory=dict)
    counters: dict[str, dict[int, int]] = field(default_factory=dict)
    restarted: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, root: Element | None, styles: Styles) -> Self:
        """The numbering part; an absent one numbers nothing."""
        numbering = cls(styles)
        if root is None:
            return numbering
        by_style: dict[str, dict[int, _Level]] = {}
        links: dict[str, str] = {}
        for abstract in root.iter("w:abstractNum"):
            levels = {_integer(level, "w:ilvl", 0): _level(level) for level in abstract.iter("w:lvl")}
            abstract_id = abstract.get("w:abstractNumId", "")
            numbering.levels[abstract_id] = levels
            style, linked = _value(abstract.find("w:styleLink")), _value(abstract.find("w:numStyleLink"))
            if style is not None:
                by_style[style] = levels
            if linked is not None:
                links[abstract_id] = linked
        for abstract_id, style in links.items():
            numbering.levels[abstract_id] = by_style.get(style, {})
        for concrete in root.iter("w:num"):
            number = concrete.get("w:numId", "")
            numbering.lists[number] = _value(concrete.find("w:abstractNumId")) or ""
            for override in concrete.iter("w:lvlOverride"):
                start = override.find("w:startOverride")
                if start is not None:
                    numbering.overrides[number, _integer(override, "w:ilvl", 0)] = _integer(start, "w:val", 1)
        return numbering

    def label(self, numbered: Numbered, *, style_id: str | None) -> str:
        """What Word writes before the next paragraph of this list: "2.", "b)", "•"; "" for nothing."""
        abstract = self.lists.get(numbered.list_id, "")
        levels = self.levels.get(abstract, {})
        level = next(
            (number for number, each in levels.items() if style_id and each.paragraph_style == style_id),
            numbered.level,
        )
        found = levels.get(level)
        if found is None:
            return ""
        self._count(numbered.list_id, abstract, level, found)
        if found.style == "bullet":
            return _bullet(found)
        return self._text(abstract, levels, found)

    def _count(self, list_id: str, abstract: str, level: int, found: _Level) -> None:
        counter = self.counters.setdefault(abstract, {})
        override = self.overrides.get((list_id, level))
        if override is not None and (list_id, level) not in self.restarted:
            self.restarted.add((list_id, level))
            counter[level] = override
        else:
            counter[level] = counter[level] + 1 if level in counter else found.start
        for deeper in range(level + 1, LEVELS):
            counter.pop(deeper, None)

    def _text(self, abstract: str, levels: dict[int, _Level], found: _Level) -> str:
        counter = self.counters[abstract]

        def shown(match: re.Match[str]) -> str:
            level = int(match[1]) - 1
            other = levels.get(level)
            if other is None:
                return ""
            return numeral(counter.get(level, other.start), other.style)

        return re.sub(r"%([1-9])", shown, found.text)


def _level(level: Element) -> _Level:
    font = level.find("w:rPr/w:rFonts")
    return _Level(
        start=_integer(level.find("w:start"), "w:val", 1),
        style=_value(level.find("w:numFmt")) or "decimal",
        text=_value(level.find("w:lvlText")) or "",
        symbol_font=None if font is None else font.get("w:ascii"),
        paragraph_style=_value(level.find("w:pStyle")),
    )


def _bullet(level: _Level) -> str:
    if len(level.text) != 1:
        return level.text
    return symbol(level.symbol_font or "", ord(level.text)) or "•"


def _value(element: Element | None) -> str | None:
    return None if element is None else element.get("w:val")


def _integer(element: Element | None, attribute: str, otherwise: int) -> int:
    try:
        return otherwise if element is None else int(element.get(attribute, otherwise))
    except ValueError:
        return otherwise
