"""The audit of a Word document: every node that can hold text was read, or left out for a reason."""

from typing import Final
from xml.etree.ElementTree import Element

from batch_runner.reading.account import Account, shortened

_NO_TEXT: Final = frozenset(
    {
        "w:instrText", "w:delText", "w:delInstrText", "w:fldData", "w:binData", "w:docVar", "m:brk", "w:base64",
    }
)  # fmt: skip
"""Elements of Word whose content no reader sees."""
_NAMESPACES: Final = ("w:", "m:", "a:t")


def audit(root: Element, account: Account, *, part: str) -> None:
    """Refuse the document where a node with text was not met; ``part`` names where ("the text", "a footnote")."""
    for element, parent in _with_parents(root):
        text = (element.text or "").strip()
        if not text or id(element) in account.handled or element.tag in _NO_TEXT:
            continue
        if element.tag.startswith(_NAMESPACES):
            account.refuse(
                f"{shortened(text)!r} in {part} would be lost (in {parent.tag}); save it again, or as PDF with text"
            )


def _with_parents(root: Element) -> list[tuple[Element, Element]]:
    return [(child, parent) for parent in root.iter() for child in parent]
