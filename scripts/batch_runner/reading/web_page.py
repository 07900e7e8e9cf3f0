"""Web pages (.html), as learning platforms export a text that was typed in: the text without its tags."""

import re
from html.parser import HTMLParser
from typing import Final

from batch_runner.reading.account import shortened
from batch_runner.reading.document import Document
from batch_runner.reading.errors import refuse_for
from batch_runner.reading.pictures import counted

_BLOCKS: Final = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
        "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table",
        "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    }
)  # fmt: skip
_VOID: Final = frozenset(
    {
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
        "wbr",
    }
)  # fmt: skip
_NOT_SHOWN: Final = frozenset({"script", "style", "head", "template", "noscript", "datalist", "title"})
_LOST: Final = {
    "iframe": "another page inside it",
    "object": "an object",
    "embed": "an object",
    "svg": "a drawing",
    "canvas": "a drawing",
    "math": "an equation",
    "video": "a video",
    "audio": "a recording",
    "textarea": "a form field",
    "select": "a form field",
    "frameset": "frames",
}
_SMALL_PIXELS: Final = 64
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def read_web_page(markup: str) -> Document:
    """The text of a page, or ``UnreadableDocument`` with every reason found."""
    page = _Page()
    page.feed(markup)
    page.close()
    page.end_paragraph()
    refuse_for(page.refusals)
    notes = [f"hidden text is left out ({shortened(' '.join(page.hidden))!r})"] if page.hidden else []
    if page.pictures:
        notes.append(f"{counted(page.pictures, 'small picture')}, not judged")
    return Document(text="\n\n".join(page.paragraphs), notes=tuple(notes))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[str] = []
        self.hidden: list[str] = []
        self.refusals: list[str] = []
        self.pictures = 0
        self._line: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []
        """Tags, whether text in them is not shown, and whether it is hidden."""
        self._preformatted = 0
        self._lists: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "p":
            self._close_up_to("p", within=("table", "td", "li", "div", "blockquote"))
        if tag in _BLOCKS:
            self.end_paragraph()
        if tag == "br":
            self._line.append("\n")
        if tag not in _VOID:
            _, unseen, hidden = self._open[-1] if self._open else ("", False, False)
            hidden = hidden or "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")))
            self._open.append((tag, unseen or tag in _NOT_SHOWN, hidden))
        if self._shown():
            self._begin(tag, attributes)

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in _LOST:
            self.refusals.append(f"it shows {_LOST[tag]}, which would be lost; type in what it says")
        elif tag == "img":
            self._picture(attributes)
        elif (
            tag == "input"
            and attributes.get("type", "text").lower() in ("text", "search")
            and attributes.get("value")
        ):
            self.refusals.append("it has a form field that is filled in; type its text into the page")
        elif tag == "pre":
            self._preformatted += 1
        elif tag in ("ol", "ul"):
            start = attributes.get("start", "1")
            self._lists.append(None if tag == "ul" else (int(start) if start.isdecimal() else 1))
        elif tag == "li" and self._lists:
            number = self._lists[-1]
            self._line.append("• " if number is None else f"{number}. ")
            if number is not None:
                self._lists[-1] = number + 1
        elif tag == "rt":
            self._line.append("(")

    def _picture(self, attributes: dict[str, str]) -> None:
        sides = [attributes.get(name, "").removesuffix("px") for name in ("width", "height")]
        if all(side.isdecimal() and int(side) <= _SMALL_PIXELS for side in sides):
            self.pictures += 1
        else:
            self.refusals.append(
                "it shows a picture; type in what it says, or remove it if it is not part of the essay"
            )

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("rt",) and self._shown():
            self._line.append(")")
        if tag in _BLOCKS:
            self.end_paragraph()
        self._close_up_to(tag, within=())
        if tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        if tag in ("ol", "ul") and self._lists:
            self._lists.pop()

    def _close_up_to(self, tag: str, *, within: tuple[str, ...]) -> None:
        """Close the innermost element of this name, and the elements still open inside it."""
        for place in range(len(self._open) - 1, -1, -1):
            name = self._open[place][0]
            if name == tag:
                del self._open[place:]
                return
            if name in within:
                return

    def handle_data(self, data: str) -> None:
        _, unseen, hidden = self._open[-1] if self._open else ("", False, False)
        if unseen:
            return
        if hidden:
            self.hidden += data.split()
        elif self._preformatted:
            self._line.append(data)
        else:
            self._line.append(re.sub(r"[ \t\r\n\f]+", " ", data))

    def unknown_decl(self, data: str) -> None:
        if data.startswith("CDATA[") and self._shown():
            self.handle_data(data[len("CDATA[") :])

    def _shown(self) -> bool:
        return not self._open or not (self._open[-1][1] or self._open[-1][2])

    def end_paragraph(self) -> None:
        """What follows begins a new paragraph."""
        text = "".join(self._line)
        if not self._preformatted:
            text = "\n".join(re.sub(r" {2,}", " ", line).strip() for line in text.split("\n"))
        if text.strip(" \n") and text.strip() not in ("•",):
            self.paragraphs.append(text.strip("\n"))
            self._line = []
        elif text.strip():
            self._line = [text]  # a bullet whose item begins with a block of its own
        else:
            self._line = []
