"""Cleans an essay's text before it is judged: normalised, without invisible characters, searched for signals.

A signal is a reason for a person to look at an essay. It never changes a score, because the same signals occur in
honest texts; against instructions to the judge, every text stands in a fence of its own. Every step takes time in
proportion to the length of the text, whatever it holds; callers limit the length first.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Signal(StrEnum):
    """Why a person should look at an essay."""

    HIDDEN_CHARACTERS = "hidden_characters"
    ADDRESSES_THE_JUDGE = "addresses_the_judge"
    ROLE_MARKER = "role_marker"
    ANCHOR_TEXT = "anchor_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanText:
    """A text in Unicode's form NFC; ``hidden`` counts the invisible characters that were removed from it."""

    text: str
    hidden: int
    signals: tuple[Signal, ...]


# Word processors insert these by themselves: a byte order mark, soft hyphens, word joiners.
_LAYOUT: Final = frozenset("\ufeff\u00ad\u2060")
# Joiners carry meaning between emoji and between letters of Indic and Arabic scripts.
_JOINERS: Final = frozenset("\u200c\u200d")
LAST_LATIN: Final = 0x36F
"""Latin letters, their modifiers and the marks that combine with them end here."""

_KEPT_CONTROLS: Final = frozenset("\t\n\r")
_VARIATION_SUPPLEMENT: Final = range(0xE0100, 0xE01F0)

MAX_COMBINING_MARKS: Final = 30
"""Marks on one character, as in Unicode's stream-safe text (UAX 15): no language needs more.

Normalising a character takes time in proportion to the square of its marks.
"""

_ADDRESSES = re.compile(
    r"""
    \b(?:ignore|disregard|forget|ignorera|bortse\s++från|glöm)
        (?:\s++(?:all|any|of|the|your|my|these|previous|prior|earlier|above|given|alla|de|dina|tidigare|föregående
            |ovanstående)){0,5}
        \s++(?:instructions?|prompts?|rules|criteria|rubric|instruktion\w*|regler\w*|kriteri\w*)\b
    | \b(?:you\s++are|act\s++as|du\s++är|agera\s++som)\s++(?:an?\s++|the\s++|en\s++|ett\s++)?
        (?:\w++\s++)?(?:grader|judge|examiner|evaluator|assessor|language\s++model|ai|llm|bedömare|språkmodell)\b(?!\s++(?:of|av)\b)
    | \b(?:dear|hello|hi|attention|to\s++the|kära|bäste|hej)\s++
        (?:grader|judge|examiner|evaluator|assessor|llm|ai|bedömare|examinator)\b
    | \b(?:choose|pick|select|prefer|vote\s++for|välj|rösta\s++på)\s++
        (?:this|my|the\s++following|essay\s++[ab12]|den\s++här|min|denna)\b[^.!?\n]{0,20}
        \b(?:essay|text|answer|winner|uppsats\w*|svar\w*|vinnare\w*)\b
    | \bessay\s++[ab]\b[^.!?\n]{0,30}\b(?:is\s++(?:clearly\s++)?better|wins|winner|should\s++win|must\s++win)\b
    | \b(?:give|award|ge|sätt)\s++(?:this|my|me|it|mig|den\s++här|denna|min)\b[^.!?\n]{0,40}
        \b(?:highest|top|best|full|maximum|högsta|bästa|full|topp)\w*+\s++(?:grades?|scores?|marks?|betyg\w*|poäng\w*)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Possessive quantifiers give nothing back: a run of spaces is read once, however the rest of the pattern fails.
_ROLE_MARKER = re.compile(
    r"""
    ^[^\S\n]*+\#{0,6}+[^\S\n]*+\[?(?:system|assistant|developer|human|user)\]?[^\S\n]*+
        (?:prompt|message)?[^\S\n]*+:
    | <\|?\s*+/?(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id)\s*+\|?>
    | \[/?INST\] | <</?SYS>>
    | "winner"\s*+:
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def clean_text(raw: str) -> CleanText:
    """Normalise to NFC, remove what cannot be seen, and name the signals."""
    composed, surplus = _composed(raw)
    visible, hidden = _without_hidden(composed)
    # What stood on both sides of a removed character may compose now.
    text, more = _composed(visible)
    removed = surplus + hidden + more
    found = {
        Signal.HIDDEN_CHARACTERS: removed > 0,
        Signal.ADDRESSES_THE_JUDGE: _ADDRESSES.search(text) is not None,
        Signal.ROLE_MARKER: _ROLE_MARKER.search(text) is not None,
    }
    return CleanText(
        text=text, hidden=removed, signals=tuple(signal for signal, present in found.items() if present)
    )


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
    hidden = 0
    for index, character in enumerate(text):
        if character in invisible and not _joins(
            character, kept[-1:], text[index + 1 : index + 2], invisible
        ):
            hidden += character not in _LAYOUT
        else:
            kept.append(character)
    return "".join(kept), hidden


def _is_invisible(character: str) -> bool:
    if character in _KEPT_CONTROLS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf") or ord(character) in _VARIATION_SUPPLEMENT


def _joins(character: str, before: list[str], after: str, invisible: set[str]) -> bool:
    """True for a joiner between two visible characters that it can join: no Latin letters, no spaces."""
    neighbours = (*before, *after)
    return (
        character in _JOINERS
        and len(neighbours) == 2
        and all(ord(neighbour) > LAST_LATIN and neighbour not in invisible for neighbour in neighbours)
    )
