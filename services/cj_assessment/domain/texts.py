"""Cleans an essay's text before it is judged: normalised, without invisible characters, searched for signals.

A signal is a reason for a person to look at an essay. It never changes a score, because the same signals occur in
honest texts; against instructions to the judge, every text stands in a fence of its own. Every step takes time in
proportion to the length of the text, whatever it holds; callers limit the length first.
"""

from dataclasses import dataclass

from event_contracts.visible_text import visible_text

from cj_assessment.domain.signals import Signal, signals_in


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanText:
    """A text in Unicode's form NFC; ``hidden`` counts the invisible characters that were removed from it."""

    text: str
    hidden: int
    signals: tuple[Signal, ...]


def clean_text(raw: str) -> CleanText:
    """Normalise to NFC, remove what cannot be seen, and name the signals."""
    visible = visible_text(raw)
    hidden_signals = (Signal.HIDDEN_CHARACTERS,) if visible.removed else ()
    return CleanText(
        text=visible.text, hidden=visible.removed, signals=(*hidden_signals, *signals_in(visible.text))
    )
