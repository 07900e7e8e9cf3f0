"""Equations of Word documents as a line of text: (a+b)/2, x^(2), √(x)."""

from collections.abc import Callable, Sequence
from typing import Final
from xml.etree.ElementTree import Element

_PROPERTIES: Final = "Pr"
_SUM: Final = "∫"
"""Word's operator where the equation names none."""


def linear(equation: Element, text_of: Callable[[Element], str]) -> str:
    """The equation's text in one line; ``text_of`` gives the text of a node of text and takes note of it."""
    return _Linear(text_of).of(equation)


class _Linear:
    def __init__(self, text_of: Callable[[Element], str]) -> None:
        self.text_of = text_of

    def of(self, element: Element | None) -> str:
        if element is None:
            return ""
        match element.tag:
            case "m:t" | "w:t":
                return self.text_of(element)
            case "m:f":
                return f"{_grouped(self.part(element, 'm:num'))}/{_grouped(self.part(element, 'm:den'))}"
            case "m:sSup":
                return f"{self.base(element)}^{_grouped(self.part(element, 'm:sup'))}"
            case "m:sSub":
                return f"{self.base(element)}_{_grouped(self.part(element, 'm:sub'))}"
            case "m:sSubSup":
                return f"{self.base(element)}{self.limits(element)}"
            case "m:sPre":
                return f"{self.limits(element)}{self.base(element)}"
            case "m:rad":
                degree = self.part(element, "m:deg")
                return f"{degree}√{_grouped(self.base(element), always=True)}"
            case "m:nary":
                return f"{_character(element, 'm:naryPr', _SUM)}{self.limits(element)} {self.base(element)}"
            case "m:d":
                return self.delimited(element)
            case "m:func":
                return f"{self.part(element, 'm:fName')}{_grouped(self.base(element), always=True)}"
            case "m:acc":
                return f"{self.base(element)}{_character(element, 'm:accPr', '̂')}"
            case "m:limLow":
                return f"{self.base(element)}_{_grouped(self.part(element, 'm:lim'))}"
            case "m:limUpp":
                return f"{self.base(element)}^{_grouped(self.part(element, 'm:lim'))}"
            case "m:m":
                return f"[{'; '.join(self.rows(element, 'm:mr', ', '))}]"
            case "m:eqArr":
                return "; ".join(self.of(row) for row in element.findall("m:e"))
            case "w:del" | "w:moveFrom":
                return ""
            case "mc:AlternateContent":
                return self.alternatives(element)
        if element.tag.endswith(_PROPERTIES):
            return ""
        return "".join(self.of(child) for child in element)

    def alternatives(self, element: Element) -> str:
        """The first version that holds text. Others with the same count as read; what differs is found by the audit."""
        versions = [each for each in element if each.tag in ("mc:Choice", "mc:Fallback")]
        chosen = next((each for each in versions if "".join(each.itertext()).strip()), None)
        if chosen is None:
            return ""
        same = [each for each in versions if "".join(each.itertext()) == "".join(chosen.itertext())]
        return next(text for text in [self.of(each) for each in same])

    def part(self, element: Element, tag: str) -> str:
        return self.of(element.find(tag))

    def base(self, element: Element) -> str:
        return self.part(element, "m:e")

    def limits(self, element: Element) -> str:
        lower, upper = self.part(element, "m:sub"), self.part(element, "m:sup")
        return (f"_{_grouped(lower)}" if lower else "") + (f"^{_grouped(upper)}" if upper else "")

    def rows(self, element: Element, tag: str, between: str) -> Sequence[str]:
        return [between.join(self.of(cell) for cell in row) for row in element.findall(tag)]

    def delimited(self, element: Element) -> str:
        properties = element.find("m:dPr")
        opening, closing, between = (
            _given(properties, tag, otherwise)
            for tag, otherwise in (("m:begChr", "("), ("m:endChr", ")"), ("m:sepChr", "|"))
        )
        return f"{opening}{between.join(self.of(part) for part in element.findall('m:e'))}{closing}"


def _grouped(text: str, *, always: bool = False) -> str:
    return f"({text})" if always or len(text) > 1 else text


def _character(element: Element, properties: str, otherwise: str) -> str:
    return _given(element.find(properties), "m:chr", otherwise)


def _given(properties: Element | None, tag: str, otherwise: str) -> str:
    found = None if properties is None else properties.find(tag)
    return otherwise if found is None else found.get("m:val", "")
