"""An essay's text before it is judged: normalised, rid of characters that nobody sees, looked at for signals.

A signal is a reason for a person to look at an essay. It never changes a score: the same signals occur in honest
texts, and whoever does try to talk to the judge is told apart from the rest by the fence around every text.
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
    """A text in Unicode's form NFC; ``hidden`` counts the invisible characters that were taken out of it."""

    text: str
    hidden: int
    signals: tuple[Signal, ...]


# Word processors put these in by themselves: a byte order mark, soft hyphens, word joiners.
_LAYOUT: Final = frozenset("\ufeff\u00ad\u2060")
# Joiners between emoji and between letters of Indic and Arabic scripts carry meaning where they stand so.
_JOINERS: Final = frozenset("\u200c\u200d")
_KEPT_CONTROLS: Final = frozenset("\t\n\r")
_VARIATION_SUPPLEMENT: Final = range(0xE0100, 0xE01F0)

_ADDRESSES = re.compile(
    r"""
    \b(?:ignore|disregard|forget|ignorera|bortse\s+från|glöm)
        (?:\s+(?:all|any|of|the|your|my|these|previous|prior|earlier|above|given|alla|de|dina|tidigare|föregående
            |ovanstående)){0,5}
        \s+(?:instructions?|prompts?|rules|criteria|rubric|instruktion\w*|regler\w*|kriteri\w*)\b
    | \b(?:you\s+are|act\s+as|du\s+är|agera\s+som)\s+(?:an?\s+|the\s+|en\s+|ett\s+)?
        (?:\w+\s+)?(?:grader|judge|examiner|evaluator|assessor|language\s+model|ai|llm|bedömare|språkmodell)\b(?!\s+(?:of|av)\b)
    | \b(?:dear|hello|hi|attention|to\s+the|kära|bäste|hej)\s+
        (?:grader|judge|examiner|evaluator|assessor|llm|ai|bedömare|examinator)\b
    | \b(?:choose|pick|select|prefer|vote\s+for|välj|rösta\s+på)\s+
        (?:this|my|the\s+following|essay\s+[ab12]|den\s+här|min|denna)\b[^.!?\n]{0,20}
        \b(?:essay|text|answer|winner|uppsats\w*|svar\w*|vinnare\w*)\b
    | \bessay\s+[ab]\b[^.!?\n]{0,30}\b(?:is\s+(?:clearly\s+)?better|wins|winner|should\s+win|must\s+win)\b
    | \b(?:give|award|ge|sätt)\s+(?:this|my|me|it|mig|den\s+här|denna|min)\b[^.!?\n]{0,40}
        \b(?:highest|top|best|full|maximum|högsta|bästa|full|topp)\w*\s+(?:grades?|scores?|marks?|betyg\w*|poäng\w*)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ROLE_MARKER = re.compile(
    r"""
    ^\s*\#{0,6}\s*\[?(?:system|assistant|developer|human|user)\]?\s*(?:prompt|message)?\s*:
    | <\|?\s*/?(?:im_start|im_end|system|assistant|user|endoftext|eot_id|start_header_id)\s*\|?>
    | \[/?INST\] | <</?SYS>>
    | "winner"\s*:
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def clean_text(raw: str) -> CleanText:
    """Normalise to NFC, take out what cannot be seen, and name the signals."""
    composed = unicodedata.normalize("NFC", raw)
    kept, hidden = _without_hidden(composed)
    found = {
        Signal.HIDDEN_CHARACTERS: hidden > 0,
        Signal.ADDRESSES_THE_JUDGE: _ADDRESSES.search(kept) is not None,
        Signal.ROLE_MARKER: _ROLE_MARKER.search(kept) is not None,
    }
    return CleanText(
        text=kept, hidden=hidden, signals=tuple(signal for signal, present in found.items() if present)
    )


def _without_hidden(text: str) -> tuple[str, int]:
    if not any(_is_invisible(character) for character in set(text)):
        return text, 0
    kept: list[str] = []
    hidden = 0
    for place, character in enumerate(text):
        if character in _LAYOUT:
            continue
        if _is_hidden(text, place):
            hidden += 1
        else:
            kept.append(character)
    return "".join(kept), hidden


def _is_hidden(text: str, place: int) -> bool:
    character = text[place]
    if character in _JOINERS:
        return not _joins(text, place)
    return _is_invisible(character)


def _is_invisible(character: str) -> bool:
    if character in _KEPT_CONTROLS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf") or ord(character) in _VARIATION_SUPPLEMENT


def _joins(text: str, place: int) -> bool:
    """True where the joiner stands between two characters that it can join: not Latin letters, not spaces."""
    neighbours = text[place - 1 : place] + text[place + 1 : place + 2]
    return len(neighbours) == 2 and all(ord(neighbour) > 0x2FF for neighbour in neighbours)
