"""Parts of Word documents, as tests of their reading put them together."""

from pathlib import Path

from batch_runner.reading.document import Document
from batch_runner.reading.files import read_here
from batch_runner.tests.documents import run, word_document


def read(folder: Path, *content: str, parts: dict[str, str] | None = None) -> Document:
    """What is read of a document with this content."""
    return read_here(word_document(folder / "essay.docx", *content, parts=parts))


def field(instruction: str, result: str) -> str:
    """A complex field: what Word computes it from, and what it shows."""
    return (
        f'<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{instruction}</w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{result}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )


def control(content: str, properties: str = "") -> str:
    """A content control around this content."""
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


INLINE = {
    "hyperlink": f"<w:hyperlink>{run('word')}</w:hyperlink>",
    "inline control": control(run("word")),
    "smart tag": f"<w:smartTag><w:smartTagPr/>{run('word')}</w:smartTag>",
    "custom XML": f"<w:customXml><w:customXmlPr/>{run('word')}</w:customXml>",
    "bidirectional override": f'<w:bdo w:val="rtl">{run("word")}</w:bdo>',
    "bidirectional embedding": f'<w:dir w:val="rtl">{run("word")}</w:dir>',
    "simple field": f'<w:fldSimple w:instr="REF a">{run("word")}</w:fldSimple>',
    "complex field": field("REF a", run("word")),
    "field in a field's instruction": (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>IF </w:instrText></w:r>'
        + field("REF b", run("unseen"))
        + '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
        + run("word")
        + '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    ),
    "insertion": f'<w:ins w:id="1" w:author="A">{run("word")}</w:ins>',
    "moved here": f'<w:moveTo w:id="1" w:author="A">{run("word")}</w:moveTo>',
    "subscript": run("word", '<w:vertAlign w:val="subscript"/>'),
    "an element that is not known": f"<x:new>{run('word')}</x:new>",
    "hidden, but not here": run("word", '<w:vanish w:val="0"/>'),
}
"""Ways to wrap a word within a paragraph that leave it in the text."""


def picture(width: int, height: int) -> str:
    """A picture of so many centimetres."""
    return (
        f'<w:r><w:drawing><wp:inline><wp:extent cx="{width * 360000}" cy="{height * 360000}"/><a:graphic>'
        '<a:graphicData><pic:pic><pic:blipFill><a:blip r:embed="x"/></pic:blipFill></pic:pic></a:graphicData>'
        "</a:graphic></wp:inline></w:drawing></w:r>"
    )
