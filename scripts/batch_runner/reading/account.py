"""An account of a document's nodes of text: each was read, or is left out for a reason; none is forgotten."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

SHOWN_CHARACTERS: Final = 40


@dataclass
class Account:
    """Which nodes of text were read or left out, and the notes and refusals collected on the way."""

    handled: set[int] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    excerpts: dict[str, str] = field(default_factory=dict)

    def read(self, element: Element) -> None:
        """The node's text is in the text of the document."""
        self.handled.add(id(element))

    def leave_out(self, element: Element, reason: str | None = None) -> None:
        """The node's text is left out: for a reason that a reader should know, or because no reader sees it."""
        self.handled.add(id(element))
        text = element.text or ""
        if reason is not None and text.strip():
            self.left_out[reason] += len(text.split())
            self.excerpts[reason] = shortened(f"{self.excerpts.get(reason, '')} {text}")

    def leave_out_all(self, element: Element, reason: str | None = None) -> None:
        """The text of every node in the element is left out."""
        for node in element.iter():
            self.leave_out(node, reason)

    def refuse(self, reason: str) -> None:
        """The document cannot be read whole."""
        self.refusals.append(reason)

    def note(self, remark: str) -> None:
        """Something that a reader of the text should know."""
        if remark not in self.notes:
            self.notes.append(remark)

    def all_notes(self) -> Iterator[str]:
        """The remarks, and what is left out with its first words."""
        yield from self.notes
        for reason, words in self.left_out.items():
            unit = "word" if words == 1 else "words"
            yield f"{reason} is left out ({words} {unit}: {self.excerpts[reason].strip()!r})"


def shortened(text: str) -> str:
    """The first characters of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS].rstrip()}…"
