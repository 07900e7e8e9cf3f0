"""What characters of the symbol fonts mean: in them the code of a letter shows an arrow, a tick or a Greek letter."""

from typing import Final

from batch_runner.reading.code_points import C0_CONTROLS, PRIVATE_AREA, SURROGATES, SYMBOL_FONT, UNICODE

_NO_CHARACTERS: Final = (C0_CONTROLS, SURROGATES, PRIVATE_AREA)

_SYMBOL: Final = {
    **dict(
        enumerate(
            " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
            start=0x20,
        )
    ),
    **dict(
        enumerate(
            "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪",
            start=0xA0,
        )
    ),
    **dict(enumerate("〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭", start=0xF1)),
}
_WINGDINGS: Final = {
    0x20: " ", 0x22: "✂", 0x28: "☎", 0x2A: "✉", 0x3F: "✍", 0x41: "✌", 0x43: "👍", 0x44: "👎", 0x45: "☜",
    0x46: "☞", 0x47: "☝", 0x48: "☟", 0x4A: "☺", 0x4B: "😐", 0x4C: "☹", 0x4D: "💣", 0x4E: "☠", 0x52: "☼",
    0x54: "❄", 0x59: "✡", 0x5B: "☯", 0x6C: "●", 0x6D: "❍", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x72: "❒",
    0x73: "⬧", 0x74: "⧫", 0x75: "◆", 0x76: "❖", 0x77: "⬥", 0x78: "⌧", 0x9E: "·", 0x9F: "•", 0xA1: "○",
    0xA4: "◉", 0xA7: "▪", 0xA8: "◻", 0xAB: "★", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓",
    0xE3: "↖", 0xE4: "↗", 0xE5: "↙", 0xE6: "↘", 0xE8: "➔", 0xEF: "⇦", 0xF0: "⇨", 0xF1: "⇧", 0xF2: "⇩",
    0xF3: "⬄", 0xF4: "⇳", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
    **dict(enumerate("⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿", start=0x80)),
}  # fmt: skip
_WEBDINGS: Final = {0x20: " ", 0x61: "✔", 0x72: "✖", 0x59: "♥", 0x63: "□", 0x67: "■", 0x6E: "●"}
_FONTS: Final = {
    "symbol": _SYMBOL,
    "wingdings": _WINGDINGS,
    "webdings": _WEBDINGS,
    "wingdings 2": {0x20: " ", 0x50: "✓", 0x4F: "✗", 0x52: "☑", 0x54: "☒", 0xA3: "□"},
    "wingdings 3": {0x20: " ", 0x66: "←", 0x67: "→", 0x68: "↑", 0x69: "↓", 0x7D: "▶"},
}


def is_symbol_font(font: str) -> bool:
    """Whether the font gives letters another meaning."""
    return font.casefold() in _FONTS


def symbol(font: str, code: int) -> str | None:
    """The character that a code of a symbol font shows; None if it is not known.

    Codes are those of the font (0x20-0xFF), or the same in Unicode's private area (0xF020-0xF0FF). In a font that is
    no symbol font a code is its own character, unless it is private.
    """
    known = _FONTS.get(font.casefold())
    if known is not None:
        return known.get(code - SYMBOL_FONT.start if code in SYMBOL_FONT else code)
    is_character = code in UNICODE and not any(code in codes for codes in _NO_CHARACTERS)
    return chr(code) if is_character else None
