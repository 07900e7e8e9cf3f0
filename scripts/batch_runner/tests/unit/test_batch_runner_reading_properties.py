"""Whatever wraps a word, however deep: it is found in the text once, or the document is refused."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
from batch_runner.assignment.loading import load_assignment
from batch_runner.reading.encodings import decode
from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.files import read_here
from batch_runner.tests.documents import open_document, paragraph, run, word_document
from event_contracts import InvalidRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Wrapper = Callable[[str], str]

INLINE: dict[str, Wrapper] = {
    "control": lambda inner: f"<w:sdt><w:sdtPr/><w:sdtContent>{inner}</w:sdtContent></w:sdt>",
    "smart tag": lambda inner: f"<w:smartTag>{inner}</w:smartTag>",
    "override": lambda inner: f'<w:bdo w:val="rtl">{inner}</w:bdo>',
    "embedding": lambda inner: f'<w:dir w:val="rtl">{inner}</w:dir>',
    "custom XML": lambda inner: f"<w:customXml>{inner}</w:customXml>",
    "hyperlink": lambda inner: f"<w:hyperlink>{inner}</w:hyperlink>",
    "simple field": lambda inner: f'<w:fldSimple w:instr="REF a">{inner}</w:fldSimple>',
    "field": lambda inner: (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>REF a</w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{inner}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    ),
    "insertion": lambda inner: f'<w:ins w:id="1" w:author="A">{inner}</w:ins>',
    "move": lambda inner: f'<w:moveTo w:id="1" w:author="A">{inner}</w:moveTo>',
    "ruby": lambda inner: f"<w:r><w:ruby><w:rubyPr/><w:rubyBase>{inner}</w:rubyBase></w:ruby></w:r>",
    "unknown": lambda inner: f"<x:new>{inner}</x:new>",
    "versions": lambda inner: (
        f"<mc:AlternateContent><mc:Choice Requires='x'>{inner}</mc:Choice><mc:Fallback>{inner}</mc:Fallback>"
        "</mc:AlternateContent>"
    ),
    "equation": lambda inner: f"<m:oMath>{inner}</m:oMath>",
    "fraction": lambda inner: (
        f"<m:oMath><m:f><m:num>{inner}</m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>"
    ),
    "shape": lambda inner: (
        "<w:r><w:drawing><wp:inline><a:graphic><a:graphicData><wps:wsp><wps:txbx><w:txbxContent><w:p>"
        f"{inner}</w:p></w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    ),
    "text box": lambda inner: (
        f"<w:r><w:pict><v:textbox><w:txbxContent><w:p>{inner}</w:p></w:txbxContent></v:textbox></w:pict></w:r>"
    ),
}
BLOCKS: dict[str, Wrapper] = {
    "control": lambda inner: f"<w:sdt><w:sdtPr/><w:sdtContent>{inner}</w:sdtContent></w:sdt>",
    "custom XML": lambda inner: f"<w:customXml>{inner}</w:customXml>",
    "cell": lambda inner: f"<w:tbl><w:tr><w:tc>{inner}<w:p/></w:tc></w:tr></w:tbl>",
    "row in a control": lambda inner: (
        f"<w:tbl><w:sdt><w:sdtContent><w:tr><w:tc>{inner}<w:p/></w:tc></w:tr></w:sdtContent></w:sdt></w:tbl>"
    ),
    "cell in a control": lambda inner: (
        f"<w:tbl><w:tr><w:sdt><w:sdtContent><w:tc>{inner}</w:tc></w:sdtContent></w:sdt></w:tr></w:tbl>"
    ),
    "unknown": lambda inner: f"<x:new>{inner}</x:new>",
}
OPEN: dict[str, Wrapper] = {
    "span": lambda inner: f"<text:span>{inner}</text:span>",
    "link": lambda inner: f"<text:a>{inner}</text:a>",
    "mark": lambda inner: f"<text:bookmark-start/>{inner}<text:bookmark-end/>",
    "ruby": lambda inner: f"<text:ruby><text:ruby-base>{inner}</text:ruby-base></text:ruby>",
    "field": lambda inner: f"<text:user-field-get>{inner}</text:user-field-get>",
    "unknown": lambda inner: f"<text:new>{inner}</text:new>",
    "text box": lambda inner: (
        f"<draw:frame><draw:text-box><text:p>{inner}</text:p></draw:text-box></draw:frame>"
    ),
    "note": lambda inner: (
        "<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        f"<text:p>{inner}</text:p></text:note-body></text:note>"
    ),
}
OPEN_BLOCKS: dict[str, Wrapper] = {
    "section": lambda inner: f"<text:section>{inner}</text:section>",
    "list": lambda inner: f"<text:list><text:list-item>{inner}</text:list-item></text:list>",
    "cell": lambda inner: (
        f"<table:table><table:table-row><table:table-cell>{inner}</table:table-cell></table:table-row></table:table>"
    ),
    "index": lambda inner: (
        f"<text:table-of-content><text:index-body>{inner}</text:index-body></text:table-of-content>"
    ),
}
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def depths(names: dict[str, Wrapper], most: int = 5) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(names)), max_size=most)


def wrapped(inner: str, wrappers: list[str], known: dict[str, Wrapper]) -> str:
    for name in wrappers:
        inner = known[name](inner)
    return inner


def each_word_once(text: str, words: list[str]) -> None:
    for word in words:
        assert text.count(word) == 1, (word, text)


places = st.lists(st.tuples(depths(INLINE), depths(BLOCKS, most=3)), min_size=1, max_size=6)
open_places = st.lists(st.tuples(depths(OPEN), depths(OPEN_BLOCKS, most=3)), min_size=1, max_size=6)


@given(places)
@MANY
def test_every_word_of_a_word_document_is_found_once_or_the_document_is_refused(
    made: list[tuple[list[str], list[str]]],
) -> None:
    words = [f"word{number:02d}end" for number in range(len(made))]
    body = [
        wrapped(paragraph(wrapped(run(word), inline, INLINE)), blocks, BLOCKS)
        for word, (inline, blocks) in zip(words, made, strict=True)
    ]

    with tempfile.TemporaryDirectory() as folder:
        try:
            text = read_here(word_document(Path(folder) / "essay.docx", *body)).text
        except UnreadableDocument:
            return

    each_word_once(text, words)


@given(open_places)
@MANY
def test_every_word_of_an_open_document_is_found_once(made: list[tuple[list[str], list[str]]]) -> None:
    words = [f"word{number:02d}end" for number in range(len(made))]
    body = [
        wrapped(f"<text:p>{wrapped(word, inline, OPEN)}</text:p>", blocks, OPEN_BLOCKS)
        for word, (inline, blocks) in zip(words, made, strict=True)
    ]

    with tempfile.TemporaryDirectory() as folder:
        text = read_here(open_document(Path(folder) / "essay.odt", *body)).text

    each_word_once(text, words)


RICH: dict[str, Wrapper] = {
    "group": lambda inner: f"{{{inner}}}",
    "bold": lambda inner: f"{{\\b {inner}}}",
    "field": lambda inner: f"{{\\field{{\\*\\fldinst REF a}}{{\\fldrslt {inner}}}}}",
    "shape": lambda inner: f"{{\\shp{{\\*\\shpinst{{\\sp{{\\sn a}}{{\\sv b}}}}{{\\shptxt {inner}}}}}}}",
    "note": lambda inner: f"{{\\footnote {inner}}}",
    "unknown word": lambda inner: f"{{\\newword12 {inner}}}",
    "table": lambda inner: f"{{\\trowd\\intbl {inner}\\cell\\row}}",
}


@given(st.lists(depths(RICH), min_size=1, max_size=6))
@MANY
def test_every_word_of_a_rich_text_is_found_once(made: list[list[str]]) -> None:
    words = [f"word{number:02d}end" for number in range(len(made))]
    body = "\\par ".join(wrapped(word, names, RICH) for word, names in zip(words, made, strict=True))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "essay.rtf"
        path.write_bytes(f"{{\\rtf1\\ansi {body}}}".encode("ascii"))
        text = read_here(path).text

    each_word_once(text, words)


HTML: dict[str, Wrapper] = {
    name: (lambda inner, name=name: f"<{name}>{inner}</{name}>")  # type: ignore[misc]
    for name in ("p", "div", "span", "b", "td", "li", "blockquote", "section", "new-tag", "pre")
}


@given(st.lists(depths(HTML), min_size=1, max_size=6))
@MANY
def test_every_word_of_a_web_page_is_found_once(made: list[list[str]]) -> None:
    words = [f"word{number:02d}end" for number in range(len(made))]
    body = "".join(f"<p>{wrapped(word, names, HTML)}</p>" for word, names in zip(words, made, strict=True))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "essay.html"
        path.write_text(f"<!DOCTYPE html><html><body>{body}</body></html>", "utf-8")
        text = read_here(path).text

    each_word_once(text, words)


SENTENCES = st.lists(
    st.sampled_from(
        ["Jag går till skolan på morgonen.", "Åsa frös.", "Ömt är bäst.", "Élève “modèle” – oui."]
    ),
    min_size=1,
    max_size=8,
).map(" ".join)


@given(SENTENCES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]))
def test_a_text_is_read_in_the_encoding_that_it_was_written_in(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_a_text_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".txt", ".docx", ".odt", ".rtf", ".html"):
            path = Path(folder) / f"essay{suffix}"
            path.write_bytes(content)
            with suppress(UnreadableDocument):
                read_here(path).text.encode("utf-8")


NAMES = st.sampled_from(
    ["a.txt", "å.txt", "b/c.txt", "../d.txt", "/e.txt", "C:\\f.txt", "x/../g.txt", "h\x00.txt"]
)


@given(st.lists(NAMES, min_size=2, max_size=5, unique=True))
@settings(deadline=None)
def test_a_zip_is_read_or_refused_and_writes_nothing_elsewhere(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "class.zip"
        with ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "An essay.")

        with suppress(InvalidRequest):
            load_assignment(path)

        assert [each.name for each in Path(folder).iterdir()] == ["class.zip"]
        assert not (Path(folder).parent / "d.txt").exists()


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
