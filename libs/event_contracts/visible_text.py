"""What can be seen of a text, which is what a judge is shown: in Unicode's form NFC, without invisible characters.

Every step takes time in proportion to the length of the text, whatever it holds; callers limit the length first.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

# Word processors insert these by themselves: a byte order mark, soft hyphens, word joiners.
_LAYOUT: Final = frozenset("\ufeff\u00ad\u2060")
# Joiners carry meaning between emoji and between letters of Indic and Arabic scripts.
_JOINERS: Final = frozenset("\u200c\u200d")
LAST_LATIN: Final = 0x36F
"""Latin letters, their modifiers and the marks that combine with them end here."""

# Letters and signs that show nothing, and that no text in these languages needs.
_BLANKS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_KEPT_CONTROLS: Final = frozenset("\t\n\r")
_VARIATION_SUPPLEMENT: Final = range(0xE0100, 0xE01F0)

MAX_COMBINING_MARKS: Final = 30
"""Marks on one character, as in Unicode's stream-safe text (UAX 15): no language needs more.

Normalising a character takes time in proportion to the square of its marks.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleText:
    """A text, and how many invisible characters were removed from it; layout characters do not count."""

    text: str
    removed: int


def visible_text(raw: str) -> VisibleText:
    """Normalise to NFC, and remove what cannot be seen."""
    composed, surplus = _composed(raw)
    visible, hidden = _without_hidden(composed)
    # What stood on both sides of a removed character may compose now.
    text, more = _composed(visible)
    return VisibleText(text=text, removed=surplus + hidden + more)


def _composed(text: str) -> tuple[str, int]:
    bounded, surplus = _without_surplus_marks(text)
    return unicodedata.normalize("NFC", bounded), surplus


def _without_surplus_marks(text: str) -> tuple[str, int]:
    """The text with at most ``MAX_COMBINING_MARKS`` marks on each character, and how many were removed."""
    marks = {character for character in set(text) if _is_mark(character)}
    if not marks:
        return text, 0
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if character in marks else 0
        if run <= MAX_COMBINING_MARKS:
            kept.append(character)
    return "".join(kept), len(text) - len(kept)


def _is_mark(character: str) -> bool:
    """True where the character combines with the one before it, as it is or once it is decomposed."""
    return unicodedata.combining(unicodedata.normalize("NFD", character)[0]) != 0


def _without_hidden(text: str) -> tuple[str, int]:
    invisible = {character for character in set(text) if _is_invisible(character)}
    if not invisible:
        return text, 0
    kept: list[str] = []
    hidden, base = 0, ""
    for index, character in enumerate(text):
        if character in invisible and not _joins(character, base, text[index + 1 : index + 2], invisible):
            hidden += character not in _LAYOUT
        else:
            kept.append(character)
            # Marks may change places when what stood between them is gone; what they stand on does not.
            base = base if unicodedata.combining(character) else character
    return "".join(kept), hidden


def _is_invisible(character: str) -> bool:
    if character in _KEPT_CONTROLS:
        return False
    if character in _BLANKS or ord(character) in _VARIATION_SUPPLEMENT:
        return True
    return unicodedata.category(character) in ("Cc", "Cf")


def _joins(character: str, base: str, after: str, invisible: set[str]) -> bool:
    """True for a joiner between two visible characters that it can join: no Latin letters, no spaces, no marks.

    ``base`` is the character before it, without the marks on it.
    """
    return (
        character in _JOINERS
        and all(each and ord(each) > LAST_LATIN and each not in invisible for each in (base, after))
        and not unicodedata.combining(after)
    )
