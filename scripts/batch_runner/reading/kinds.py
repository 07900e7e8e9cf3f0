"""The kind of a file, by its first bytes: the suffix is often wrong."""

import re
from enum import Enum
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

from batch_runner.reading.errors import EncryptedDocument, UnreadableDocument

_COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""How Word's old format begins, and also a .docx that is protected by a password."""
_HEAD: Final = 4096
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_COMPOUND_SEARCHED: Final = 4 * 1024 * 1024


class Kind(Enum):
    """A format, by its common name."""

    TEXT = "plain text"
    WORD = "a Word document"
    OPEN_DOCUMENT = "an OpenDocument text"
    RICH_TEXT = "rich text (RTF)"
    PDF = "a PDF"
    WEB_PAGE = "a web page (HTML)"


KIND_OF_SUFFIX: Final = {
    ".txt": Kind.TEXT,
    ".text": Kind.TEXT,
    ".md": Kind.TEXT,
    ".docx": Kind.WORD,
    ".docm": Kind.WORD,
    ".dotx": Kind.WORD,
    ".dotm": Kind.WORD,
    ".odt": Kind.OPEN_DOCUMENT,
    ".ott": Kind.OPEN_DOCUMENT,
    ".rtf": Kind.RICH_TEXT,
    ".pdf": Kind.PDF,
    ".html": Kind.WEB_PAGE,
    ".htm": Kind.WEB_PAGE,
}
USUAL_SUFFIXES: Final = (".txt", ".md", ".docx", ".odt", ".rtf", ".pdf", ".html")
_SUFFIX_OF_KIND: Final = {kind: suffix for suffix, kind in reversed(KIND_OF_SUFFIX.items())}

_UNSUPPORTED_SIGNATURES: Final = {
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"II*\x00": "a picture (TIFF)",
    b"MM\x00*": "a picture (TIFF)",
    b"7z\xbc\xaf": "an archive (7z)",
    b"Rar!": "an archive (RAR)",
    b"\x1f\x8b": "an archive (gzip)",
    b"MIME-Version:": "a web archive (MHTML)",
    b"\xffWPC": "a WordPerfect document",
}
_HTML: Final = re.compile(
    rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
    rb"(?:<!doctype\s+html|<html\b|<head\b|<body\b|<(?:p|div|span|h[1-6]|ul|ol|table|font|br|b|i|strong|em)(?:\s[^>]*)?/?>)",
    re.IGNORECASE | re.DOTALL,
)
_CLOSING_TAG: Final = re.compile(
    rb"</(?:p|div|span|h[1-6]|ul|ol|li|table|font|b|i|strong|em|body|html)\s*>|<br\s*/?>|&nbsp;",
    re.IGNORECASE,
)


def check_kind(path: Path, expected: Kind) -> None:
    """Raise ``UnreadableDocument`` that says what a file is, if its suffix says otherwise."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(_COMPOUND):
            rest = file.read(_COMPOUND_SEARCHED)
            raise _old_or_encrypted(head + rest)
    found = _kind(path, head)
    if found is None and expected in (Kind.TEXT, Kind.WEB_PAGE):
        return
    if found is expected:
        return
    if isinstance(found, Kind):
        renamed = f"{path.stem}{_SUFFIX_OF_KIND[found]}"
        raise UnreadableDocument(f"this is {found.value}, not {expected.value}; rename it to {renamed}")
    if found is not None:
        raise UnreadableDocument(
            f"this is {found}, not {expected.value}; submit the text as .docx, .pdf or .txt"
        )
    raise UnreadableDocument(
        f"not {expected.value} that can be opened; open it in its program and save it again"
    )


def _old_or_encrypted(content: bytes) -> UnreadableDocument:
    if _ENCRYPTED in content:
        return EncryptedDocument("protected by a password; save it as .docx without a password")
    return EncryptedDocument(
        "in an old format of Office (.doc), or protected by a password; save it as .docx without a password"
    )


def _kind(path: Path, head: bytes) -> Kind | str | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"{\\rtf"):
        return Kind.RICH_TEXT
    if b"%PDF-" in head[:1024]:
        return Kind.PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    for mark, name in _UNSUPPORTED_SIGNATURES.items():
        if head.startswith(mark):
            return name
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif") or head[8:12] == b"WEBP":
        return "a picture"
    wide = head[2:] if head[:2] in (b"\xff\xfe", b"\xfe\xff") else b""
    markup = wide.replace(b"\x00", b"") if wide else start
    if _HTML.match(markup) and _CLOSING_TAG.search(markup):
        return Kind.WEB_PAGE
    if start.startswith(b"<?xml") and b"wordDocument" in head:
        return "a Word document as XML"
    if start.startswith(b"<?xml") and b"office:document" in head:
        return "an OpenDocument text as XML"
    return None


def _kind_of_zip(path: Path) -> Kind | str | None:
    try:
        with ZipFile(path) as archive:
            names = set(archive.namelist())
            mimetype = b""
            if "mimetype" in names:
                with archive.open("mimetype") as part:
                    mimetype = part.read(200).strip()
    except (BadZipFile, ValueError, NotImplementedError, RuntimeError, OSError, EOFError):
        return None
    if b"opendocument.text" in mimetype:
        return Kind.OPEN_DOCUMENT
    if mimetype:
        return f"another kind of document ({mimetype.decode('ascii', 'replace')})"
    if any(name.startswith("word/") for name in names) or "_rels/.rels" in names:
        other = next(
            (name for name in ("xl", "ppt") if any(each.startswith(f"{name}/") for each in names)), None
        )
        return Kind.WORD if other is None else {"xl": "a spreadsheet", "ppt": "a presentation"}[other]
    if any(name.startswith("Index/") or name.endswith("Index.zip") for name in names):
        return "a Pages document"
    return "a zip archive"
