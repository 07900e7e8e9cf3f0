"""Reading one file in this process, by its kind, with the checks that hold for every text."""

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from batch_runner.reading.bounds import (
    MAX_CHARACTERS,
    MAX_FILE_BYTES,
    MAX_RTF_BYTES,
    MAX_TEXT_FILE_BYTES,
    MEBIBYTE,
)
from batch_runner.reading.document import Document
from batch_runner.reading.encodings import Decoded, decode
from batch_runner.reading.errors import EmptyDocument, UnreadableDocument
from batch_runner.reading.kinds import KIND_OF_SUFFIX, USUAL_SUFFIXES, Kind, check_kind
from batch_runner.reading.opendocument import read_opendocument
from batch_runner.reading.rich_text import read_rich_text
from batch_runner.reading.web_page import read_web_page
from batch_runner.reading.word.document import read_word

_MAX_BYTES: Final = {
    Kind.TEXT: MAX_TEXT_FILE_BYTES,
    Kind.WEB_PAGE: MAX_TEXT_FILE_BYTES,
    Kind.RICH_TEXT: MAX_RTF_BYTES,
}
_WITHOUT_MEANING: Final = re.compile(
    "[\x01-\x08\x0e-\x1f\x7f-\x9f\ud800-\uf8ff\ufdd0-\ufdef\ufffd-\uffff\U000f0000-\U0010ffff]"
)
"""Controls, half characters, private and unassigned ones, and U+FFFD, the replacement for what could not be read."""
_SAVE: Final = "; save it again as UTF-8 text"


def kind_of(path: Path) -> Kind:
    """The kind that a file's name says; raises ``UnreadableDocument`` for one that cannot be read."""
    try:
        return KIND_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        raise UnreadableDocument(
            f"cannot read {path.suffix or 'files without a suffix'}; use one of {', '.join(USUAL_SUFFIXES)}"
        ) from None


def read_here(path: Path) -> Document:
    """The text of a file; raises ``UnreadableDocument`` whose message does not name the file.

    A file that was made to do harm may take long or much memory: ``isolation`` reads such kinds elsewhere.
    """
    kind = kind_of(path)
    try:
        _check_size(path, kind)
        check_kind(path, kind)
        document = _READERS[kind](path)
    except OSError as error:
        raise UnreadableDocument(f"cannot be read: {error.strerror or error}") from error
    _check_text(document.text, what=_SAVE if kind is Kind.TEXT else "; save it again in its program")
    return document


def _check_size(path: Path, kind: Kind) -> None:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableDocument("not a file that can be read, but a folder or a device")
    largest = _MAX_BYTES.get(kind, MAX_FILE_BYTES)
    if found.st_size > largest:
        raise UnreadableDocument(
            f"has {found.st_size / MEBIBYTE:.0f} MB, more than {largest // MEBIBYTE} MB; submit the text without"
            " pictures"
        )


def _check_text(text: str, *, what: str) -> None:
    if not any(character.isalnum() for character in text):
        raise EmptyDocument("it holds no text")
    if len(text) > MAX_CHARACTERS:
        raise UnreadableDocument(
            f"has {len(text)} characters, more than {MAX_CHARACTERS}; submit the essay alone"
        )
    if "\x00" in text:
        raise UnreadableDocument(f"holds NUL characters{what}")
    broken = _WITHOUT_MEANING.search(text)
    if broken is not None:
        before = " ".join(text[max(0, broken.start() - 30) : broken.start()].split())
        raise UnreadableDocument(
            f"holds a character without a meaning (U+{ord(broken[0]):04X}) after {before!r}{what}"
        )


def _text(path: Path) -> Document:
    decoded = decode(path.read_bytes())
    return Document(text=_lines(decoded.text), notes=_guessed(decoded))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _guessed(decoded: Decoded) -> tuple[str, ...]:
    return () if decoded.guessed is None else (f"its encoding is guessed to be {decoded.guessed}",)


def _rich_text(path: Path) -> Document:
    return read_rich_text(path.read_bytes())


def _web_page(path: Path) -> Document:
    decoded = decode(path.read_bytes())
    page = read_web_page(_lines(decoded.text))
    return Document(text=page.text, notes=(*_guessed(decoded), *page.notes))


def _pdf(path: Path) -> Document:
    # Imported here: it loads a library of 10 MB, and most folders hold no PDF.
    from batch_runner.reading.pdf.document import read_pdf

    return read_pdf(path)


_READERS: Final[Mapping[Kind, Callable[[Path], Document]]] = {
    Kind.TEXT: _text,
    Kind.WORD: read_word,
    Kind.OPEN_DOCUMENT: read_opendocument,
    Kind.RICH_TEXT: _rich_text,
    Kind.WEB_PAGE: _web_page,
    Kind.PDF: _pdf,
}
