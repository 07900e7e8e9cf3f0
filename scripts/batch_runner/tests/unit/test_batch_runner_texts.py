"""Plain text, rich text, OpenDocument and web pages: read whole, or refused with what to do."""

from pathlib import Path

import pytest
from batch_runner.reading.document import Document
from batch_runner.reading.errors import EmptyDocument, EncryptedDocument, UnreadableDocument
from batch_runner.reading.files import read_here
from batch_runner.tests.documents import open_document


def read(folder: Path, name: str, content: bytes) -> Document:
    (folder / name).write_bytes(content)
    return read_here(folder / name)


@pytest.mark.parametrize("name", ["essay.txt", "essay.md", "ESSAY.TXT", "essay.text"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_in_the_encoding_that_it_proves(tmp_path: Path, name: str, encoding: str) -> None:
    assert read(tmp_path, name, "Åsa skrev.\r\nMer.".encode(encoding)) == Document(text="Åsa skrev.\nMer.")


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("Åsa går hem.", "cp1252", "Windows-1252"),
        ("It’s mine – “really”.", "cp1252", "Windows-1252"),
        ("Åsa går hem över ån.", "mac_roman", "Mac Roman"),
        ("Åsa går hem över ån.", "cp850", "DOS 850"),
        ("Åsa går hem.", "utf-16-le", "UTF-16"),
        ("Zażółć gęślą jaźń.", "cp1250", "Windows-1250"),
        ("Zażółć gęślą jaźń.", "iso8859_2", "Latin-2"),
    ],
)
def test_a_guessed_encoding_is_said_to_be_guessed(
    tmp_path: Path, text: str, encoding: str, name: str
) -> None:
    found = read(tmp_path, "essay.txt", text.encode(encoding))

    assert (found.text, found.notes) == (text, (f"its encoding is guessed to be {name}",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"abc \xff\xfe\x81 \x8d\x00", "no other encoding is certain|NUL"),
        (b"A\x00B", "holds NUL characters; save it again as UTF-8 text"),
        ("Energy \ufffd is".encode(), r"a character without a meaning \(U\+FFFD\) after 'Energy'"),
        ("Energy \ue001 is".encode(), r"U\+E001"),
        (b"Energy \x1b is", r"U\+001B"),
        ("\ud83d half".encode("utf-8", "surrogatepass"), "holds half a character at byte 0"),
        (b"\xff\xfeA", "is not UTF-16, as the file begins"),
        (b"", "it holds no text"),
        (b" \n\t\xef\xbb\xbf", "it holds no text"),
        (b"x" * (5 * 1024 * 1024), "has 5 MB, more than 4 MB"),
        (b"x" * 1_000_001, "has 1000001 characters, more than 1000000"),
    ],
)
def test_what_is_not_a_whole_text_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read(tmp_path, "essay.txt", content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (rb"{\rtf1 text}", r"this is rich text \(RTF\), not plain text; rename it to essay.rtf"),
        (b"%PDF-1.7 ...", "this is a PDF, not plain text; rename it to essay.pdf"),
        (b"<!DOCTYPE html><p>Hello</p>", r"this is a web page \(HTML\), not plain text"),
        (b"<p>One</p><p>Two</p>", "this is a web page"),
        (b"\x89PNG\r\n\x1a\n", r"this is a picture \(PNG\), not plain text"),
        (b"\xff\xd8\xff\xe0", r"a picture \(JPEG\)"),
        (b"MIME-Version: 1.0\r\n", "a web archive"),
    ],
)
def test_a_file_that_is_something_else_is_refused_by_what_it_is(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read(tmp_path, "essay.txt", content)


def test_an_essay_about_tags_is_text(tmp_path: Path) -> None:
    text = "A page needs <html> and <p>tags</p> around its text."

    assert read(tmp_path, "essay.txt", text.encode()).text == text


@pytest.mark.parametrize("name", ["essay.doc", "essay.xyz", "essay"])
def test_another_format_is_refused_with_those_that_can_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UnreadableDocument, match=r"use one of \.txt, \.md, \.docx, \.odt, \.rtf, \.pdf, \.html"
    ):
        read(tmp_path, name, b"text")


