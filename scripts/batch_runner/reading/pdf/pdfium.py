"""PDFium's view of a page: the only module that knows its interface."""

import ctypes
import math
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as raw

from batch_runner.reading.bounds import MAX_PAGE_OBJECTS
from batch_runner.reading.code_points import HIGH_SURROGATES, LOW_SURROGATES, code_point
from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.pdf.layout import (
    AnnotationText,
    Box,
    Character,
    Page,
    Shape,
    Visibility,
    has_meaning,
)

Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: Final[Matrix] = (1, 0, 0, 1, 0, 0)
_MAX_FORMS: Final = 12
"""Drawings inside each other."""
_MIN_PICTURE: Final = 2
"""Pixels; smaller ones are fills."""
_INVISIBLE_MODES: Final = (3, 7)
_WHITE: Final = 250
_COMMENTS: Final = (
    raw.FPDF_ANNOT_TEXT,
    raw.FPDF_ANNOT_POPUP,
    raw.FPDF_ANNOT_HIGHLIGHT,
    raw.FPDF_ANNOT_UNDERLINE,
    raw.FPDF_ANNOT_SQUIGGLY,
    raw.FPDF_ANNOT_STRIKEOUT,
    raw.FPDF_ANNOT_CARET,
)
_LOST: Final = {
    raw.FPDF_ANNOT_FILEATTACHMENT: "an attached file; submit one document with all of the text",
    raw.FPDF_ANNOT_RICHMEDIA: "a video or sound, which would be lost; type in what it says",
    raw.FPDF_ANNOT_MOVIE: "a video, which would be lost; type in what it says",
    raw.FPDF_ANNOT_SOUND: "a sound, which would be lost; type in what it says",
    raw.FPDF_ANNOT_XFAWIDGET: "an XFA form; print it to a new PDF",
}
_FILLED_IN: Final = (raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX)


def look_at(document: Any, number: int) -> Page:
    """A page (from 0) with fields and annotations made a part of it. ``document`` is PDFium's."""
    page = document[number]
    left, bottom, right, top = page.get_bbox()
    found = Page(Box(left, bottom, right, top))
    _Annotations(document, page, found).read()
    raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)
    page.close()
    page = document[number]
    _Objects(page, found).read()
    _read_text(page, found)
    page.close()
    return found


class _Annotations:
    """Comments are taken off the page; what was written onto it is remembered, as its text must be in the page's."""

    def __init__(self, document: Any, page: Any, found: Page) -> None:
        self.form = document.formenv
        self.page = page
        self.found = found

    def read(self) -> None:
        for place in range(raw.FPDFPage_GetAnnotCount(self.page) - 1, -1, -1):
            annotation = raw.FPDFPage_GetAnnot(self.page, place)
            if not annotation:
                continue
            comment = self._one(annotation)
            raw.FPDFPage_CloseAnnot(annotation)
            if comment:
                raw.FPDFPage_RemoveAnnot(self.page, place)
        self.found.written.reverse()

    def _one(self, annotation: Any) -> bool:
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if raw.FPDFAnnot_GetFlags(annotation) & (raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW):
            return True
        if kind in _COMMENTS:
            self.found.comments += kind != raw.FPDF_ANNOT_POPUP and bool(_contents(annotation).strip())
            return True
        if kind in _LOST:
            self.found.lost.append(_LOST[kind])
        elif kind == raw.FPDF_ANNOT_FREETEXT:
            self.found.written.append(AnnotationText("text written onto the page", _contents(annotation)))
        elif kind == raw.FPDF_ANNOT_INK:
            self.found.strokes_by_hand += raw.FPDFAnnot_GetInkListCount(annotation)
            return True
        elif kind == raw.FPDF_ANNOT_WIDGET:
            self._field(annotation)
        return False

    def _field(self, annotation: Any) -> None:
        if self.form is None:
            self.found.written.append(AnnotationText("a form field", _string(annotation, b"V")))
        elif raw.FPDFAnnot_GetFormFieldType(self.form, annotation) in _FILLED_IN:
            value = _wide(
                lambda buffer, size: raw.FPDFAnnot_GetFormFieldValue(self.form, annotation, buffer, size)
            )
            self.found.written.append(AnnotationText("a form field", value))


def _contents(annotation: Any) -> str:
    return _string(annotation, b"Contents")


def _string(annotation: Any, key: bytes) -> str:
    return _wide(lambda buffer, size: raw.FPDFAnnot_GetStringValue(annotation, key, buffer, size))


