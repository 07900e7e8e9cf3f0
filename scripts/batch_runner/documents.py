"""Reading the text of an essay from a file: plain text, Markdown, Word or PDF.

All of the text or none: a file of which a part would get lost (a scanned page, tracked changes, a text box) is
refused with what to do about it. A Word document's headers, footnotes and comments are not part of its text.
"""

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

import docx
from docx.document import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph
from event_contracts import ErrorCode, InvalidRequest

if TYPE_CHECKING:
    from pypdf import PageObject

_COMPOUND_FILE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""How Word's old format begins, and also a .docx that is protected by a password."""
_LOST_BY_EXTRACTION: Final = {
    "w:ins": "tracked changes; accept or reject them",
    "w:moveTo": "tracked changes; accept or reject them",
    "w:txbxContent": "a text box; move its text into the page",
}

# It reports every irregularity of a file on stderr; what matters is raised.
logging.getLogger("pypdf").addHandler(logging.NullHandler())


class UnreadableDocument(InvalidRequest):
    """The text cannot be read; the message names the file and says what to do."""

    code = ErrorCode.TEXT_EXTRACTION_FAILED


class EncryptedDocument(UnreadableDocument):
    """The file is protected by a password."""

    code = ErrorCode.ENCRYPTED_FILE_UNSUPPORTED


class EmptyDocument(UnreadableDocument):
    """The file holds no text."""

    code = ErrorCode.EMPTY_CONTENT


def read_document(path: Path) -> str:
    """The text of a .txt, .md, .docx or .pdf file; raises ``UnreadableDocument``."""
    if shown(path) != path.name:
        raise UnreadableDocument(f"{shown(path)}: the file's name is not UTF-8; rename the file")
    try:
        reader = _READERS[path.suffix.lower()]
    except KeyError:
        raise UnreadableDocument(
            f"{path.name}: cannot read {path.suffix or 'files without a suffix'};"
            f" use one of {', '.join(SUFFIXES)}"
        ) from None
    try:
        text = reader(path)
    except OSError as error:
        raise UnreadableDocument(f"{path.name}: cannot be read: {error.strerror}") from error
    if not text.strip():
        raise EmptyDocument(f"{path.name}: it holds no text")
    if "\x00" in text:
        raise UnreadableDocument(f"{path.name}: holds NUL characters; save it again as UTF-8 text")
    return text


def shown(path: Path) -> str:
    """The name of a file for people: bytes that are not UTF-8 are replaced."""
    return path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _plain(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8 text"
        ) from error


def _word(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(_COMPOUND_FILE)) == _COMPOUND_FILE:
            raise EncryptedDocument(
                f"{path.name}: protected by a password, or in Word's old format;"
                " save it as .docx without a password"
            )
    try:
        document = docx.Document(str(path))
    except (PackageNotFoundError, BadZipFile, zlib.error, NotImplementedError, KeyError, ValueError) as error:
        raise UnreadableDocument(f"{path.name}: not a Word document that can be opened") from error
    for tag, what in _LOST_BY_EXTRACTION.items():
        if next(document.element.iter(qn(tag)), None) is not None:
            raise UnreadableDocument(f"{path.name}: it has {what}, then save it again")
    return "\n\n".join(text for text in _paragraphs(document) if text.strip())


def _paragraphs(container: Document | _Cell) -> Iterator[str]:
    for part in container.iter_inner_content():
        match part:
            case Paragraph():
                yield part.text
            case Table():
                for row in part.rows:
                    for cell in dict.fromkeys(row.cells):  # a merged cell is listed once per column
                        yield from _paragraphs(cell)


def _pdf(path: Path) -> str:
    # Imported here: it takes half a second, and most folders hold no PDF.
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise EncryptedDocument(f"{path.name}: protected by a password; save it without one")
        return "\n\n".join(
            _page(page, f"{path.name}: page {number}") for number, page in enumerate(reader.pages, start=1)
        )
    except (PyPdfError, NotImplementedError, ValueError, KeyError, TypeError) as error:
        raise UnreadableDocument(f"{path.name}: not a PDF that can be opened") from error


def _page(page: "PageObject", name: str) -> str:
    text = page.extract_text()
    if not text.strip() and len(page.images) > 0:
        raise UnreadableDocument(
            f"{name} is a picture without text; type the text in, or run text recognition first"
        )
    return text


_READERS: Final[Mapping[str, Callable[[Path], str]]] = {
    ".txt": _plain,
    ".md": _plain,
    ".docx": _word,
    ".pdf": _pdf,
}
SUFFIXES: Final = tuple(_READERS)