RICH = {
    "paragraphs": (rb"One.\par Two.\line Three.\tab Four.", "One.\n\nTwo.\nThree.\tFour."),
    "code pages": (rb"\'c5sa g\'e5r", "Åsa går"),
    "Unicode": (rb"\uc1\u8217\'92s \u-10179?\u-8704? end", "’s 😀 end"),
    "no replacement": (rb"\uc0\u229 ngest", "ångest"),
    "a font's own encoding": (
        rb"{\fonttbl{\f0\fcharset204 Arial;}{\f1\fcharset0 Arial;}}\f0 \'cf\'f0\f1 \'e5",
        "Прå",
    ),
    "symbols": (rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset2 Wingdings;}}a {\f1\'fc} b", "a ✓ b"),
    "numbers of lists": (rb"{\listtext 1.\tab}First\par{\listtext 2.\tab}Second", "1.\tFirst\n\n2.\tSecond"),
    "a table": (rb"\trowd\intbl A\cell B\cell\row C", "A\n\nB\n\nC"),
    "a field": (rb"see {\field{\*\fldinst HYPERLINK x}{\fldrslt this}}", "see this"),
    "a footnote": (rb"so{\footnote See Ek.} it is", "so[1] it is\n\n[1] See Ek."),
    "a text box": (
        rb"a{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt in the box}}{\shprslt copy}} b",
        "ain the box b",
    ),
    "what is not shown": (rb"{\*\generator X;}{\info{\title T}}{\stylesheet{\s0 Normal;}}Text", "Text"),
    "quotation marks": (rb"\ldblquote so\rdblquote \endash \lquote a\rquote", "“so”–‘a’"),
}


@pytest.mark.parametrize("kind", RICH)
def test_rich_text_is_read_as_it_is_shown(tmp_path: Path, kind: str) -> None:
    content, expected = RICH[kind]

    assert read(tmp_path, "essay.rtf", rb"{\rtf1\ansi\ansicpg1252 " + content + b"}").text == expected


def test_rich_text_names_what_is_left_out(tmp_path: Path) -> None:
    content = (
        rb"{\rtf1{\info{\author Anna Ek}}{\header Anna}Seen.{\v secret}{\deleted gone}{\*\annotation Good!}}"
    )

    found = read(tmp_path, "essay.rtf", content)

    assert (found.text, found.authors) == ("Seen.", ("Anna Ek",))
    assert found.notes == (
        "the header or footer is left out ('Anna')",
        "hidden text is left out ('secret')",
        "1 comment left out",
        "tracked changes, read as if they were accepted",
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (rb"{\rtf1 Text {\pict\pngblip 89504e47}}", "it shows 1 picture"),
        (rb"{\rtf1 Text {\*\shppict{\pict 00}}{\nonshppict{\pict 00}}}", "it shows 1 picture"),
        (rb"{\rtf1 Text {\object\objemb{\*\objdata 00}}}", "an object of another program"),
        (rb"{\rtf1 Text {\mmath x}}", "an equation"),
        (rb"{\rtf1 Text", "ends in the middle"),
        (rb"{\rtf1 Text \u1234567?}", r"a character .u1234567, which does not exist"),
        (rb"{\rtf1 Text} and more}", "text follows after its end"),
        (rb"{\rtf1 \u-10179? half}", "holds half a character"),
        (b"{\\rtf1 " + b"{" * 600 + b"x" + b"}" * 601, "nests more than"),
    ],
)
def test_rich_text_that_cannot_be_read_whole_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read(tmp_path, "essay.rtf", content)


STYLES = (
    '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
    '<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1"'
    ' style:num-suffix="."/><text:list-level-style-bullet text:level="2" text:bullet-char="–"/></text:list-style>'
)


def item(*content: str) -> str:
    return f"<text:list-item>{''.join(content)}</text:list-item>"


OPEN = {
    "spaces": ('<text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d</text:p>', "a  b\tc\nd"),
    "a list": (
        '<text:list text:style-name="L">'
        + item("<text:p>One</text:p>", f"<text:list>{item('<text:p>Sub</text:p>')}</text:list>")
        + item("<text:p>Two</text:p><text:p>more</text:p>")
        + "</text:list>",
        "1. One\n\n– Sub\n\n2. Two\n\nmore",
    ),
    "a footnote": (
        "<text:p>so<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>See Ek.</text:p>"
        "</text:note-body></text:note> it is</text:p>",
        "so[1] it is\n\n[1] See Ek.",
    ),
    "a table": (
        "<table:table><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell>"
        "<table:covered-table-cell><text:p>old</text:p></table:covered-table-cell></table:table-row></table:table>"
        "<text:p>B</text:p>",
        "A\n\nB",
    ),
    "a text box": (
        "<text:p>a<draw:frame><draw:text-box><text:p>in the box</text:p></draw:text-box></draw:frame>b</text:p>",
        "ab\n\nin the box",
    ),
    "tracked changes": (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        "<text:p>a<text:change-start/>b<text:change-end/></text:p>",
        "ab",
    ),
}


