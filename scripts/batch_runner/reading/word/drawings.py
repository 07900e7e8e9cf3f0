"""Pictures and other drawn things in a Word document: how much of a page they take, and which hide text."""

import re
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from batch_runner.reading.account import Account
from batch_runner.reading.pictures import SAVE_TEXT, counted, refused_pictures

EMU_PER_TWIP: Final = 635
A4_TWIPS: Final = (11906, 16838)
SHARE_OF_UNKNOWN: Final = 0.25
_POINTS: Final = {"pt": 1.0, "in": 72.0, "cm": 28.35, "mm": 2.835, "px": 0.75, "pc": 12.0}
_LENGTH: Final = re.compile(r"(?:^|;)\s*(width|height)\s*:\s*([0-9.]+)\s*([a-z]*)")

LOSING_TEXT: Final = {
    "dgm:relIds": "a diagram (SmartArt), whose text would be lost; turn it into text",
    "w:contentPart": "handwriting (ink), which would be lost; type in what it says",
    "w14:contentPart": "handwriting (ink), which would be lost; type in what it says",
    "w:control": "a form control (ActiveX), whose text would be lost; type its text into the page",
    "w:altChunk": "a part imported from another file, which would be lost; open it in Word and save it again",
    "w:subDoc": "a part kept in another file, which would be lost; submit one document with all of the text",
    "w:pgNum": "a page number of an old kind; remove it",
}
"""Elements whose text is in another part or program."""


@dataclass(slots=True)
class _Frame:
    """Width and height of a drawing in English Metric Units, where it gives them."""

    extent: tuple[float, float] | None
    counted: bool = False


class Drawings:
    """The pictures found on a walk through the document."""

    def __init__(self, root: Element, account: Account) -> None:
        width, height = _page(root)
        self._page_area = width * height
        self._account = account
        self._frames: list[_Frame] = []
        self.shares: list[float] = []

    def enter(self, element: Element) -> None:
        """The walk enters an element that gives its drawing a size."""
        self._frames.append(_Frame(_extent(element)))

    def leave(self) -> None:
        """The walk leaves it again."""
        self._frames.pop()

    def picture(self) -> None:
        """A picture, or a chart, is shown here. Those of one group share its frame, which counts once."""
        frame = next((frame for frame in reversed(self._frames) if frame.extent is not None), None)
        if frame is None or frame.extent is None:
            self.shares.append(SHARE_OF_UNKNOWN)
        elif not frame.counted:
            frame.counted = True
            self.shares.append(min(frame.extent[0] * frame.extent[1] / self._page_area, 1.0))

    def embedded(self, element: Element) -> None:
        """An object of another program, of which Word shows a picture."""
        program = element.get("ProgID", "")
        if program.lower().startswith(("equation", "mathtype")):
            self._account.refuse(
                "it has an equation of an older kind, which would be lost; type it in, or use Word's own equations"
            )
        elif program.lower().startswith(("word", "acroexch", "package")):
            self._account.refuse(
                f"it has another document in it ({program}), which would be lost; submit one document with all of"
                " the text"
            )

    def judge(self, *, words: int) -> None:
        """Refuse the document where pictures may be a part of the essay, else mention them."""
        if not self.shares:
            return
        if refused_pictures(self.shares, words=words):
            self._account.refuse(
                f"it shows {counted(len(self.shares), 'picture')} and only {counted(words, 'word')}, so that a part of"
                f" the essay may be a picture; {SAVE_TEXT}"
            )
        else:
            self._account.note(f"{counted(len(self.shares), 'picture')}, not judged")


def _page(root: Element) -> tuple[float, float]:
    size = next(root.iter("w:pgSz"), None)
    try:
        width, height = (
            (float(size.get(name, "")) for name in ("w:w", "w:h")) if size is not None else A4_TWIPS
        )
    except ValueError:
        width, height = A4_TWIPS
    if width <= 0 or height <= 0:
        width, height = A4_TWIPS
    return width * EMU_PER_TWIP, height * EMU_PER_TWIP


def _extent(element: Element) -> tuple[float, float] | None:
    """Width and height in English Metric Units."""
    if element.tag in ("wp:inline", "wp:anchor"):
        size = element.find("wp:extent")
        try:
            return None if size is None else (float(size.get("cx", "")), float(size.get("cy", "")))
        except ValueError:
            return None
    points = {
        name: float(length) * _POINTS[unit]
        for name, length, unit in _LENGTH.findall(element.get("style", ""))
        if unit in _POINTS and length.count(".") <= 1 and length != "."
    }
    if {"width", "height"} <= points.keys():
        return points["width"] * EMU_PER_TWIP * 20, points["height"] * EMU_PER_TWIP * 20
    return None
