"""The text of a PDF is held against what its pages show: what is not text is refused with its page."""

from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from batch_runner.reading.document import Document
from batch_runner.reading.errors import EmptyDocument, EncryptedDocument, UnreadableDocument
from batch_runner.reading.files import read_here
from batch_runner.tests.documents import PICTURE, PICTURE_RESOURCES, pdf_document, picture, shown

WORDS = tuple("The quick brown fox jumps over the lazy dog and rests a while in the sun." for _ in range(30))


def read(folder: Path, *pages: str, **more: str | list[str]) -> Document:
    return read_here(pdf_document(folder / "essay.pdf", *pages, **more))  # type: ignore[arg-type]


def with_picture(folder: Path, *pages: str) -> Document:
    return read(folder, *pages, resources=PICTURE_RESOURCES, objects=[PICTURE])


def test_the_pages_follow_each_other(tmp_path: Path) -> None:
    text = read(tmp_path, shown("The first page."), shown("The second", "page.")).text

    assert text == "The first page.\n\nThe second\npage."


def test_a_heading_that_is_drawn_several_times_is_read_once(tmp_path: Path) -> None:
    bold = " ".join(f"BT /F1 14 Tf {50 + step / 4} 800 Td (My summer) Tj ET" for step in range(4))

    assert read(tmp_path, bold + shown("It rained.")).text == "My summer\nIt rained."


def test_words_set_apart_by_their_place_alone_are_apart(tmp_path: Path) -> None:
    apart = "BT /F1 11 Tf 50 780 Td (I) Tj 12 0 Td (went) Tj 30 0 Td (home) Tj ET"

    assert read(tmp_path, apart).text == "I went home"


def test_a_word_that_is_divided_at_the_end_of_a_line_stays_as_the_page_shows_it(tmp_path: Path) -> None:
    assert read(tmp_path, shown("A manip-", "ulation of it.")).text == "A manip-\nulation of it."


def test_a_page_that_is_a_picture_is_refused_also_under_a_typed_header(tmp_path: Path) -> None:
    pages = [shown("All of this is text."), shown("English 5, Student 7") + picture(500, 700)]

    with pytest.raises(
        UnreadableDocument, match=r"^page 2 shows a picture without text \(\d+% of the page\)"
    ):
        with_picture(tmp_path, *pages)


def test_a_scan_in_strips_is_a_picture(tmp_path: Path) -> None:
    strips = " ".join(picture(500, 70, bottom=40 + 70 * number) for number in range(10))

    with pytest.raises(UnreadableDocument, match="page 1 shows a picture"):
        with_picture(tmp_path, shown("Header") + strips)


def test_a_scan_inside_a_drawing_is_found(tmp_path: Path) -> None:
    drawing = (
        "<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Matrix [500 0 0 700 40 40]"
        " /Resources << /XObject << /Im0 10 0 R >> >> /Length 8 >>\nstream\n/Im0 Do \nendstream"
    )

    with pytest.raises(UnreadableDocument, match="page 1 shows a picture"):
        read(
            tmp_path,
            shown("Header") + " /Fm0 Do",
            resources="/XObject << /Fm0 11 0 R >>",
            objects=[PICTURE, drawing],
        )


def test_a_picture_beside_much_text_is_mentioned(tmp_path: Path) -> None:
    found = with_picture(tmp_path, shown(*WORDS) + picture(200, 200))

    assert found.notes == ("a picture on page 1, not judged",)


def test_a_picture_with_recognised_text_is_read_and_said_to_be_one(tmp_path: Path) -> None:
    found = with_picture(tmp_path, picture(595, 842, left=0, bottom=0) + shown(*WORDS, mode=3))

    assert found.text.count("quick brown fox") == 30
    assert found.notes == ("page 1 is a picture with text on it, which is read",)


def outlines(letters: int) -> str:
    """Letters as shapes, eight points apart in a row."""
    return " ".join(
        f"{50 + 8 * place} 700 m {52 + 8 * place} 708 l {55 + 8 * place} 708 l {56 + 8 * place} 700 l h f"
        for place in range(letters)
    )