def _wide(call: Callable[[Any, int], int]) -> str:
    """A string that PDFium writes as UTF-16 into a buffer."""
    size = call(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    call(ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace").replace("\r\n", "\n").replace("\r", "\n")


class _Objects:
    """Pictures and drawn shapes, also those in drawings inside the page."""

    def __init__(self, page: Any, found: Page) -> None:
        self.page = page
        self.found = found
        self.count = 0

    def read(self) -> None:
        for place in range(raw.FPDFPage_CountObjects(self.page)):
            self._one(raw.FPDFPage_GetObject(self.page, place), _IDENTITY, 0)

    def _one(self, item: Any, outer: Matrix, depth: int) -> None:
        self.count += 1
        if self.count > MAX_PAGE_OBJECTS:
            raise UnreadableDocument(
                f"a page draws more than {MAX_PAGE_OBJECTS} things; submit the text as .docx"
            )
        match raw.FPDFPageObj_GetType(item):
            case raw.FPDF_PAGEOBJ_IMAGE:
                self._picture(item, outer)
            case raw.FPDF_PAGEOBJ_PATH:
                self._path(item, _times(_matrix(item), outer))
            case raw.FPDF_PAGEOBJ_FORM:
                if depth >= _MAX_FORMS:
                    self.found.lost.append(
                        "drawings inside drawings, too deep to be followed; save it as PDF again"
                    )
                    return
                inner = _times(_matrix(item), outer)
                for place in range(raw.FPDFFormObj_CountObjects(item)):
                    self._one(raw.FPDFFormObj_GetObject(item, place), inner, depth + 1)

    def _picture(self, item: Any, outer: Matrix) -> None:
        width, height = ctypes.c_uint(), ctypes.c_uint()
        raw.FPDFImageObj_GetImagePixelSize(item, width, height)
        if min(width.value, height.value) <= _MIN_PICTURE:
            return
        corners = [_apply(_times(_matrix(item), outer), x, y) for x in (0, 1) for y in (0, 1)]
        self.found.pictures.append(_box(corners).clipped(self.found.box))

    def _path(self, item: Any, matrix: Matrix) -> None:
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(item, fill, stroke)
        if not (fill.value or stroke.value):
            return
        points: list[tuple[float, float]] = []
        curved = False
        for kind, x, y in _segments(item):
            if kind == raw.FPDF_SEGMENT_MOVETO and points:
                self._shape(points, curved=curved)
                points, curved = [], False
            curved = curved or kind == raw.FPDF_SEGMENT_BEZIERTO
            points.append(_apply(matrix, x, y))
        self._shape(points, curved=curved)

    def _shape(self, points: list[tuple[float, float]], *, curved: bool) -> None:
        if len(points) < 2:
            return
        plain = not curved and all(
            min(abs(x1 - x0), abs(y1 - y0)) < 0.05 for (x0, y0), (x1, y1) in pairwise(points)
        )
        box = _box(points)
        if self.found.box.holds((box.left + box.right) / 2, (box.bottom + box.top) / 2):
            self.found.shapes.append(Shape(box, plain and len(points) <= 6))


def _segments(path: Any) -> Iterator[tuple[int, float, float]]:
    x, y = ctypes.c_float(), ctypes.c_float()
    for place in range(raw.FPDFPath_CountSegments(path)):
        segment = raw.FPDFPath_GetPathSegment(path, place)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        yield raw.FPDFPathSegment_GetType(segment), x.value, y.value


def _matrix(item: Any) -> Matrix:
    matrix = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, matrix):
        return _IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _box(points: list[tuple[float, float]]) -> Box:
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] or [(0.0, 0.0)]
    xs, ys = [x for x, _ in finite], [y for _, y in finite]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _read_text(page: Any, found: Page) -> None:
    text = page.get_textpage()
    # At the end of a line PDFium marks a hyphen by a character of its own, and leaves the end of the line out.
    shown = re.sub("[\x02\ufffe](?:\r\n)?", "-\n", text.get_text_range()).replace("\r\n", "\n")
    found.text = "".join(each for each in shown if each in "\n\t" or has_meaning(ord(each)))
    seen: dict[int, Visibility] = {}
    x, y = ctypes.c_double(), ctypes.c_double()
    first_half: int | None = None
    for place in range(text.count_chars()):
        if raw.FPDFText_IsGenerated(text, place) == 1:
            continue
        code = raw.FPDFText_GetUnicode(text, place)
        if first_half is not None and code in LOW_SURROGATES:
            code = code_point(first_half, code)
            found.characters.pop()
        first_half = code if code in HIGH_SURROGATES else None
        raw.FPDFText_GetCharOrigin(text, place, x, y)
        found.characters.append(
            Character(
                code=code,
                x=x.value,
                y=y.value,
                certain=raw.FPDFText_HasUnicodeMapError(text, place) != 1,
                visibility=_visibility(text, place, seen),
            )
        )
    text.close()


def _visibility(text: Any, place: int, known: dict[int, Visibility]) -> Visibility:
    item = raw.FPDFText_GetTextObject(text, place)
    address = ctypes.cast(item, ctypes.c_void_p).value if item else None
    if address is None:
        return Visibility.SEEN
    if address not in known:
        known[address] = _visibility_of(item)
    return known[address]


def _visibility_of(item: Any) -> Visibility:
    if raw.FPDFTextObj_GetTextRenderMode(item) in _INVISIBLE_MODES:
        return Visibility.INVISIBLE
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not raw.FPDFPageObj_GetFillColor(item, red, green, blue, alpha):
        return Visibility.SEEN
    if alpha.value == 0:
        return Visibility.INVISIBLE
    white = min(red.value, green.value, blue.value) >= _WHITE
    return Visibility.WHITE if white else Visibility.SEEN


def open_document(path: str) -> Any:
    """PDFium's document; raises ``pypdfium2.PdfiumError``."""
    return pypdfium2.PdfDocument(path)
