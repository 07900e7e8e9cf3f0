"""The text of a Word document's body, as a reader sees it: a walk over every element, whatever wraps it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from xml.etree.ElementTree import Element

from batch_runner.reading.account import Account, shortened
from batch_runner.reading.symbols import is_symbol_font, symbol
from batch_runner.reading.word.drawings import LOSING_TEXT, Drawings
from batch_runner.reading.word.equations import linear
from batch_runner.reading.word.fields import Fields
from batch_runner.reading.word.numbering import Numbering, numeral
from batch_runner.reading.word.styles import Styles, is_on, numbered

HIDDEN: Final = "hidden text"
PLACEHOLDER: Final = "the prompt of an empty content control"
_TINY_HALF_POINTS: Final = 6
_DELETED: Final = ("w:del", "w:moveFrom")
_CHARACTERS: Final = {
    "w:tab": "\t",
    "w:ptab": "\t",
    "w:br": "\n",
    "w:cr": "\n",
    "w:noBreakHyphen": "-",
    "a:br": "\n",
}
_NOT_SHOWN: Final = frozenset(
    {
        "w:pPr", "w:rPr", "w:sectPr", "w:tblPr", "w:tblPrEx", "w:tblGrid", "w:trPr", "w:tcPr", "w:sdtPr",
        "w:sdtEndPr", "w:rubyPr", "w:smartTagPr", "w:customXmlPr", "w:delText", "w:delInstrText", "w:fldData",
    }
)  # fmt: skip
"""Properties, and text that only Word itself uses."""


class Walk:
    """Collects paragraphs; what is read and what is not goes into the account."""

    def __init__(self, *, styles: Styles, numbering: Numbering, drawings: Drawings, account: Account) -> None:
        self.account = account
        self.footnotes: list[str] = []
        self.endnotes: list[str] = []
        self._styles = styles
        self._numbering = numbering
        self._drawings = drawings
        self._fields = Fields()
        self._paragraphs: list[str] = []
        self._asides: list[str] = []
        self._line: list[str] = []
        self._carried = ""
        self._hidden = False
        self._style_hides = styles.hides_by_default
        self._font = ""
        self._actions: dict[str, Callable[[Element], None]] = {
            "w:p": self._paragraph,
            "a:p": self._drawn_paragraph,
            "w:r": self._run,
            "w:t": self._text,
            "a:t": self._text,
            "m:t": self._text,
            "w:sym": self._symbol,
            "w:ruby": self._ruby,
            "m:oMath": self._equation,
            "w:fldSimple": self._simple_field,
            "w:fldChar": self._field_character,
            "w:instrText": self._instruction,
            "w:footnoteReference": self._footnote,
            "w:endnoteReference": self._endnote,
            "w:tr": self._row,
            "w:tc": self._cell,
            "w:sdt": self._control,
            "mc:AlternateContent": self._alternatives,
            "w:txbxContent": self._text_box,
            "wp:inline": self._sized,
            "wp:anchor": self._sized,
            "v:shape": self._sized,
            "v:rect": self._sized,
            "v:group": self._sized,
            "v:textpath": self._word_art,
            "a:blip": self._picture,
            "v:imagedata": self._picture,
            "c:chart": self._picture,
            "o:OLEObject": self._drawings.embedded,
        }

    def paragraphs(self, element: Element) -> list[str]:
        """The text of an element, one entry for each paragraph that is not empty."""
        self._paragraphs, self._line = [], []
        self._children(element)
        self._end_line()
        for name in self._fields.lost:
            self.account.refuse(
                f"it has a field of the kind {name}, whose text would be lost; type its text in"
            )
        self._fields = Fields()
        return [text for text in self._paragraphs if text.strip()]

    def _children(self, element: Element) -> None:
        for child in element:
            self._visit(child)

    def _visit(self, element: Element) -> None:
        tag = element.tag
        if tag in _NOT_SHOWN:
            return
        if tag in _CHARACTERS:
            self._emit(_CHARACTERS[tag])
        elif tag in _DELETED:
            self.account.leave_out_all(element)
            self._changed()
        elif tag in LOSING_TEXT:
            self.account.refuse(f"it has {LOSING_TEXT[tag]}")
        elif tag in self._actions:
            self._actions[tag](element)
        else:
            if tag in ("w:ins", "w:moveTo"):
                self._changed()
            self._children(element)

    def _changed(self) -> None:
        self.account.note("tracked changes, read as if they were accepted")

    def _emit(self, text: str) -> None:
        if not self._hidden and not self._fields.in_instruction:
            self._line.append(text)
            self._fields.shown()

    def _text(self, node: Element) -> None:
        text = (node.text or "").replace("\n", " ")
        if self._fields.in_instruction:
            self.account.leave_out(node)
        elif self._hidden:
            self.account.leave_out(node, HIDDEN)
        else:
            self.account.read(node)
            self._emit("".join(map(self._meant, text)) if self._has_symbols(text) else text)

    def _has_symbols(self, text: str) -> bool:
        return is_symbol_font(self._font) or any("\ue000" <= character <= "\uf8ff" for character in text)

    def _meant(self, character: str) -> str:
        found = symbol(self._font, ord(character))
        if found is None:
            self._unknown_symbol(self._font, ord(character))
        return found or ""

    def _symbol(self, element: Element) -> None:
        font, code = element.get("w:font", ""), element.get("w:char", "")
        try:
            found = symbol(font, int(code, 16))
        except ValueError:
            found = None
        if found is None:
            self._unknown_symbol(font, code)
        else:
            self._emit(found)

    def _unknown_symbol(self, font: str, code: int | str) -> None:
        if self._hidden or self._fields.in_instruction:
            return
        shown = f"{code:04X}" if isinstance(code, int) else code
        self.account.refuse(
            f"it has a symbol ({font or 'a private character'} {shown}) whose meaning is not known; write a word"
            " in its place"
        )

    def _run(self, run: Element) -> None:
        properties = run.find("w:rPr")
        before = self._hidden, self._font
        self._hidden = before[0] or self._is_hidden(properties)
        fonts = None if properties is None else properties.find("w:rFonts")
        self._font = "" if fonts is None else fonts.get("w:ascii", fonts.get("w:hAnsi", ""))
        if not self._hidden and properties is not None:
            self._remark_unseen(run, properties)
        self._children(run)
        self._hidden, self._font = before

    def _is_hidden(self, properties: Element | None) -> bool:
        said = is_on(properties, "w:vanish")
        if said is None and properties is not None:
            style = properties.find("w:rStyle")
            said = None if style is None else self._styles.hides(style.get("w:val"))
        return self._style_hides if said is None else said

    def _remark_unseen(self, run: Element, properties: Element) -> None:
        colour, size = properties.find("w:color"), properties.find("w:sz")
        white = colour is not None and colour.get("w:val", "").upper() == "FFFFFF"
        half_points = "" if size is None else size.get("w:val", "")
        tiny = half_points.isdecimal() and int(half_points) <= _TINY_HALF_POINTS
        text = shortened("".join(node.text or "" for node in run.iter("w:t")))
        if text and (white or tiny):
            self.account.note(f"barely visible text, {'white' if white else 'tiny'}: {text!r}")

    def _paragraph(self, paragraph: Element) -> None:
        properties = paragraph.find("w:pPr")
        style = None if properties is None else properties.find("w:pStyle")
        style_id = self._styles.default_paragraph if style is None else style.get("w:val")
        outer = self._line, self._style_hides, self._asides, self._carried
        hides = self._styles.hides(style_id)
        self._style_hides = self._styles.hides_by_default if hides is None else hides
        self._line, self._asides, self._carried = [], [], ""
        self._children(paragraph)
        text, asides = "".join(self._line), self._asides
        self._line, self._style_hides, self._asides, carried = outer
        merged = properties is not None and any(
            properties.find(f"w:rPr/{tag}") is not None for tag in _DELETED
        )
        if merged:
            self._changed()
            self._carried = carried + text
        else:
            self._carried = ""
            self._paragraphs.append(self._label(properties, style_id, text) + carried + text)
        self._paragraphs += asides

    def _label(self, properties: Element | None, style_id: str | None, text: str) -> str:
        found = numbered(properties) or self._styles.numbered(style_id)
        if found is None or not text.strip():
            return ""
        label = self._numbering.label(found, style_id=style_id)
        return f"{label} " if label else ""

    def _end_line(self) -> None:
        """Emit text outside any paragraph, and that of a last paragraph whose end was deleted."""
        self._paragraphs += [self._carried, "".join(self._line)]
        self._carried, self._line = "", []

    def _drawn_paragraph(self, paragraph: Element) -> None:
        self._children(paragraph)
        self._emit("\n")

    def _text_box(self, box: Element) -> None:
        if self._hidden:
            self.account.leave_out_all(box, HIDDEN)
            return
        with self._aside():
            self._children(box)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Collect paragraphs of a text box: they follow the paragraph that it is anchored in."""
        outer = self._paragraphs, self._line, self._carried, self._font, self._style_hides
        self._paragraphs, self._line, self._carried, self._font = [], [], "", ""
        yield
        self._end_line()
        found = self._paragraphs
        self._paragraphs, self._line, self._carried, self._font, self._style_hides = outer
        self._asides += found

    def _ruby(self, ruby: Element) -> None:
        for tag, around in (("w:rubyBase", ""), ("w:rt", "()")):
            for part in ruby.findall(tag):
                self._emit(around[:1])
                self._children(part)
                self._emit(around[1:])

    def _equation(self, equation: Element) -> None:
        def text_of(node: Element) -> str:
            if self._hidden or self._fields.in_instruction:
                self.account.leave_out(node, HIDDEN if self._hidden else None)
            else:
                self.account.read(node)
            return node.text or ""

        self._emit(linear(equation, text_of))

    def _simple_field(self, element: Element) -> None:
        before = len(self._line)
        self._children(element)
        self._fields.check(element.get("w:instr", ""), shows=len(self._line) > before)

    def _field_character(self, element: Element) -> None:
        match element.get("w:fldCharType"):
            case "begin":
                self._form_field(element)
                self._fields.begin()
            case "separate":
                self._fields.result()
            case "end":
                self._fields.end()

    def _form_field(self, element: Element) -> None:
        entries = element.find("w:ffData/w:ddList")
        if entries is not None:
            names = [entry.get("w:val", "") for entry in entries.findall("w:listEntry")]
            chosen = entries.find("w:result")
            place = "0" if chosen is None else chosen.get("w:val", "0")
            if place.isdecimal() and int(place) < len(names):
                self._emit(names[int(place)])
        box = element.find("w:ffData/w:checkBox")
        if box is not None:
            ticked = is_on(box, "w:checked")
            self._emit("☒" if (is_on(box, "w:default") if ticked is None else ticked) else "☐")

    def _instruction(self, element: Element) -> None:
        self._fields.instruction(element.text or "")
        self.account.leave_out(element)

    def _footnote(self, reference: Element) -> None:
        self._note(reference, self.footnotes, "decimal")

    def _endnote(self, reference: Element) -> None:
        self._note(reference, self.endnotes, "lowerRoman")

    def _note(self, reference: Element, notes: list[str], style: str) -> None:
        if self._hidden or self._fields.in_instruction:
            return
        notes.append(reference.get("w:id", ""))
        self._emit(f"[{numeral(len(notes), style)}]")

    def _row(self, row: Element) -> None:
        if row.find("w:trPr/w:del") is not None:
            self.account.leave_out_all(row)
            self._changed()
        else:
            self._children(row)

    def _cell(self, cell: Element) -> None:
        if cell.find("w:tcPr/w:cellDel") is not None:
            self.account.leave_out_all(cell)
            self._changed()
        else:
            self._children(cell)

    def _control(self, control: Element) -> None:
        if is_on(control.find("w:sdtPr"), "w:showingPlcHdr"):
            self.account.leave_out_all(control, PLACEHOLDER)
        else:
            self._children(control)

    def _alternatives(self, element: Element) -> None:
        """The same thing said in several ways: the first that holds text or a drawing is read, the others not."""
        options = [option for option in element if option.tag in ("mc:Choice", "mc:Fallback")]
        chosen = next((option for option in options if _words(option)), options[0] if options else None)
        for option in options:
            if option is chosen:
                self._children(option)
                continue
            if not _words(option) <= _words(chosen):
                self.account.refuse(
                    "it has a part in two versions that differ; open it in Word and save it again"
                )
            self.account.leave_out_all(option)

    def _sized(self, element: Element) -> None:
        self._drawings.enter(element)
        self._children(element)
        self._drawings.leave()

    def _word_art(self, element: Element) -> None:
        self._asides.append(element.get("string", ""))

    def _picture(self, _: Element) -> None:
        if not self._hidden:
            self._drawings.picture()


def _words(element: Element | None) -> set[str]:
    if element is None:
        return set()
    return {
        word
        for node in element.iter()
        if node.tag in ("w:t", "a:t", "m:t")
        for word in (node.text or "").split()
    }