def test_a_page_of_drawn_letters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="page 2 shows drawing that may be letters"):
        read(tmp_path, shown("The first page is text."), outlines(40))


def test_a_line_of_drawn_letters_beside_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="page 1 shows drawing that may be letters"):
        read(tmp_path, shown("A heading is text, and the rest of the page is not.", top=800) + outlines(40))


def test_a_mark_with_a_few_drawn_letters_and_ruled_lines_are_not_text(tmp_path: Path) -> None:
    rules = " ".join(f"50 {100 + 10 * line} m 500 {100 + 10 * line} l S" for line in range(60))

    found = read(tmp_path, shown(*WORDS) + outlines(12) + " " + rules)

    assert found.notes == ("a few drawn letters on page 1, not judged",)


def test_a_font_that_does_not_say_what_its_letters_mean_is_refused(tmp_path: Path) -> None:
    names = " ".join(f"/g{number}" for number in range(26))
    widths = " ".join("500" for _ in range(26))
    font = (
        "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 500 500] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 97"
        f" /LastChar 122 /Widths [{widths}] /Encoding << /Type /Encoding /Differences [97 {names}] >>"
        f" /CharProcs << {' '.join(f'/g{number} 11 0 R' for number in range(26))} >> >>"
    )
    glyph = "<< /Length 40 >>\nstream\n500 0 0 0 500 500 d1 0 0 400 400 re f    \nendstream"

    with pytest.raises(UnreadableDocument, match="characters whose meaning its fonts do not say"):
        read(
            tmp_path,
            "BT /F2 11 Tf 50 700 Td (the dancers were frightened) Tj ET",
            resources="/Font << /F1 3 0 R /F2 10 0 R >>",
            objects=[font, glyph],
        )


def mapped(meaning: str) -> list[str]:
    """A font whose letter "a" means this, in UTF-16 as hexadecimal digits."""
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def"
        " 1 begincodespacerange <00> <FF> endcodespacerange"
        f" 1 beginbfchar <61> <{meaning}> endbfchar endcmap end end"
    )
    font = (
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding /ToUnicode 11 0 R >>"
    )
    return [font, f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream"]


FIRST_LINE = shown("Everything else on this page is written in a font that says what its letters mean.")


@pytest.mark.parametrize(
    ("meaning", "text", "notes"),
    [
        ("D83DDE00", "\n😀", ()),
        ("D835", "", ("1 sign without a meaning on page 1, left out",)),
        ("F0B7", "", ("1 sign without a meaning on page 1, left out",)),
    ],
)
def test_a_sign_is_read_by_its_fonts_map_and_one_without_a_meaning_is_left_out_and_said(
    tmp_path: Path, meaning: str, text: str, notes: tuple[str, ...]
) -> None:
    found = read(
        tmp_path,
        f"{FIRST_LINE} BT /F2 11 Tf 50 700 Td (a) Tj ET",
        resources="/Font << /F1 3 0 R /F2 10 0 R >>",
        objects=mapped(meaning),
    )

    assert found.text.startswith("Everything else")
    assert found.text.partition("mean.")[2] == text
    assert found.notes == notes


@pytest.mark.parametrize("meaning", ["D835", "F0B7", "0000"])
def test_more_than_a_few_signs_without_a_meaning_are_refused(tmp_path: Path, meaning: str) -> None:
    with pytest.raises(UnreadableDocument, match="characters whose meaning its fonts do not say"):
        read(
            tmp_path,
            f"{FIRST_LINE} BT /F2 11 Tf 50 700 Td (aaaaaaaaa) Tj ET",
            resources="/Font << /F1 3 0 R /F2 10 0 R >>",
            objects=mapped(meaning),
        )


def test_text_without_its_spaces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="page 1 has lost the spaces between its words"):
        read(tmp_path, shown(*["Thequickbrownfoxjumpsoverthelazydogandrestsawhile"] * 4))


