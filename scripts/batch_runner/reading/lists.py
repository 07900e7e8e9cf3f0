"""The numbers that OpenDocument texts show before the paragraphs of a list, and their hidden styles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self
from xml.etree.ElementTree import Element

from batch_runner.reading.word.numbering import numeral

_STYLES: Final = {
    "1": "decimal",
    "a": "lowerLetter",
    "A": "upperLetter",
    "i": "lowerRoman",
    "I": "upperRoman",
}


def hidden_styles(*parts: Element | None) -> frozenset[str]:
    """The names of styles whose text is not shown, those based on them included."""
    parents: dict[str, str | None] = {}
    hidden: set[str] = set()
    for part in parts:
        for style in () if part is None else part.iter("style:style"):
            name = style.get("style:name", "")
            parents[name] = style.get("style:parent-style-name")
            if any(each.get("text:display") == "none" for each in style.iter("style:text-properties")):
                hidden.add(name)
    for _ in parents:
        inherited = {name for name, parent in parents.items() if parent in hidden} - hidden
        if not inherited:
            break
        hidden |= inherited
    return frozenset(hidden)


@dataclass(frozen=True, slots=True)
class _Level:
    style: str
    prefix: str
    suffix: str
    start: int
    bullet: str | None


@dataclass
class Lists:
    """The lists that are open at a place in the text, with how far they have counted."""

    levels: dict[str, dict[int, _Level]]
    by_paragraph_style: dict[str, str]
    open: list[tuple[str, int, int]] = field(default_factory=list)
    pending: bool = False
    last: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, *parts: Element | None) -> Self:
        """The list styles of a document's parts."""
        levels: dict[str, dict[int, _Level]] = {}
        by_style: dict[str, str] = {}
        for part in parts:
            for style in () if part is None else part.iter("text:list-style"):
                levels[style.get("style:name", "")] = {_level_number(level): _level(level) for level in style}
            for style in () if part is None else part.iter("style:style"):
                named = style.get("style:list-style-name")
                if named:
                    by_style[style.get("style:name", "")] = named
        return cls(levels, by_style)

    @contextmanager
    def within(self, element: Element) -> Iterator[None]:
        """A list that begins here."""
        outer = self.open[-1][0] if self.open else ""
        style = element.get("text:style-name", outer)
        depth = len(self.open) + 1
        level = self.levels.get(style, {}).get(depth)
        start = level.start if level is not None else 1
        continues = element.get("text:continue-numbering") == "true" or element.get("text:continue-list")
        before = self.last.get((style, depth), start - 1) if continues else start - 1
        self.open.append((style, depth, before))
        yield
        self.last[style, depth] = self.open.pop()[2]

    @contextmanager
    def item(self, item: Element) -> Iterator[None]:
        """An item of the innermost list: its first paragraph carries the number."""
        if item.tag == "text:list-item":
            style, depth, counted = self.open[-1]
            start = item.get("text:start-value", "")
            self.open[-1] = (style, depth, int(start) if start.isdecimal() else counted + 1)
            self.pending = True
        yield
        self.pending = False

    def label(self, paragraph: Element) -> str:
        """What is shown before a paragraph: "2. ", "• ", or nothing."""
        if not self.open or not self.pending:
            return ""
        self.pending = False
        style, depth, counted = self.open[-1]
        named = style or self.by_paragraph_style.get(paragraph.get("text:style-name", ""), "")
        level = self.levels.get(named, {}).get(depth)
        if level is None:
            return ""
        if level.bullet is not None:
            return f"{level.bullet} " if level.bullet else ""
        number = numeral(counted, level.style)
        return f"{level.prefix}{number}{level.suffix} " if number else ""


def _level_number(level: Element) -> int:
    number = level.get("text:level", "1")
    return int(number) if number.isdecimal() else 1


def _level(level: Element) -> _Level:
    bullet = None
    if level.tag != "text:list-level-style-number":
        bullet = level.get("text:bullet-char", "•")
        if len(bullet) == 1 and "\ue000" <= bullet <= "\uf8ff":
            bullet = "•"
    start = level.get("text:start-value", "1")
    return _Level(
        style=_STYLES.get(level.get("style:num-format", ""), "none"),
        prefix=level.get("style:num-prefix", ""),
        suffix=level.get("style:num-suffix", ""),
        start=int(start) if start.isdecimal() else 1,
        bullet=bullet,
    )
