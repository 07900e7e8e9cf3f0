"""OpenDocument texts (.odt, .ott): the text as LibreOffice shows it, every node accounted for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from batch_runner.reading.account import Account, shortened
from batch_runner.reading.document import Document
from batch_runner.reading.errors import EncryptedDocument, UnreadableDocument, refuse_for
from batch_runner.reading.lists import Lists, hidden_styles
from batch_runner.reading.packages import Package
from batch_runner.reading.pictures import SAVE_TEXT, counted, refused_pictures
from batch_runner.reading.xml_parts import parse_xml

_URN: Final = "urn:oasis:names:tc:opendocument:xmlns"
_PREFIXES: Final = {
    f"{_URN}:office:1.0": "office",
    f"{_URN}:text:1.0": "text",
    f"{_URN}:table:1.0": "table",
    f"{_URN}:drawing:1.0": "draw",
    f"{_URN}:style:1.0": "style",
    f"{_URN}:form:1.0": "form",
    f"{_URN}:meta:1.0": "meta",
    f"{_URN}:manifest:1.0": "manifest",
    f"{_URN}:xsl-fo-compatible:1.0": "fo",
    f"{_URN}:svg-compatible:1.0": "svg",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.w3.org/1999/xlink": "xlink",
    "http://www.w3.org/1998/Math/MathML": "math",
}
_HIDDEN: Final = "hidden text"
_NOT_SHOWN: Final = frozenset(
    {
        "text:tracked-changes", "text:sequence-decls", "text:variable-decls", "text:user-field-decls",
        "text:dde-connection-decls", "text:alphabetical-index-auto-mark-file", "text:index-title-template",
        "text:table-of-content-source", "text:bibliography-source", "text:alphabetical-index-source",
        "text:illustration-index-source", "text:table-index-source", "text:user-index-source",
        "text:object-index-source", "table:covered-table-cell", "svg:title", "svg:desc", "office:forms",
        "office:scripts", "office:event-listeners", "text:note-citation", "draw:glue-point",
    }
)  # fmt: skip
_LENGTHS: Final = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 0.0353, "pc": 0.423, "px": 0.0265}
_PAGE_AREA: Final = 21.0 * 29.7
"""Square centimetres."""
_SHARE_OF_UNKNOWN: Final = 0.25
_MAX_RUN_OF_SPACES: Final = 1000


def read_opendocument(path: Path) -> Document:
    """The text of a document, or ``UnreadableDocument`` with every reason found."""
    with Package(path, kind="an OpenDocument text") as package:
        if "META-INF/manifest.xml" in package.names:
            manifest = parse_xml(
                package.read("META-INF/manifest.xml"), _PREFIXES, part="META-INF/manifest.xml"
            )
            if next(manifest.iter("manifest:encryption-data"), None) is not None:
                raise EncryptedDocument("protected by a password; save it without one")
        content = parse_xml(package.read("content.xml"), _PREFIXES, part="content.xml")
        styles, meta = (
            parse_xml(package.read(name), _PREFIXES, part=name) if name in package.names else None
            for name in ("styles.xml", "meta.xml")
        )
    return _read(content, styles, meta)


def _read(content: Element, styles: Element | None, meta: Element | None) -> Document:
    body = content.find("office:body/office:text")
    if body is None:
        raise UnreadableDocument("not an OpenDocument text that can be opened; save it again as .odt")
    account = Account()
    walk = _Walk(account, Lists.of(content, styles), hidden_styles(content, styles))
    text = "\n\n".join(walk.paragraphs_of(body))
    for element in body.iter():
        for node, lost in ((("text", element), element.text), (("tail", element), element.tail)):
            if lost and lost.strip() and (node[0], id(element)) not in walk.seen:
                account.refuse(
                    f"{shortened(lost)!r} would be lost (in {element.tag}); save it as PDF with text"
                )
    words = len(text.split())
    if walk.shares and refused_pictures(walk.shares, words=words):
        account.refuse(
            f"it shows {counted(len(walk.shares), 'picture')} and only {counted(words, 'word')}, so that a part of the"
            f" essay may be a picture; {SAVE_TEXT}"
        )
    elif walk.shares:
        account.note(f"{counted(len(walk.shares), 'picture')}, not judged")
    refuse_for(account.refusals)
    return Document(text=text, notes=tuple(account.all_notes()), authors=tuple(_authors(meta)))


def _authors(meta: Element | None) -> Iterator[str]:
    for tag in () if meta is None else ("meta:initial-creator", "dc:creator"):
        for element in meta.iter(tag) if meta is not None else ():
            if element.text and element.text.strip():
                yield element.text.strip()


class _Walk:
    def __init__(self, account: Account, lists: Lists, hidden: frozenset[str]) -> None:
        self.account = account
        self.seen: set[tuple[str, int]] = set()
        self.shares: list[float] = []
        self._lists = lists
        self._hidden_styles = hidden
        self._paragraphs: list[str] = []
        self._asides: list[str] = []
        self._line: list[str] | None = None
        self._notes: list[str] = []

    def paragraphs_of(self, body: Element) -> list[str]:
        self._children(body)
        return [text for text in (*self._paragraphs, *self._notes) if text.strip()]

    def _children(self, element: Element) -> None:
        self._emit(element.text, "text", element)
        for child in element:
            self._visit(child)
            self._emit(child.tail, "tail", child)

    def _emit(self, text: str | None, place: str, element: Element) -> None:
        """Take in a piece of text. Between paragraphs there is none: the audit names it where there is."""
        if text and self._line is not None:
            self.seen.add((place, id(element)))
            self._line.append(" ".join(text.replace("\n", " ").split(" ")))

    def _visit(self, element: Element) -> None:
        match element.tag:
            case tag if tag in _NOT_SHOWN:
                self._leave_out(element)
            case "text:p" | "text:h":
                self._paragraph(element)
            case "text:list":
                self._list(element)
            case "text:s":
                count = element.get("text:c", "1")
                self._add(" " * min(int(count) if count.isdecimal() else 1, _MAX_RUN_OF_SPACES))
            case "text:tab":
                self._add("\t")
            case "text:line-break":
                self._add("\n")
            case "text:note":
                self._note(element)
            case "text:ruby":
                self._ruby(element)
            case "office:annotation":
                self.account.note("comments left out")
                self._leave_out(element)
            case "draw:text-box":
                self._text_box(element)
            case "draw:frame":
                self._frame(element)
            case "draw:object" | "draw:object-ole":
                self.account.refuse(
                    "it has an object (an equation, a chart or a table), which would be lost; type it in"
                )
                self._leave_out(element)
            case "draw:control":
                self.account.refuse(
                    "it has a form control, whose text would be lost; type its text into the page"
                )
            case "text:hidden-text" | "text:hidden-paragraph":
                self._leave_out(element, _HIDDEN)
            case "text:section" if element.get("text:display", "true") != "true":
                self._leave_out(element, _HIDDEN)
            case _ if element.get("text:style-name") in self._hidden_styles:
                self._leave_out(element, _HIDDEN)
            case _:
                self._children(element)

    def _add(self, text: str) -> None:
        if self._line is not None:
            self._line.append(text)

    def _leave_out(self, element: Element, reason: str | None = None) -> None:
        for node in element.iter():
            self.seen.add(("text", id(node)))
            if node is not element:
                self.seen.add(("tail", id(node)))
        words = "".join(element.itertext()).split()
        if reason is not None and words:
            self.account.left_out[reason] += len(words)
            self.account.excerpts[reason] = shortened(
                f"{self.account.excerpts.get(reason, '')} {' '.join(words)}"
            )

    def _paragraph(self, paragraph: Element) -> None:
        if paragraph.get("text:style-name") in self._hidden_styles:
            self._leave_out(paragraph, _HIDDEN)
            return
        if next((each for each in paragraph.iter("text:hidden-paragraph")), None) is not None:
            self._leave_out(paragraph, _HIDDEN)
            return
        outer = self._line, self._asides
        self._line, self._asides = [], []
        self._children(paragraph)
        text = "".join(self._line)
        label = self._lists.label(paragraph) if text.strip() else ""
        self._paragraphs += [f"{label}{text}", *self._asides]
        self._line, self._asides = outer

    def _list(self, element: Element) -> None:
        with self._lists.within(element):
            for item in element:
                with self._lists.item(item):
                    self._children(item)

    def _note(self, note: Element) -> None:
        citation = note.find("text:note-citation")
        mark = f"[{('' if citation is None else citation.text) or '*'}]"
        self._add(mark)
        outer = self._line, self._paragraphs
        self._line, self._paragraphs = None, []
        for part in note:
            self._visit(part)
        self._notes.append(f"{mark} " + "\n".join(self._paragraphs))
        self._line, self._paragraphs = outer

    def _ruby(self, ruby: Element) -> None:
        for part in ruby:
            base = part.tag == "text:ruby-base"
            self._add("" if base else "(")
            self._children(part)
            self._add("" if base else ")")

    def _text_box(self, box: Element) -> None:
        outer = self._line, self._paragraphs
        self._line, self._paragraphs = None, []
        self._children(box)
        found = self._paragraphs
        self._line, self._paragraphs = outer
        (self._paragraphs if self._line is None else self._asides).extend(found)

    def _frame(self, frame: Element) -> None:
        """A frame holds the same thing in several forms, the preferred one first."""
        forms = [child for child in frame if child.tag not in _NOT_SHOWN]
        if any(child.tag == "draw:image" for child in forms[:1]):
            self.shares.append(_share(frame))
            self._leave_out(frame)
            return
        objects = any(child.tag in ("draw:object", "draw:object-ole") for child in forms)
        for child in forms:
            if not (objects and child.tag == "draw:image"):
                self._visit(child)
            else:
                self._leave_out(child)


def _share(frame: Element) -> float:
    sides = [_centimetres(frame.get(name, "")) for name in ("svg:width", "svg:height")]
    known = [side for side in sides if side is not None]
    return min(known[0] * known[1] / _PAGE_AREA, 1.0) if len(known) == 2 else _SHARE_OF_UNKNOWN


def _centimetres(length: str) -> float | None:
    try:
        return float(length[:-2]) * _LENGTHS[length[-2:]]
    except (ValueError, KeyError):
        return None
