"""Reading the text of an essay from a file: plain text, Markdown, Word or PDF."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import docx
import pypdf
from docx.opc.exceptions import PackageNotFoundError
from event_contracts import ErrorCode, InvalidRequest
from pypdf.errors import PyPdfError


class UnreadableDocument(InvalidRequest):
    """The file's text cannot be had; the message names the file and what to do."""

    code = ErrorCode.TEXT_EXTRACTION_FAILED


class EncryptedDocument(UnreadableDocument):
    """The file is protected by a password."""

    code = ErrorCode.ENCRYPTED_FILE_UNSUPPORTED


class EmptyDocument(UnreadableDocument):
    """The file holds no text."""

    code = ErrorCode.EMPTY_CONTENT


def read_document(path: Path) -> str:
    """The text of a .txt, .md, .docx or .pdf file; raises ``UnreadableDocument``."""
    try:
        reader = _READERS[path.suffix.lower()]
    except KeyError:
        raise UnreadableDocument(
            f"{path.name}: cannot read {path.suffix or 'files without a suffix'};"
            f" use one of {', '.join(SUFFIXES)}"
        ) from None
    text = reader(path)
    if not text.strip():
        raise EmptyDocument(f"{path.name}: there is no text in it")
    return text


def _plain(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8 text"
        ) from error


def _word(path: Path) -> str:
    try:
        document = docx.Document(str(path))
    except (PackageNotFoundError, BadZipFile, KeyError, ValueError) as error:
        raise UnreadableDocument(f"{path.name}: not a Word document that can be opened") from error
    return "\n\n".join(paragraph.text for paragraph in document.paragraphs if paragraph.text.strip())


def _pdf(path: Path) -> str:
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted:
            raise EncryptedDocument(f"{path.name}: protected by a password; save it without one")
        return "\n\n".join(page.extract_text() for page in reader.pages)
    except PyPdfError as error:
        raise UnreadableDocument(f"{path.name}: not a PDF that can be opened") from error


_READERS: Final[Mapping[str, Callable[[Path], str]]] = {
    ".txt": _plain,
    ".md": _plain,
    ".docx": _word,
    ".pdf": _pdf,
}
SUFFIXES: Final = tuple(_READERS)