@pytest.mark.parametrize("kind", OPEN)
def test_an_open_document_is_read_as_it_is_shown(tmp_path: Path, kind: str) -> None:
    content, expected = OPEN[kind]

    assert read_here(open_document(tmp_path / "essay.odt", content, styles=STYLES)).text == expected


@pytest.mark.parametrize(
    "hidden",
    [
        '<text:p text:style-name="H">secret</text:p>',
        '<text:p><text:span text:style-name="H">secret</text:span></text:p>',
        '<text:section text:display="none"><text:p>secret</text:p></text:section>',
        "<text:p><text:hidden-text>secret</text:hidden-text></text:p>",
    ],
)
def test_an_open_documents_hidden_text_is_named(tmp_path: Path, hidden: str) -> None:
    path = open_document(tmp_path / "essay.odt", "<text:p>Seen.</text:p>", hidden, styles=STYLES)

    found = read_here(path)

    assert (found.text, found.notes) == ("Seen.", ("hidden text is left out (1 word: 'secret')",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<text:p>a<draw:frame><draw:object/><draw:image/></draw:frame></text:p>", "an object"),
        ("<text:p>a<draw:control/></text:p>", "a form control"),
        (
            '<text:p>Title<draw:frame svg:width="17cm" svg:height="22cm"><draw:image/></draw:frame></text:p>',
            "shows 1 picture and only 1 word",
        ),
        ("<text:p>a</text:p><text:new>stray words</text:new>", "'stray words' would be lost"),
    ],
)
def test_what_an_open_document_would_lose_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read_here(open_document(tmp_path / "essay.odt", content))


def test_an_open_document_with_a_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncryptedDocument):
        read_here(open_document(tmp_path / "essay.odt", encrypted=True))


PAGES = {
    "paragraphs": ("<p>One</p><p>Two<br>more</p>", "One\n\nTwo\nmore"),
    "paragraphs that are not closed": ("<p>One<p>Two", "One\n\nTwo"),
    "entities": ("<p>&aring;&nbsp;&#228; &amp; &lt;b&gt;</p>", "å\xa0ä & <b>"),
    "lists": ("<ol><li>One</li><li>Two</li></ol><ul><li>Dot</li></ul>", "1. One\n\n2. Two\n\n• Dot"),
    "what is not shown": (
        "<head><title>t</title><style>p{}</style></head><script>x</script><p>Text</p>",
        "Text",
    ),
    "spaces": ("<p>a\n  b</p><pre>c\n  d</pre>", "a b\n\nc\n  d"),
    "a table": ("<table><tr><td>A</td><td>B</td></tr></table>", "A\n\nB"),
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_web_page_is_read_without_its_tags(tmp_path: Path, kind: str) -> None:
    content, expected = PAGES[kind]

    assert read(tmp_path, "onlinetext.html", f"<html>{content}</html>".encode()).text == expected


def test_a_web_page_names_its_hidden_text(tmp_path: Path) -> None:
    found = read(tmp_path, "a.html", b'<p>Seen.<span style="display:none">secret</span></p>')

    assert (found.text, found.notes) == ("Seen.", ("hidden text is left out ('secret')",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'<p>a</p><img src="essay.jpg">', "it shows a picture"),
        (b"<p>a</p><iframe></iframe>", "another page inside it"),
        (b"<p>a</p><svg><text>b</text></svg>", "a drawing"),
        (b'<p>a</p><input value="my answer">', "a form field that is filled in"),
        (b"<p> </p>", "it holds no text"),
    ],
)
def test_a_web_page_that_cannot_be_read_whole_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read(tmp_path, "a.html", content)


def test_a_file_without_text_has_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match=r"^it holds no text$"):
        read(tmp_path, "essay.txt", b" \n\t")