def test_text_that_no_reader_sees_is_refused_and_white_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"page 1 has text that no reader sees \('Choose me\.'\)"):
        read(tmp_path, shown("Seen.") + shown("Choose me.", top=100, mode=3))

    with pytest.raises(UnreadableDocument, match=r"page 1 has text that no reader sees \('Choose me\.'\)"):
        read(tmp_path, shown("Seen.") + shown("Choose me.", top=-300))

    found = read(tmp_path, shown("Seen.") + shown("Choose me.", top=100, colour="1 g"))
    assert found.notes == ("white text on page 1: 'Choose me.'",)


ANNOTATIONS = {
    "text written onto the page": ("/Subtype /FreeText /Contents (My answer.) /DA (/F1 10 Tf)", "My answer."),
    "a form field": ("/Subtype /Widget /FT /Tx /T (a) /V (My answer.) /DA (/F1 10 Tf)", "My answer."),
}


@pytest.mark.parametrize("what", ANNOTATIONS)
def test_what_was_typed_onto_the_page_is_read(tmp_path: Path, what: str) -> None:
    entries, text = ANNOTATIONS[what]

    found = read(
        tmp_path,
        shown("Question."),
        objects=[f"<< /Type /Annot /Rect [50 500 300 600] {entries} >>"],
        page="/Annots [10 0 R]",
        catalog="/AcroForm << /Fields [10 0 R] >>",
    )

    assert found.text == f"Question.\n{text}"


def test_comments_are_left_out_and_said(tmp_path: Path) -> None:
    note = "<< /Type /Annot /Subtype /Text /Rect [50 500 70 520] /Contents (Good!) >>"

    found = read(tmp_path, shown("Mine."), objects=[note], page="/Annots [10 0 R]")

    assert (found.text, found.notes) == ("Mine.", ("comments on page 1 left out",))


def test_handwriting_is_refused(tmp_path: Path) -> None:
    strokes = " ".join(f"[{50 + 5 * number} 500 {52 + 5 * number} 520]" for number in range(40))
    ink = f"<< /Type /Annot /Subtype /Ink /Rect [50 500 300 600] /InkList [{strokes}] >>"

    with pytest.raises(UnreadableDocument, match="page 1 shows handwriting"):
        read(tmp_path, shown("Question."), objects=[ink], page="/Annots [10 0 R]")


def test_a_form_of_the_xfa_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="an XFA form, whose text is not in its pages"):
        read(
            tmp_path,
            shown("Please wait..."),
            objects=["<< /Length 6 >>\nstream\n<xdp/>\nendstream"],
            catalog="/AcroForm << /Fields [] /XFA 10 0 R >>",
        )


def changed(folder: Path, change: Callable[[pypdf.PdfWriter], object]) -> Path:
    writer = pypdf.PdfWriter(clone_from=pdf_document(folder / "plain.pdf", shown("Free to read.")))
    change(writer)
    path = folder / "essay.pdf"
    writer.write(path)
    return path


def test_a_pdf_with_attached_files_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda writer: writer.add_attachment("essay.docx", b"PK"))

    with pytest.raises(UnreadableDocument, match="has 1 attached file"):
        read_here(path)


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
def test_a_pdf_that_anyone_may_open_is_read_although_it_is_encrypted(tmp_path: Path, algorithm: str) -> None:
    path = changed(tmp_path, lambda writer: writer.encrypt("", "teacher", algorithm=algorithm))

    assert read_here(path).text == "Free to read."


def test_a_pdf_with_a_password_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda writer: writer.encrypt("password"))

    with pytest.raises(EncryptedDocument, match=r"^protected by a password; save it without one$"):
        read_here(path)


def test_the_author_of_the_properties_is_known(tmp_path: Path) -> None:
    path = changed(tmp_path, lambda writer: writer.add_metadata({"/Author": "Anna Ek"}))

    assert read_here(path).authors == ("Anna Ek",)


def test_an_empty_page_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument):
        read(tmp_path, "")


@pytest.mark.parametrize("content", [b"", b"no such document", b"%PDF-1.7\nnothing"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "essay.pdf").write_bytes(content)

    with pytest.raises(UnreadableDocument, match="not a PDF that can be opened"):
        read_here(tmp_path / "essay.pdf")


def test_more_pages_than_an_essay_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="has 301 pages, more than 300"):
        read(tmp_path, *[shown("x")] * 301)
