"""When a picture may hold a part of the essay: a page that is a photograph cannot be read as text."""

from collections.abc import Sequence
from typing import Final

WHOLE_PAGE: Final = 0.4
"""A picture of so much of a page may be a scanned page."""
SMALL: Final = 0.05
"""Pictures that take no more of a page altogether are emblems and marks."""
WORDS_ON_A_PAGE: Final = 250
"""Written by hand."""
SAVE_TEXT: Final = "type in what it says, or remove it if it is not part of the essay"


def refused_pictures(shares: Sequence[float], *, words: int) -> bool:
    """Whether pictures that take these shares of a page may be the essay, or hold as many words as its text."""
    total = sum(shares)
    return max(shares, default=0) >= WHOLE_PAGE or (total > SMALL and total * WORDS_ON_A_PAGE > words)


def counted(number: int, what: str) -> str:
    """For example "1 picture", "2 pictures"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
