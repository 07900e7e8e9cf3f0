"""Text that has to be decoded, reversed or read closely to be understood."""

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from typing import Final

_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{24,}+={0,2}+(?![A-Za-z0-9+/=])")
_BASE32: Final = re.compile(r"(?<![A-Z0-9=])[A-Z2-7]{24,}+={0,6}+(?![A-Z0-9=])")
_NUMBERS: Final = re.compile(r"(?:\b[0-9]{2,3}[ ,;]{1,2}+){10,}+")
_CODES: Final = re.compile(
    r"""
    \b(?:[0-9a-f]{2}){24,}+\b | \b(?:[0-9a-f]{2}[ :]){12,}+ | (?:\b[01]{8}\ ){5,}+ | (?:%[0-9a-f]{2}){8,}+
    | (?:&\#x?[0-9a-f]{2,6};\s?+){6,}+ | (?:\\u[0-9a-f]{4}\s?+){6,}+ | (?:\b\w\ {1,3}+){9,}+
    | (?:\\x[0-9a-f]{2}){6,}+ | (?:\\[0-7]{3}){6,}+ | (?:0x[0-9a-f]{2}[ ,;]{0,2}+){6,}+
    | (?:\b\w[._*~|/-]){5,}+ | (?<![.-])(?:[.-]{1,6}[ /|]{1,3}+){8,}+
    """,
    re.IGNORECASE | re.VERBOSE,
)
LOOKALIKE_LETTERS: Final = 8
"""This many letters in a style that only signs, formulas and transcriptions use are text in disguise."""
_LOOKALIKES: Final = re.compile(
    "[\u0250-\u02af\u1d00-\u1dbf\u2070-\u209c\u24b6-\u24e9\uff21-\uff3a\uff41-\uff5a"
    "\U0001d400-\U0001d7ff\U0001f130-\U0001f189]"
)
_OTHER_ALPHABETS: Final = re.compile(
    r"\b(?=\w*+)(?:[a-z]++[\u0370-\u052f]|[\u0370-\u052f]++[a-z])", re.IGNORECASE
)
MIXED_WORDS: Final = 2
"""Words of two alphabets: one may be a name or a unit."""
_DIGITS_AS_LETTERS: Final = str.maketrans("013457", "oieast")
_WORD_WITH_DIGITS: Final = re.compile(r"[a-z][013457]|[013457][a-z]", re.IGNORECASE)
MAX_DECODED: Final = 4_096
_PRINTED_SHARE: Final = 0.95


def is_disguised(text: str) -> bool:
    """True where part of the text is a code, or in letters that only look like the usual ones."""
    return (
        _CODES.search(text) is not None
        or sum(1 for _ in _LOOKALIKES.finditer(text)) >= LOOKALIKE_LETTERS
        or any(_is_readable(_base64(found[0])) for found in _BASE64.finditer(text))
        or any(_is_readable(_base32(found[0])) for found in _BASE32.finditer(text))
        or any(_is_readable(_numbers(found[0])) for found in _NUMBERS.finditer(text))
        or sum(1 for _ in _OTHER_ALPHABETS.finditer(text)) >= MIXED_WORDS
    )


def spelt_otherwise(text: str) -> Iterator[str]:
    """The text as it would be read another way: shifted letters, digits for letters, backwards by letter or word."""
    yield codecs.encode(text, "rot13")
    if _WORD_WITH_DIGITS.search(text):
        yield text.translate(_DIGITS_AS_LETTERS)
    yield text[::-1]
    yield "\n".join(" ".join(reversed(line.split())) for line in text.splitlines())


def _base64(run: str) -> bytes:
    whole = run.rstrip("=")[:MAX_DECODED]
    try:
        return base64.b64decode(whole[: len(whole) - len(whole) % 4])
    except binascii.Error:
        return b""


def _base32(run: str) -> bytes:
    whole = run.rstrip("=")[:MAX_DECODED]
    try:
        return base64.b32decode(whole[: len(whole) - len(whole) % 8])
    except binascii.Error:
        return b""


def _numbers(run: str) -> bytes:
    codes = [int(code) for code in re.findall("[0-9]+", run[:MAX_DECODED])]
    return bytes(code for code in codes if code < 128) if all(code < 128 for code in codes) else b""


def _is_readable(decoded: bytes) -> bool:
    """True for readable text: long words, identifiers and years decode to anything."""
    try:
        readable = decoded.decode()
    except UnicodeDecodeError:
        return False
    printed = sum(character.isprintable() for character in readable)
    letters = sum(character.isalpha() for character in readable)
    return " " in readable and printed >= _PRINTED_SHARE * len(readable) and 2 * letters > len(readable)
