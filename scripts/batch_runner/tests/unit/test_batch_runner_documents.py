"""Reading the text of an essay from the formats that students hand in."""

from collections.abc import Callable
from pathlib import Path

import docx
import pypdf
import pytest
from batch_runner.documents import EmptyDocument, EncryptedDocument, UnreadableDocument, read_document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.oxml.xmlchemy import BaseOxmlElement
from matplotlib.figure import Figure
from pypdf.generic import NameObject, StreamObject


def text_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def word_file(path: Path, *paragraphs: str, extra: str = "") -> Path:
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if extra:
        element: BaseOxmlElement = parse_xml(f"<w:p {nsdecls('w')}>{extra}</w:p>")
        document.element.body.insert(0, element)
    document.save(str(path))
    return path


def pdf_file(path: Path, *pages: str, change: Callable[[pypdf.PdfWriter], object] | None = None) -> Path:
    writer = pypdf.PdfWriter()
    for number, text in enumerate(pages):
        figure = Figure()
        figure.text(0.1, 0.5, text)
        page = path.with_name(f"page-{number}.pdf")
        figure.savefig(page)
        writer.append(page)
    if change is not None:
        change(writer)
    writer.write(path)
    return path


def make_a_scan(writer: pypdf.PdfWriter) -> None:
    page = writer.add_blank_page(width=100, height=100)
    picture = StreamObject()
    picture[NameObject("/Subtype")] = NameObject("/Image")
    resources = pypdf.generic.DictionaryObject(
        {
            NameObject("/XObject"): pypdf.generic.DictionaryObject(
                {NameObject("/Im0"): writer._add_object(picture)}
            )
        }
    )
    page[NameObject("/Resources")] = resources


@pytest.mark.parametrize("name", ["essay.txt", "essay.md", "ESSAY.TXT"])
@pytest.mark.parametrize("content", ["Åsa skrev.".encode(), b"\xef\xbb\xbf" + "Åsa skrev.".encode()])
def test_text_and_markdown_are_read_as_utf8(tmp_path: Path, name: str, content: bytes) -> None:
    assert read_document(text_file(tmp_path / name, content)) == "Åsa skrev."


def test_a_word_document_gives_its_paragraphs_and_the_text_in_its_tables(tmp_path: Path) -> None:
    path = word_file(tmp_path / "essay.docx", "First.", "", "Second.")
    document = docx.Document(str(path))
    table = document.add_table(rows=1, cols=3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "In two cells."
    table.cell(0, 2).text = "In one."
    document.add_paragraph("Last.")
    document.save(str(path))

    assert read_document(path) == "First.\n\nSecond.\n\nIn two cells.\n\nIn one.\n\nLast."


def test_a_pdf_gives_the_text_of_every_page(tmp_path: Path) -> None:
    text = read_document(pdf_file(tmp_path / "essay.pdf", "The first page.", "The second page."))

    assert text.split("\n\n") == ["The first page.", "The second page."]


def test_a_pdf_that_anyone_may_open_is_read_although_it_is_encrypted(tmp_path: Path) -> None:
    def protect_from_printing(writer: pypdf.PdfWriter) -> None:
        writer.encrypt(user_password="", owner_password="teacher", algorithm="AES-256")

    path = pdf_file(tmp_path / "essay.pdf", "Free to read.", change=protect_from_printing)

    assert read_document(path) == "Free to read."


def test_a_pdf_with_a_password_is_refused(tmp_path: Path) -> None:
    path = pdf_file(tmp_path / "essay.pdf", "Secret.", change=lambda writer: writer.encrypt("password"))

    with pytest.raises(EncryptedDocument, match=r"^essay.pdf: protected by a password; save it without one$"):
        read_document(path)


def test_a_word_document_with_a_password_is_refused(tmp_path: Path) -> None:
    path = text_file(tmp_path / "essay.docx", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512)

    with pytest.raises(EncryptedDocument, match=r"save it as \.docx without a password"):
        read_document(path)


def test_a_scanned_page_is_refused_not_skipped(tmp_path: Path) -> None:
    path = pdf_file(tmp_path / "essay.pdf", "The first page.", change=make_a_scan)

    with pytest.raises(UnreadableDocument, match=r"essay\.pdf: page 2 is a picture without text"):
        read_document(path)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ('<w:ins w:id="1" w:author="A"><w:r><w:t>added</w:t></w:r></w:ins>', "it has tracked changes"),
        (
            "<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>aside</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>",
            "it has a text box",
        ),
    ],
)
def test_a_word_document_of_which_a_part_would_be_lost_is_refused(
    tmp_path: Path, extra: str, reason: str
) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read_document(word_file(tmp_path / "essay.docx", "The rest.", extra=extra))


@pytest.mark.parametrize("name", ["essay.txt", "essay.docx", "essay.pdf"])
def test_a_file_without_text_is_refused(tmp_path: Path, name: str) -> None:
    make: dict[str, Callable[[Path], Path]] = {
        "essay.txt": lambda path: text_file(path, b" \n\t"),
        "essay.docx": word_file,
        "essay.pdf": lambda path: pdf_file(path, change=lambda w: w.add_blank_page(width=9, height=9)),
    }

    with pytest.raises(EmptyDocument, match=f"^{name}: it holds no text$"):
        read_document(make[name](tmp_path / name))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("Åsa".encode("latin-1"), "byte 0 is not UTF-8; save the file as UTF-8", id="latin-1"),
        pytest.param("Åsa".encode("utf-16"), "byte 0 is not UTF-8", id="utf-16"),
        pytest.param("Asa".encode("utf-16-le"), "holds NUL characters", id="utf-16-without-mark"),
    ],
)
def test_an_undecodable_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=f"^essay.txt: {reason}"):
        read_document(text_file(tmp_path / "essay.txt", content))


@pytest.mark.parametrize("name", ["essay.docx", "essay.pdf"])
@pytest.mark.parametrize("content", [b"", b"no such document", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="that can be opened"):
        read_document(text_file(tmp_path / name, content))


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, cut: float) -> None:
    whole = word_file(tmp_path / "whole.docx", "A text.").read_bytes()

    with pytest.raises(UnreadableDocument):
        read_document(text_file(tmp_path / "essay.docx", whole[: int(len(whole) * cut)]))


@pytest.mark.parametrize("name", ["essay.odt", "essay"])
def test_another_format_is_refused_with_those_that_can_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableDocument, match=r"use one of \.txt, \.md, \.docx, \.pdf"):
        read_document(text_file(tmp_path / name, b"text"))
