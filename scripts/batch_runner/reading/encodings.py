"""The encoding of a text file: what its bytes prove, else a guess, which is reported as one."""

import codecs
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from batch_runner.reading.errors import UnreadableDocument

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_REGIONS: Final = (
    (
        {"cp1252": "Windows-1252", "mac_roman": "Mac Roman", "cp850": "DOS 850"},
        frozenset("åäöÅÄÖéÉèàáíóúüÜæøÆØçñêëïôâîß–—‘’“”„«»…€§°½•"),
    ),
    (
        {"cp1250": "Windows-1250", "iso8859_2": "Latin-2"},
        frozenset("ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽőűŐŰöüäÖÜÄßľĺŕôđ–—‘’“”„«»…€"),
    ),
)
"""Encodings of a region, the most frequent first, and the letters used there."""
_RARE: Final = frozenset("ìîïòùûÎÏÌÒÙÛ§½")
"""Usual somewhere, but more often another encoding's letter."""
_WELCOME_SHARE: Final = 0.85
_NUL_SHARE: Final = 0.3
_LATIN_END: Final = "\u0250"
_SAVE: Final = "save the file as UTF-8 text"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and the name of its encoding where that was guessed."""

    text: str
    guessed: str | None = None


def decode(content: bytes) -> Decoded:
    """The text of a file; raises ``UnreadableDocument`` where no encoding fits."""
    for mark, codec, name in _MARKS:
        if content.startswith(mark):
            try:
                return Decoded(content.decode(codec))
            except UnicodeDecodeError as error:
                raise UnreadableDocument(
                    f"byte {error.start} is not {name}, as the file begins; {_SAVE}"
                ) from error
    wide = _without_mark(content)
    if wide is not None:
        return wide
    try:
        return Decoded(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        if _is_utf8_with_half_characters(content):
            raise UnreadableDocument(f"holds half a character at byte {error.start}; {_SAVE}") from error
        guessed = _of_a_region(content) or _by_statistics(content)
        if guessed is None:
            raise UnreadableDocument(
                f"byte {error.start} is not UTF-8, and no other encoding is certain; {_SAVE}"
            ) from error
        return guessed


def _is_utf8_with_half_characters(content: bytes) -> bool:
    try:
        content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _without_mark(content: bytes) -> Decoded | None:
    """UTF-16 without a mark: in letters of the Latin alphabet every other byte is zero."""
    if len(content) < 2 or len(content) % 2:
        return None
    half = len(content) / 2
    for codec, zeros in (("utf-16-le", content[1::2]), ("utf-16-be", content[::2])):
        if zeros.count(0) / half > _NUL_SHARE:
            try:
                text = content.decode(codec)
            except UnicodeDecodeError:
                continue
            if "\x00" not in text:
                return Decoded(text, "UTF-16")
    return None


def _of_a_region(content: bytes) -> Decoded | None:
    """The encoding in which the file's letters beyond ASCII are those used in one region."""
    for encodings, usual in _REGIONS:
        shares: dict[str, float] = {}
        for codec in encodings:
            try:
                text = content.decode(codec)
            except UnicodeDecodeError:
                continue
            others = [
                each
                for each in text
                if (each > "\x7f" and each != "\xa0") or (each < " " and each not in "\t\n\r\f")
            ]
            if not others:
                continue
            shares[codec] = _plausible(text, usual) / len(others)
        best = max(shares, key=lambda codec: shares[codec], default=None)
        if best is not None and shares[best] >= _WELCOME_SHARE:
            return Decoded(content.decode(best), encodings[best])
    return None


def _plausible(text: str, usual: frozenset[str]) -> float:
    """How many of the letters beyond ASCII are usual ones; a capital in the middle of a word is not."""
    misplaced = sum(each in usual and each.isupper() and before.islower() for before, each in pairwise(text))
    rare = sum(each in _RARE for each in text)
    return sum(each in usual for each in text if each > "\x7f") - misplaced - rare / 4


def _by_statistics(content: bytes) -> Decoded | None:
    # Imported here: few texts need it.
    from charset_normalizer import from_bytes

    match = from_bytes(content, cp_exclusion=["utf_7"]).best()
    if match is None or match.encoding.startswith(("utf", "ascii")) or match.coherence <= 0:
        return None
    text = str(match)
    letters = [each for each in text if each.isalpha()]
    if sum(each < _LATIN_END for each in letters) > len(letters) / 2:
        return None  # of the encodings of the Latin alphabet, statistics of a short text pick the wrong one
    return Decoded(text, match.encoding)
