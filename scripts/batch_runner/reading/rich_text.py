"""Rich text (.rtf): groups and control words read in order, destinations that no reader sees left out by name."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from batch_runner.reading.account import shortened
from batch_runner.reading.code_points import PRIVATE_AREA
from batch_runner.reading.document import Document
from batch_runner.reading.errors import UnreadableDocument, refuse_for
from batch_runner.reading.pictures import counted
from batch_runner.reading.symbols import is_symbol_font, symbol

_TOKEN: Final = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z'])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_NOT_SHOWN: Final = frozenset(
    {
        "fonttbl", "colortbl", "stylesheet", "info", "generator", "listtable", "listoverridetable", "rsidtbl",
        "pgptbl", "themedata", "colorschememapping", "datastore", "latentstyles", "xmlnstbl", "filetbl",
        "revtbl", "userprops", "fldinst", "datafield", "bkmkstart", "bkmkend", "template", "docvar", "mmathPr",
        "xe", "tc", "tcn", "pntxta", "pntxtb", "pn", "pnseclvl", "listname", "defchp", "defpap", "operator",
        "author", "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "wgrffmtfilter", "protusertbl",
        "shpinst", "sp", "background", "nonshppict", "passwordhash", "writereservhash", "htmltag", "fontemb",
        "falt", "panose", "objdata", "objclass", "objname", "blipuid", "picprop", "mailmerge", "factoidname",
        "formfield", "ffname", "ffdeftext", "atrfstart", "atrfend", "atnicn", "hlinkbase", "private", "keycode",
        "shprslt", "ud", "listpicture",
    }
)  # fmt: skip
_MARGINS: Final = {"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"}
_COMMENTS: Final = {"annotation", "atnid", "atnauthor", "atnref", "atndate", "atntime", "atnparent"}
_SHOWN: Final = {"shptxt", "fldrslt", "listtext", "pntext", "footnote", "objresult", "result", "upr", "field"}
_CHARACTERS: Final = {
    "par": "\n\n", "sect": "\n\n", "page": "\n\n", "cell": "\n\n", "row": "\n\n", "nestcell": "\n\n",
    "nestrow": "\n\n", "line": "\n", "lbr": "\n", "column": "\n", "tab": "\t", "emdash": "—", "endash": "–",
    "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ",
    "enspace": " ", "qmspace": " ", "zwj": "", "zwnj": "", "softline": "",
}  # fmt: skip
_ESCAPED: Final = {
    "~": " ",
    "-": "",
    "_": "-",
    "\\": "\\",
    "{": "{",
    "}": "}",
    "\n": "\n\n",
    "\r": "\n\n",
    "\t": "\t",
}
_CODE_PAGES: Final = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_CHARSETS: Final = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 2: "symbol",
}  # fmt: skip
_MAX_UNIT: Final = 0xFFFF
_MAX_DEPTH: Final = 500


@dataclass(frozen=True, slots=True)
class _Group:
    destination: str = "text"
    optional: bool = False
    hidden: bool = False
    deleted: bool = False
    font: int | None = None
    skip: int = 1
    """Characters after each Unicode one that repeat it for older programs."""


@dataclass
class _Reader:
    pieces: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    margins: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    fonts: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Names and encodings."""
    codec: str = "cp1252"
    default_font: int | None = None
    pictures: int = 0
    comments: int = 0
    deletions: int = 0
    pending: bytearray = field(default_factory=bytearray)
    to_skip: int = 0
    notes: list[list[str]] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=lambda: [_Group()])

    @property
    def group(self) -> _Group:
        return self.groups[-1]

    @group.setter
    def group(self, group: _Group) -> None:
        self.groups[-1] = group

    def read(self, content: bytes) -> None:
        place = 0
        while place < len(content):
            token = _TOKEN.match(content, place)
            if token is None:
                raise UnreadableDocument(
                    f"byte {place} is not rich text; open it in its program and save it again"
                )
            place = token.end()
            if token[3] is not None:
                self.byte(int(token[3], 16))
                continue
            if token[6] is not None:
                self.plain(token[6])
                continue
            self.flush()
            if token[1] is not None:
                number = None if token[2] is None else int(token[2])
                if token[1] == b"bin" and number is not None and number > 0:
                    place += number
                else:
                    self.word(token[1].decode("ascii"), number)
            elif token[4] is not None:
                self.escaped(token[4].decode("latin-1"))
            elif token[5] == b"{":
                self.begin()
            elif token[5] == b"}" and self.end():
                self.check_rest(content[place:])
                break
        self.flush()
        if len(self.groups) > 1:
            raise UnreadableDocument("it ends in the middle; open it in its program and save it again")

    def check_rest(self, rest: bytes) -> None:
        if rest.strip(b"\x00 \r\n\t"):
            raise UnreadableDocument("text follows after its end; open it in its program and save it again")

    def begin(self) -> None:
        if len(self.groups) > _MAX_DEPTH:
            raise UnreadableDocument(f"it nests more than {_MAX_DEPTH} groups; save it again")
        self.to_skip = 0
        self.groups.append(replace(self.group, optional=False))

    def end(self) -> bool:
        """Close a group; True where it was the document."""
        self.groups.pop()
        self.to_skip = 0
        if not self.groups:
            self.groups.append(_Group())
            return True
        return len(self.groups) == 1

    def word(self, word: str, number: int | None) -> None:
        on = number != 0
        if word in _NOT_SHOWN or word in _MARGINS or word in _COMMENTS or word in _SHOWN:
            self.destination(word)
        elif word == "pict":
            if self.group.destination not in _NOT_SHOWN:
                self.pictures += 1
            self.group = replace(self.group, destination="pict")
        elif word == "mmath":
            self.refusals.append("it has an equation, which would be lost; type it in")
        elif word == "object" and self.group.destination not in _NOT_SHOWN:
            self.refusals.append(
                "it has an object of another program, which would be lost; type in what it shows"
            )
        elif self.group.optional:
            self.group = replace(self.group, destination="unknown")
        elif word in _CHARACTERS:
            self.emit(_CHARACTERS[word])
        elif word == "u" and number is not None:
            self.unicode(number)
        else:
            self.property(word, number, on=on)

    def property(self, word: str, number: int | None, *, on: bool) -> None:
        match word:
            case "uc":
                self.group = replace(self.group, skip=max(number or 0, 0))
            case "v":
                self.group = replace(self.group, hidden=on)
            case "deleted":
                self.group = replace(self.group, deleted=on)
                self.deletions += on
            case "revised":
                self.deletions += on
            case "plain":
                self.group = replace(self.group, hidden=False, deleted=False, font=self.default_font)
            case "f" if self.group.destination == "fonttbl":
                self.group = replace(self.group, font=number)
                self.fonts[number or 0] = ("", self.codec)
            case "f":
                self.group = replace(self.group, font=number)
            case "deff":
                self.default_font = number
                self.group = replace(self.group, font=number)
            case "fcharset" if self.group.destination == "fonttbl":
                name, _ = self.fonts.get(self.group.font or 0, ("", ""))
                self.fonts[self.group.font or 0] = (name, _CHARSETS.get(number or 0, self.codec))
            case "ansicpg":
                self.codec = _known_codec(f"cp{number}", self.codec)
            case _ if word in _CODE_PAGES:
                self.codec = _CODE_PAGES[word]

    def destination(self, word: str) -> None:
        if word in _COMMENTS:
            self.comments += word == "annotation"
            self.group = replace(self.group, destination="comment")
        elif word in _MARGINS:
            self.group = replace(self.group, destination="margin")
        elif word == "footnote":
            self.notes.append([])
            self.emit(f"[{len(self.notes)}]")
            self.group = replace(self.group, destination="footnote", optional=False)
        elif word in _SHOWN:
            opens = word in ("shptxt", "objresult") and self.group.destination not in (
                "comment",
                "margin",
                "footnote",
            )
            self.group = replace(
                self.group, destination="text" if opens else self.group.destination, optional=False
            )
        else:
            self.group = replace(self.group, destination=word)

    def escaped(self, character: str) -> None:
        if character == "*":
            self.group = replace(self.group, optional=True)
        elif character in _ESCAPED:
            self.emit(_ESCAPED[character])

    def unicode(self, number: int) -> None:
        code = number + 65536 if number < 0 else number
        if not 0 <= code <= _MAX_UNIT:
            raise UnreadableDocument(
                f"it has a character \\u{number}, which does not exist; save it again in its program"
            )
        self.emit_code(code)
        self.to_skip = self.group.skip

    def byte(self, value: int) -> None:
        if self.to_skip:
            self.to_skip -= 1
        else:
            self.pending.append(value)

    def plain(self, content: bytes) -> None:
        skipped = min(self.to_skip, len(content))
        self.to_skip -= skipped
        self.pending += content[skipped:]

    def flush(self) -> None:
        """Decode the bytes that were collected, by the font's encoding."""
        if not self.pending:
            return
        content, self.pending = bytes(self.pending), bytearray()
        name, codec = self.fonts.get(-1 if self.group.font is None else self.group.font, ("", self.codec))
        if self.group.destination == "fonttbl" and self.group.font is not None:
            self.fonts[self.group.font] = (name + content.decode("latin-1").rstrip(";"), codec)
        elif self.group.destination == "author":
            self.authors.append(content.decode(self.codec, "replace").strip())
        elif codec == "symbol" or is_symbol_font(name):
            for code in content:
                self.emit_symbol(name, code)
        else:
            try:
                self.emit(content.decode(codec))
            except UnicodeDecodeError:
                if self.group.destination in ("text", "footnote"):
                    self.refusals.append(
                        f"it has bytes that are not {codec}; open it in its program and save it again"
                    )

    def emit_code(self, code: int) -> None:
        name, codec = self.fonts.get(-1 if self.group.font is None else self.group.font, ("", ""))
        if codec == "symbol" or is_symbol_font(name) or code in PRIVATE_AREA:
            self.emit_symbol(name, code)
        else:
            self.emit(chr(code))

    def emit_symbol(self, font: str, code: int) -> None:
        found = symbol(font if is_symbol_font(font) else "Symbol", code)
        if found is None and self.group.destination in ("text", "footnote"):
            self.refusals.append(
                f"it has a symbol ({font} {code:02X}) whose meaning is not known; write a word instead"
            )
        self.emit(found or "")

    def emit(self, text: str) -> None:
        if self.group.destination == "margin":
            self.margins.append(text)
        elif self.group.destination not in ("text", "footnote") or self.group.deleted:
            return
        elif self.group.hidden:
            self.hidden.append(text)
        elif self.group.destination == "footnote":
            self.notes[-1].append(text)
        else:
            self.pieces.append(text)


