"""Reading a Word document: its body with footnotes and endnotes; headers, footers and comments are noted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from batch_runner.reading.account import Account, shortened
from batch_runner.reading.document import Document
from batch_runner.reading.errors import UnreadableDocument, refuse_for
from batch_runner.reading.pictures import counted
from batch_runner.reading.word.audit import audit
from batch_runner.reading.word.body import Walk
from batch_runner.reading.word.drawings import Drawings
from batch_runner.reading.word.numbering import Numbering, numeral
from batch_runner.reading.word.package import KIND, Relation, WordPackage
from batch_runner.reading.word.styles import Styles

MAX_MARGIN_WORDS: Final = 60
"""A header or footer of more words may hold a part of the essay."""


def read_word(path: Path) -> Document:
    """The text of a document, or ``UnreadableDocument`` with every reason found."""
    with WordPackage(path) as package:
        main = package.main_part()
        root = package.parse(main)
        if root.find("w:body") is None:
            raise UnreadableDocument(f"not {KIND} that can be opened; save it again in Word")
        return _read(package, package.relations(main), root)


def _read(package: WordPackage, relations: dict[str, Relation], root: Element) -> Document:
    account = Account()
    styles = Styles.of(_part(package, relations, "styles"))
    drawings = Drawings(root, account)
    walk = Walk(
        styles=styles,
        numbering=Numbering.of(_part(package, relations, "numbering"), styles),
        drawings=drawings,
        account=account,
    )
    paragraphs = walk.paragraphs(root)
    audit(root, account, part="the text")
    paragraphs += _notes(package, relations, walk, "footnote", "decimal")
    paragraphs += _notes(package, relations, walk, "endnote", "lowerRoman")
    text = "\n\n".join(paragraphs)
    drawings.judge(words=len(text.split()))
    _mention_margins(package, relations, account)
    _mention_comments(package, relations, account)
    refuse_for(account.refusals)
    return Document(text=text, notes=tuple(account.all_notes()), authors=tuple(_authors(package)))


def _part(package: WordPackage, relations: dict[str, Relation], kind: str) -> Element | None:
    return next((root for _, root in package.parts_of(relations, kind)), None)


def _notes(
    package: WordPackage, relations: dict[str, Relation], walk: Walk, kind: str, style: str
) -> Iterator[str]:
    references = walk.footnotes if kind == "footnote" else walk.endnotes
    if not references:
        return
    root = _part(package, relations, f"{kind}s")
    notes = {} if root is None else {note.get("w:id", ""): note for note in root.iter(f"w:{kind}")}
    for number, reference in enumerate(list(references), start=1):
        if reference not in notes:
            walk.account.refuse(f"it refers to a {kind} that is not in it; open it in Word and save it again")
            continue
        note = notes[reference]
        text = "\n".join(part.strip() for part in walk.paragraphs(note))
        audit(note, walk.account, part=f"a {kind}")
        yield f"[{numeral(number, style)}] {text}"


def _mention_margins(package: WordPackage, relations: dict[str, Relation], account: Account) -> None:
    for name, root in package.parts_of(relations, "header", "footer"):
        kind = "header" if "header" in name else "footer"
        words = _margin_words(root)
        if len(words) > MAX_MARGIN_WORDS:
            account.refuse(f"its {kind} holds {len(words)} words; move them into the page")
        elif any(any(character.isalpha() for character in word) for word in words):
            account.note(f"the {kind} is left out ({shortened(' '.join(words))!r})")


def _margin_words(root: Element) -> list[str]:
    """The words of a header's paragraphs. The versions of a text box for older programs count once."""
    left_out = {
        id(node)
        for alternatives in root.iter("mc:AlternateContent")
        for fallback in alternatives.findall("mc:Fallback")
        for node in fallback.iter()
    }
    paragraphs = (
        "".join(node.text or "" for node in paragraph.iter("w:t") if id(node) not in left_out)
        for paragraph in root.iter("w:p")
        if id(paragraph) not in left_out
    )
    return " ".join(paragraphs).split()


def _mention_comments(package: WordPackage, relations: dict[str, Relation], account: Account) -> None:
    comments = _part(package, relations, "comments")
    number = 0 if comments is None else len(list(comments.iter("w:comment")))
    if number:
        account.note(f"{counted(number, 'comment')} left out")


def _authors(package: WordPackage) -> Iterator[str]:
    properties = _part(package, package.relations(""), "core-properties")
    for tag in () if properties is None else ("dc:creator", "cp:lastModifiedBy"):
        for element in properties.iter(tag) if properties is not None else ():
            if element.text and element.text.strip():
                yield element.text.strip()
