"""The audit of a page: its text is held against the pictures, the drawings and the glyphs that it shows."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from batch_runner.reading.account import Account, shortened
from batch_runner.reading.pdf.layout import Box, Character, Page, Shape, Visibility, has_meaning
from batch_runner.reading.pictures import SAVE_TEXT, counted, refused_pictures

GRID: Final = 40
"""Squares to a side, in which the area under pictures is counted."""
TEXT_ON_PICTURE: Final = 400
"""Characters to a page of picture from which on the text on it is what it shows."""
LETTERS_IN_A_ROW: Final = 10
"""Drawn shapes of the size of letters, side by side, that are a line of text."""
LETTERS_BESIDE_TEXT: Final = 0.1
"""Of a page's characters: a mark with a few drawn letters belongs to a letterhead."""
LETTER_HEIGHTS: Final = (3.0, 60.0)
DRAWN_WITHOUT_TEXT: Final = 60
STROKES_OF_HANDWRITING: Final = 15
MAX_UNKNOWN_SHARE: Final = 0.02
MAX_UNKNOWN_CHARACTERS: Final = 10
MIN_LETTERS: Final = 80
MIN_SPACE_SHARE: Final = 0.06
SPACED_OUT: Final = 0.6
_NO_SPACES: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)


def audit_page(page: Page, account: Account, *, number: int) -> None:
    """Refuse or mention what the text of the page does not account for."""
    where = f"page {number}"
    for reason in (
        *_pictures(page, account, where),
        *_drawings(page, account, where),
        *_glyphs(page, account, where),
    ):
        account.refuse(f"{where} {reason}")
    for reason in (*_visibility(page, account, where), *_spaces(page)):
        account.refuse(f"{where} {reason}")
    for thing in page.lost:
        account.refuse(f"{where} has {thing}")
    if page.comments:
        account.note(f"comments on {where} left out")


def _words(page: Page) -> int:
    return len(page.text.split())


def _covered(page: Page) -> tuple[float, set[tuple[int, int]]]:
    """The share of the page under pictures, and the squares of the grid that are."""
    squares = {
        (column, row)
        for picture in page.pictures
        for column in _range(picture.left - page.box.left, picture.right - page.box.left, page.box.width)
        for row in _range(picture.bottom - page.box.bottom, picture.top - page.box.bottom, page.box.height)
    }
    return len(squares) / GRID**2, squares


def _range(start: float, end: float, whole: float) -> range:
    if whole <= 0:
        return range(0)
    return range(max(0, round(start / whole * GRID)), min(GRID, round(end / whole * GRID)))


def _on_pictures(page: Page, squares: set[tuple[int, int]]) -> Sequence[Character]:
    def square(character: Character) -> tuple[int, int]:
        return (
            int((character.x - page.box.left) / page.box.width * GRID),
            int((character.y - page.box.bottom) / page.box.height * GRID),
        )

    return [character for character in page.characters if square(character) in squares]


def _pictures(page: Page, account: Account, where: str) -> Iterator[str]:
    share, squares = _covered(page)
    if not squares:
        return
    if len(_on_pictures(page, squares)) >= TEXT_ON_PICTURE * share and share >= 0.1:
        account.note(f"{where} is a picture with text on it, which is read")
    elif refused_pictures([share], words=_words(page)):
        yield f"shows a picture without text ({share:.0%} of the page); {SAVE_TEXT}, or run text recognition first"
    else:
        account.note(f"a picture on {where}, not judged")


def _drawings(page: Page, account: Account, where: str) -> Iterator[str]:
    shapes = [shape for shape in page.shapes if not shape.is_plain]
    letters = _drawn_letters(shapes)
    characters = sum(chr(character.code).isalnum() for character in page.characters)
    few = _words(page) < DRAWN_WITHOUT_TEXT / 3
    if letters > max(LETTERS_IN_A_ROW - 1, LETTERS_BESIDE_TEXT * characters) or (
        few and len(shapes) >= DRAWN_WITHOUT_TEXT
    ):
        yield "shows drawing that may be letters (outlines without text); save the document as PDF with text"
    elif letters:
        account.note(f"a few drawn letters on {where}, not judged")
    if page.strokes_by_hand > STROKES_OF_HANDWRITING:
        yield f"shows handwriting ({page.strokes_by_hand} strokes); type in what it says"
    elif page.strokes_by_hand:
        account.note(f"marks drawn by hand on {where}, not judged")


def _drawn_letters(shapes: Sequence[Shape]) -> int:
    """How many shapes of the size of letters are side by side in rows, like lines of text."""
    smallest, largest = LETTER_HEIGHTS
    rows: dict[int, list[Box]] = defaultdict(list)
    for shape in shapes:
        if smallest <= shape.box.height <= largest and shape.box.width <= 2 * shape.box.height:
            rows[round((shape.box.bottom + shape.box.top) / 2 / shape.box.height)].append(shape.box)
    return sum(length for row in rows.values() for length in _runs(row) if length >= LETTERS_IN_A_ROW)


def _runs(row: list[Box]) -> Iterator[int]:
    length, end = 0, float("-inf")
    for box in sorted(row, key=lambda each: each.left):
        if box.left - end > 2 * box.height:
            yield length
            length = 0
        length += 1
        end = max(end, box.right) if length > 1 else box.right
    yield length


def _glyphs(page: Page, account: Account, where: str) -> Iterator[str]:
    """A few signs without a meaning, such as bullets of a symbol font, are left out and mentioned."""
    wrong = [each for each in page.characters if not each.certain and chr(each.code).isalnum()]
    unknown = [each for each in page.characters if not has_meaning(each.code)]
    if wrong or len(unknown) > min(MAX_UNKNOWN_CHARACTERS, MAX_UNKNOWN_SHARE * len(page.characters)):
        yield (
            f"has {len({*wrong, *unknown})} of {len(page.characters)} characters whose meaning its fonts do not say;"
            " save the document as PDF again (or as .docx), not with a printer driver"
        )
    elif unknown:
        account.note(f"{counted(len(unknown), 'sign')} without a meaning on {where}, left out")


def _visibility(page: Page, account: Account, where: str) -> Iterator[str]:
    _, squares = _covered(page)
    on_pictures = {id(character) for character in _on_pictures(page, squares)} if squares else set()
    unseen: dict[Visibility, list[str]] = {kind: [] for kind in Visibility}
    for each in page.characters:
        if not page.box.holds(each.x, each.y):
            unseen[Visibility.INVISIBLE].append(chr(each.code))
        elif id(each) not in on_pictures:
            unseen[each.visibility].append(chr(each.code))
    invisible, white = ("".join(unseen[kind]).strip() for kind in (Visibility.INVISIBLE, Visibility.WHITE))
    if invisible:
        yield f"has text that no reader sees ({shortened(invisible)!r}); save it without"
    if white:
        account.note(f"white text on {where}: {shortened(white)!r}")


def _spaces(page: Page) -> Iterator[str]:
    letters = sum(character.isalpha() for character in page.text)
    if letters < MIN_LETTERS or len(_NO_SPACES.findall(page.text)) > letters / 4:
        return
    spaces = sum(character.isspace() for character in page.text)
    words = page.text.split()
    single = sum(len(word) == 1 and word.isalpha() for word in words)
    if spaces < MIN_SPACE_SHARE * len(page.text):
        yield "has lost the spaces between its words; save it as .docx, or as PDF from its own program"
    elif single > SPACED_OUT * len(words):
        yield "has spaces between its letters; save it as .docx, or as PDF from its own program"