def read_rich_text(content: bytes) -> Document:
    """The text of a document, or ``UnreadableDocument`` with every reason found."""
    reader = _Reader()
    reader.read(content)
    if reader.pictures:
        reader.refusals.append(
            f"it shows {counted(reader.pictures, 'picture')}; save it as .docx or PDF, or remove what is not part of"
            " the essay"
        )
    refuse_for(reader.refusals)
    text = _joined(reader.pieces)
    notes = (
        f"[{number}] {' '.join(''.join(parts).split())}" for number, parts in enumerate(reader.notes, start=1)
    )
    try:
        whole = "\n\n".join(part for part in (text, *notes) if part.strip())
        whole = whole.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            "it holds half a character; open it in its program and save it again"
        ) from error
    return Document(text=whole, notes=tuple(_remarks(reader)), authors=tuple(filter(None, reader.authors)))


def _joined(pieces: list[str]) -> str:
    paragraphs = (part.strip("\n") for part in "".join(pieces).split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph.strip())


def _remarks(reader: _Reader) -> list[str]:
    margins, hidden = ("".join(parts).strip() for parts in (reader.margins, reader.hidden))
    remarks = {
        f"the header or footer is left out ({shortened(margins)!r})": bool(margins),
        f"hidden text is left out ({shortened(hidden)!r})": bool(hidden),
        f"{counted(reader.comments, 'comment')} left out": bool(reader.comments),
        "tracked changes, read as if they were accepted": bool(reader.deletions),
    }
    return [remark for remark, applies in remarks.items() if applies]


def _known_codec(name: str, otherwise: str) -> str:
    try:
        b"".decode(name)
    except LookupError:
        return "utf-8" if name == "cp65001" else otherwise
    return name
