"""Word documents that are refused: what would be lost, what is broken, and what is made to do harm."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from batch_runner.reading import xml_parts
from batch_runner.reading.errors import EmptyDocument, EncryptedDocument, UnreadableDocument
from batch_runner.reading.files import read_here
from batch_runner.reading.word import body
from batch_runner.tests.documents import paragraph, run, word_document, word_part
from batch_runner.tests.word_parts import INLINE, picture, read


def test_a_header_that_may_hold_the_essay_is_refused(tmp_path: Path) -> None:
    header = word_part("hdr", paragraph("word " * 80))

    with pytest.raises(UnreadableDocument, match="its header holds 80 words; move them into the page"):
        read(tmp_path, paragraph("Title"), parts={"header1": header})


LOST = {
    "a picture of the essay": (
        picture(15, 20),
        "shows 1 picture and only 1 word, so that a part of the essay may be",
    ),
    "a full page": (picture(20, 27), "type in what it says"),
    "a diagram": ("<w:r><w:drawing><dgm:relIds/></w:drawing></w:r>", "a diagram .SmartArt."),
    "ink": ("<w:r><w:contentPart/></w:r>", "handwriting"),
    "an old equation": (
        '<w:r><w:object><o:OLEObject ProgID="Equation.3"/></w:object></w:r>',
        "an older kind",
    ),
    "a document inside": (
        '<w:r><w:object><o:OLEObject ProgID="Word.Document.12"/></w:object></w:r>',
        "Word.Doc",
    ),
    "a form control": ("<w:r><w:object><w:control/></w:object></w:r>", "a form control"),
    "a symbol that is not known": ('<w:r><w:sym w:font="Webdings" w:char="F0FF"/></w:r>', "Webdings F0FF"),
    "an equation field": (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>EQ \\f(1,2)</w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        "a field of the kind EQ",
    ),
    "an empty equation field": ('<w:fldSimple w:instr="EQ \\f(1,2)"/>', "a field of the kind EQ"),
    "a missing footnote": ('<w:r><w:footnoteReference w:id="3"/></w:r>', "a footnote that is not in it"),
    "two versions": (
        f"<mc:AlternateContent><mc:Choice>{run('one')}</mc:Choice><mc:Fallback>{run('another')}</mc:Fallback>"
        "</mc:AlternateContent>",
        "two versions that differ",
    ),
    "text that Word would not write": (
        "<w:r><w:newText>lost</w:newText></w:r>",
        "'lost' in the text would be lost",
    ),
}


@pytest.mark.parametrize("kind", LOST)
def test_what_would_be_lost_is_refused(tmp_path: Path, kind: str) -> None:
    content, reason = LOST[kind]

    with pytest.raises(UnreadableDocument, match=reason):
        read(tmp_path, paragraph("Text. ", content))


def test_an_imported_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="a part imported from another file"):
        read(tmp_path, paragraph("Name: 7"), '<w:altChunk r:id="x"/>')


def test_every_reason_is_named_not_the_first(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read(tmp_path, paragraph("Text. ", LOST["a diagram"][0], LOST["ink"][0]))

    assert "SmartArt" in caught.value.message
    assert "handwriting" in caught.value.message


def test_the_audit_names_a_text_that_the_walk_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_NOT_SHOWN", body._NOT_SHOWN | {"w:hyperlink"})

    with pytest.raises(UnreadableDocument, match=r"'word' in the text would be lost \(in w:r\)"):
        read(tmp_path, paragraph("One ", INLINE["hyperlink"]))


@pytest.mark.parametrize("name", ["EncryptedPackage", "WordDocument"])
def test_a_word_document_with_a_password_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "essay.docx"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512 + name.encode("utf-16-le"))

    with pytest.raises(EncryptedDocument, match=r"save it as \.docx without a password"):
        read_here(path)


def test_a_document_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match=r"^it holds no text$"):
        read(tmp_path, paragraph())


@pytest.mark.parametrize("content", [b"", b"no such document", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "essay.docx").write_bytes(content)

    with pytest.raises(UnreadableDocument, match="that can be opened"):
        read_here(tmp_path / "essay.docx")


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, cut: float) -> None:
    whole = word_document(tmp_path / "whole.docx", paragraph("A text.")).read_bytes()
    (tmp_path / "essay.docx").write_bytes(whole[: int(len(whole) * cut)])

    with pytest.raises(UnreadableDocument):
        read_here(tmp_path / "essay.docx")


HOSTILE = {
    "more than it says": ("<w:document>" + " " * 50_000_000, "holds more than 40 MB"),
    "entities": ('<!DOCTYPE w [<!ENTITY a "aaaa">]><w:document/>', "declares a document type"),
    "nesting": ("<a>" * 5000 + "</a>" * 5000, "nests more than"),
    "no end": ("<a>", "is damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_document_made_to_do_harm_is_refused(tmp_path: Path, kind: str) -> None:
    content, reason = HOSTILE[kind]
    path = word_document(tmp_path / "whole.docx", paragraph("Text."))
    with ZipFile(path) as whole, ZipFile(tmp_path / "essay.docx", "w", ZIP_DEFLATED) as archive:
        for name in whole.namelist():
            archive.writestr(name, content if name == "word/document.xml" else whole.read(name))

    with pytest.raises(UnreadableDocument, match=reason):
        read_here(tmp_path / "essay.docx")


def test_more_elements_than_an_essay_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_parts, "MAX_ELEMENTS", 30)

    with pytest.raises(UnreadableDocument, match="has more than 30 elements; submit the text alone"):
        read(tmp_path, *[paragraph("Text.")] * 10)


def test_a_part_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = word_document(tmp_path / "essay.docx", paragraph("One text."))
    with ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("word/document.xml", "<another/>")

    with pytest.raises(UnreadableDocument, match="holds a part twice"):
        read_here(path)
