"""A document that was read: its text, and what the reader of the text should know about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text of a file.

    ``notes`` name what the document shows and the text leaves out or could not be sure of, one phrase each.
    ``authors`` are the names that the document's properties give.
    """

    text: str
    notes: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
