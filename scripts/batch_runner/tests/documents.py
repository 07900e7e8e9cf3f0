"""Documents that the tests of reading build themselves: Word, OpenDocument and PDF, from their parts."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

_W: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_STRICT_W: Final = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_R: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMESPACES: Final = (
    f'xmlns:w="{_W}" xmlns:r="{_R}"'
    ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
    ' xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"'
    ' xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
    ' xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    ' xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"'
    ' xmlns:x="urn:example:unknown"'
)


def run(text: str, properties: str = "") -> str:
    """A run of text."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*content: str, properties: str = "") -> str:
    """A paragraph of runs; a text without markup becomes a run."""
    runs = "".join(each if each.startswith("<") else run(each) for each in content)
    return f"<w:p><w:pPr>{properties}</w:pPr>{runs}</w:p>"


def word_document(
    path: Path,
    *body: str,
    parts: Mapping[str, str] | None = None,
    strict: bool = False,
    main: str = "word/document.xml",
) -> Path:
    """A Word document of this body; ``parts`` are further parts by the last word of their relation ("styles")."""
    parts = parts or {}
    document = f"<w:document {_NAMESPACES}><w:body>{''.join(body)}</w:body></w:document>"
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_R}/{kind.rstrip("0123456789")}" Target="{kind}.xml"/>'
        for number, kind in enumerate(parts)
    )
    files = {
        "_rels/.rels": _relations(f'<Relationship Id="r" Type="{_R}/officeDocument" Target="{main}"/>'),
        main: document,
        "word/_rels/document.xml.rels": _relations(relations),
        **{f"word/{kind}.xml": content.replace("<w:", "<w:", 1) for kind, content in parts.items()},
    }
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            named = content.replace(_W, _STRICT_W).replace(
                _R, "http://purl.oclc.org/ooxml/officeDocument/relationships"
            )
            archive.writestr(name, named if strict else content)
    return path


def word_part(tag: str, content: str) -> str:
    """The root of a further part of a Word document."""
    return f"<w:{tag} {_NAMESPACES}>{content}</w:{tag}>"


def _relations(content: str) -> str:
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f"{content}</Relationships>"
    )


_URN: Final = "urn:oasis:names:tc:opendocument:xmlns"
_ODF: Final = " ".join(
    f'xmlns:{prefix}="{_URN}:{name}:1.0"'
    for prefix, name in (
        ("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"), ("style", "style"),
        ("form", "form"), ("svg", "svg-compatible"),
    )
)  # fmt: skip


def open_document(path: Path, *body: str, styles: str = "", encrypted: bool = False) -> Path:
    """An OpenDocument text of this body, with automatic styles."""
    content = (
        f"<office:document-content {_ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:text>{''.join(body)}</office:text></office:body></office:document-content>"
    )
    protection = "<manifest:encryption-data/>" if encrypted else ""
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_URN}:manifest:1.0"><manifest:file-entry>{protection}'
        "</manifest:file-entry></manifest:manifest>"
    )
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return path


def pdf_document(
    path: Path,
    *pages: str,
    resources: str = "",
    objects: Sequence[str] = (),
    catalog: str = "",
    page: str = "",
) -> Path:
    """A PDF of pages with these content streams; further objects are numbered from 10.

    /F1 is Helvetica; ``resources``, ``catalog`` and ``page`` go into the dictionaries of those names.
    """
    first_page = 10 + len(objects)
    kids = " ".join(f"{first_page + 2 * number} 0 R" for number in range(len(pages)))
    numbered: dict[int, bytes] = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode(),
        2: f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, content in enumerate(objects, start=10):
        numbered[number] = content.encode("latin-1")
    for number, content in enumerate(pages):
        place = first_page + 2 * number
        numbered[place] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {place + 1} 0 R"
            f" /Resources << /Font << /F1 3 0 R >> {resources} >> {page} >>"
        ).encode()
        packed = zlib.compress(content.encode("latin-1"))
        numbered[place + 1] = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (
            len(packed),
            packed,
        )
    written = bytearray(b"%PDF-1.7\n")
    places: dict[int, int] = {}
    for number, content_of in sorted(numbered.items()):
        places[number] = len(written)
        written += b"%d 0 obj\n%b\nendobj\n" % (number, content_of)
    start, size = len(written), max(numbered) + 1
    written += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        written += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n"
    written += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    path.write_bytes(written)
    return path


def shown(*lines: str, top: int = 780, mode: int = 0, colour: str = "0 g") -> str:
    """The content of a page that shows these lines of Latin text."""
    commands = [f" {colour} BT /F1 11 Tf {mode} Tr 50 {top} Td 14 TL"]
    for line in lines:
        escaped = line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        commands.append(f"({escaped}) Tj T*")
    return " ".join([*commands, "ET"])


def picture(width: int, height: int, *, left: int = 40, bottom: int = 40) -> str:
    """The content that paints /Im0 on so much of a page."""
    return f"q {width} 0 0 {height} {left} {bottom} cm /Im0 Do Q"


PICTURE: Final = (
    "<< /Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 64 >>\n"
    "stream\n" + "x" * 64 + "\nendstream"
)
"""Object 10 of a document whose resources are ``PICTURE_RESOURCES``."""
PICTURE_RESOURCES: Final = "/XObject << /Im0 10 0 R >>"
