"""What a Word document's styles say about hidden text and about numbering."""

from dataclasses import dataclass, field
from typing import Self
from xml.etree.ElementTree import Element

_OFF = ("0", "false", "off")


def is_on(properties: Element | None, tag: str) -> bool | None:
    """The value of an on/off property; None if it is absent."""
    found = None if properties is None else properties.find(tag)
    return None if found is None else found.get("w:val", "1") not in _OFF


@dataclass(frozen=True, slots=True)
class Numbered:
    """A list and a level in it."""

    list_id: str
    level: int


def numbered(paragraph_properties: Element | None) -> Numbered | None:
    """The numbering that paragraph properties give; list "0" removes one that a style gives."""
    found = None if paragraph_properties is None else paragraph_properties.find("w:numPr")
    if found is None:
        return None
    list_id, level = found.find("w:numId"), found.find("w:ilvl")
    if list_id is None:
        return None
    return Numbered(list_id.get("w:val", "0"), _number(None if level is None else level.get("w:val"), 0))


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value is not None and value.isascii() and value.isdecimal() else otherwise


@dataclass
class Styles:
    """The styles of a document, by their ids."""

    elements: dict[str, Element] = field(default_factory=dict)
    default_paragraph: str | None = None
    hides_by_default: bool = False

    @classmethod
    def of(cls, root: Element | None) -> Self:
        """The styles part; an absent one has no styles."""
        styles = cls()
        if root is None:
            return styles
        for style in root.iter("w:style"):
            style_id = style.get("w:styleId", "")
            styles.elements[style_id] = style
            if style.get("w:type") == "paragraph" and style.get("w:default", "0") not in _OFF:
                styles.default_paragraph = style_id
        styles.hides_by_default = bool(is_on(root.find("w:docDefaults/w:rPrDefault/w:rPr"), "w:vanish"))
        return styles

    def hides(self, style_id: str | None) -> bool | None:
        """Whether text of this style is hidden; None where neither it nor those it is based on say so."""
        for style in self._chain(style_id):
            said = is_on(style.find("w:rPr"), "w:vanish")
            if said is not None:
                return said
        return None

    def numbered(self, style_id: str | None) -> Numbered | None:
        """The numbering that a paragraph style gives."""
        for style in self._chain(style_id):
            found = numbered(style.find("w:pPr"))
            if found is not None:
                return found
        return None

    def _chain(self, style_id: str | None) -> list[Element]:
        chain: list[Element] = []
        seen: set[str] = set()
        while style_id is not None and style_id not in seen and style_id in self.elements:
            seen.add(style_id)
            style = self.elements[style_id]
            chain.append(style)
            based_on = style.find("w:basedOn")
            style_id = None if based_on is None else based_on.get("w:val")
        return chain
