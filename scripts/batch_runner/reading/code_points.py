"""Ranges of Unicode's code points that say how a number from a document is to be read."""

from typing import Final

UNICODE: Final = range(0x110000)

C0_CONTROLS: Final = range(0x20)
C1_CONTROLS: Final = range(0x7F, 0xA0)
"""Controls of terminals, as the C0 ones are; DEL is among them."""

HIGH_SURROGATES: Final = range(0xD800, 0xDC00)
LOW_SURROGATES: Final = range(0xDC00, 0xE000)
SURROGATES: Final = range(HIGH_SURROGATES.start, LOW_SURROGATES.stop)
"""Halves of the pairs by which UTF-16 writes the code points from U+10000 on."""

PRIVATE_AREA: Final = range(0xE000, 0xF900)
"""Each font gives these a meaning of its own."""
PRIVATE_PLANES: Final = range(0xF0000, 0x110000)

SPECIALS: Final = range(0xFFFD, 0x10000)
"""The replacement for what could not be read, and two that are no characters."""

SYMBOL_FONT: Final = range(0xF000, 0xF100)
"""Where in the private area the characters of a symbol font are, in the order of their codes in the font."""


def code_point(high: int, low: int) -> int:
    """The code point that two surrogates stand for."""
    above = ((high - HIGH_SURROGATES.start) << 10) + (low - LOW_SURROGATES.start)
    return 0x10000 + above
