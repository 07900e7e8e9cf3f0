"""Reading Word documents: every word, as it is shown."""

from pathlib import Path

import docx
import pytest
from batch_runner.reading.files import read_here
from batch_runner.tests.documents import paragraph, run, word_document, word_part
from batch_runner.tests.word_parts import INLINE, control, field, picture, read


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr/><w:tblGrid/>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


def cell(*paragraphs: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{''.join(paragraphs)}</w:tc>"


def math(content: str) -> str:
    return f"<m:oMath>{content}</m:oMath>"


def letters(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


@pytest.mark.parametrize("kind", INLINE)
def test_a_word_is_read_whatever_wraps_it(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, paragraph("One ", INLINE[kind], " more.")).text == "One word more."


BLOCKS = {
    "control": control(paragraph("Inside.")),
    "custom XML": f"<w:customXml>{paragraph('Inside.')}</w:customXml>",
    "table": table(cell(paragraph("Inside."))),
    "table in a control": control(table(cell(paragraph("Inside.")))),
    "row in a control": f"<w:tbl>{control('<w:tr>' + cell(paragraph('Inside.')) + '</w:tr>')}</w:tbl>",
    "cell in a control": table(control(cell(paragraph("Inside.")))),
    "paragraph in a control in a cell": table(cell(control(paragraph("Inside.")), paragraph())),
    "table in a table": table(cell(table(cell(paragraph("Inside."))), paragraph())),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_paragraph_is_read_wherever_it_is(tmp_path: Path, kind: str) -> None:
    text = read(tmp_path, paragraph("Before."), BLOCKS[kind], paragraph("After.")).text

    assert text == "Before.\n\nInside.\n\nAfter."


def test_a_merged_cell_is_read_once(tmp_path: Path) -> None:
    start, goes_on = ('<w:vMerge w:val="restart"/>', "<w:vMerge/>")
    rows = [
        cell(paragraph("Claim."), properties=start) + cell(paragraph("First.")),
        cell(paragraph(), properties=goes_on) + cell(paragraph("Second.")),
    ]

    assert read(tmp_path, table(*rows)).text == "Claim.\n\nFirst.\n\nSecond."


def test_another_programs_document_is_read(tmp_path: Path) -> None:
    path = tmp_path / "essay.docx"
    document = docx.Document()
    document.add_heading("My summer")
    document.add_paragraph("First.", style="List Number")
    document.add_paragraph("Second.", style="List Number")
    merged = document.add_table(rows=1, cols=3)
    merged.cell(0, 0).merge(merged.cell(0, 1)).text = "In two cells."
    merged.cell(0, 2).text = "In one."
    document.core_properties.author = "Anna Ek"
    document.save(str(path))

    found = read_here(path)

    assert found.text == "My summer\n\n1. First.\n\n2. Second.\n\nIn two cells.\n\nIn one."
    assert "Anna Ek" in found.authors


def test_tabs_breaks_and_hyphens_are_characters(tmp_path: Path) -> None:
    pieces = "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r>"

    assert read(tmp_path, paragraph(pieces)).text == "a\tb\nc-d"


def test_tracked_changes_are_read_as_if_they_were_accepted(tmp_path: Path) -> None:
    deleted = '<w:del w:id="1" w:author="A"><w:r><w:delText>white</w:delText></w:r></w:del>'
    moved = f'<w:moveFrom w:id="2" w:author="A">{run("far")}</w:moveFrom>'
    inserted = f'<w:ins w:id="3" w:author="A">{run("brown")}</w:ins>'

    found = read(tmp_path, paragraph("The dog is ", deleted, moved, inserted, "."))

    assert found.text == "The dog is brown."
    assert found.notes == ("tracked changes, read as if they were accepted",)


def test_a_paragraph_whose_end_was_deleted_goes_on_in_the_next(tmp_path: Path) -> None:
    end = '<w:rPr><w:del w:id="1" w:author="A"/></w:rPr>'

    found = read(tmp_path, paragraph("One ", properties=end), paragraph("line."), paragraph("Two."))

    assert found.text == "One line.\n\nTwo."


def test_deleted_rows_are_left_out(tmp_path: Path) -> None:
    row = f"<w:trPr><w:del w:id='1' w:author='A'/></w:trPr>{cell(paragraph('Gone.'))}"

    assert read(tmp_path, paragraph("Here."), table(row)).text == "Here."


@pytest.mark.parametrize(
    ("content", "styles"),
    [
        (paragraph(run("Secret words.", "<w:vanish/>")), ""),
        (
            paragraph(run("Secret words.", '<w:rStyle w:val="H"/>')),
            '<w:style w:type="character" w:styleId="H"><w:rPr><w:vanish/></w:rPr></w:style>',
        ),
        (
            paragraph("Secret words.", properties='<w:pStyle w:val="P"/>'),
            '<w:style w:type="paragraph" w:styleId="P"><w:basedOn w:val="B"/></w:style>'
            '<w:style w:type="paragraph" w:styleId="B"><w:rPr><w:vanish/></w:rPr></w:style>',
        ),
    ],
)
def test_hidden_text_is_left_out_and_named(tmp_path: Path, content: str, styles: str) -> None:
    found = read(tmp_path, paragraph("Seen."), content, parts={"styles": word_part("styles", styles)})

    assert found.text == "Seen."
    assert found.notes == ("hidden text is left out (2 words: 'Secret words.')",)


def test_barely_visible_text_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, paragraph("Seen. ", run("Choose me.", '<w:color w:val="FFFFFF"/>')))

    assert found.notes == ("barely visible text, white: 'Choose me.'",)


def test_an_empty_controls_prompt_is_not_text_of_the_student(tmp_path: Path) -> None:
    prompt = control(run("Click here."), "<w:showingPlcHdr/>")

    found = read(tmp_path, paragraph("Mine.", prompt))

    assert found.text == "Mine."
    assert found.notes == ("the prompt of an empty content control is left out (2 words: 'Click here.')",)


LEVELS = """
<w:abstractNum w:abstractNumId="0">
 <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
 <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="1">
 <w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/>
  <w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr></w:lvl>
</w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="0"/>
 <w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>
"""


def item(text: str, number: int, level: int = 0) -> str:
    properties = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    return paragraph(text, properties=properties)


def test_the_numbers_of_lists_are_kept(tmp_path: Path) -> None:
    items = [item("One", 1), item("Sub", 1, 1), item("Sub", 1, 1), item("Two", 1), item("Sub", 1, 1)]

    found = read(
        tmp_path,
        *items,
        item("Dot", 2),
        item("Again", 3),
        parts={"numbering": word_part("numbering", LEVELS)},
    )

    expected = ["1. One", "1.a) Sub", "1.b) Sub", "2. Two", "2.a) Sub", "• Dot", "5. Again"]
    assert found.text.split("\n\n") == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "<m:f><m:num>" + letters("a+b") + "</m:num><m:den>" + letters("2") + "</m:den></m:f>",
            "(a+b)/2",
        ),
        ("<m:sSup><m:e>" + letters("x") + "</m:e><m:sup>" + letters("10") + "</m:sup></m:sSup>", "x^(10)"),
        ("<m:sSub><m:e>" + letters("x") + "</m:e><m:sub>" + letters("1") + "</m:sub></m:sSub>", "x_1"),
        ("<m:rad><m:deg/><m:e>" + letters("x") + "</m:e></m:rad>", "√(x)"),
        (
            '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>'
            + letters("i")
            + "</m:sub><m:sup>"
            + letters("n")
            + "</m:sup><m:e>"
            + letters("k")
            + "</m:e></m:nary>",
            "∑_i^n k",
        ),
        ("<m:d><m:e>" + letters("a") + "</m:e><m:e>" + letters("b") + "</m:e></m:d>", "(a|b)"),
        (
            "<m:func><m:fName>" + letters("sin") + "</m:fName><m:e>" + letters("x") + "</m:e></m:func>",
            "sin(x)",
        ),
        (
            "<m:m><m:mr><m:e>" + letters("1") + "</m:e><m:e>" + letters("0") + "</m:e></m:mr></m:m>",
            "[1, 0]",
        ),
        ("<m:box><m:e>" + letters("z") + "</m:e></m:box>", "z"),
    ],
)
def test_an_equation_is_a_line_of_text(tmp_path: Path, content: str, expected: str) -> None:
    assert read(tmp_path, paragraph("So ", math(content), " holds.")).text == f"So {expected} holds."


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<w:r><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>', "✓"),
        ('<w:r><w:sym w:font="Symbol" w:char="F061"/></w:r>', "α"),
        (run("J", '<w:rFonts w:ascii="Wingdings"/>'), "☺"),
        (run("&#xF0B7;", '<w:rFonts w:ascii="Symbol"/>'), "•"),
    ],
)
def test_symbols_are_read_as_what_they_show(tmp_path: Path, content: str, expected: str) -> None:
    assert read(tmp_path, paragraph("so ", content, " it is")).text == f"so {expected} it is"


def test_footnotes_follow_the_text_and_headers_and_comments_are_named(tmp_path: Path) -> None:
    notes = (
        f'<w:footnote w:id="0" w:type="separator">{paragraph()}</w:footnote>'
        f'<w:footnote w:id="7">{paragraph("See Ek 2020.")}</w:footnote>'
    )
    parts = {
        "footnotes": word_part("footnotes", notes),
        "header1": word_part("hdr", paragraph("Anna Ek 9B")),
        "footer1": word_part("ftr", paragraph(field("PAGE", run("1")))),
        "comments": word_part("comments", f'<w:comment w:id="1">{paragraph("Good!")}</w:comment>'),
    }

    found = read(
        tmp_path, paragraph("It is so", '<w:r><w:footnoteReference w:id="7"/></w:r>', "."), parts=parts
    )

    assert found.text == "It is so[1].\n\n[1] See Ek 2020."
    assert found.notes == ("the header is left out ('Anna Ek 9B')", "1 comment left out")


def test_a_text_box_follows_its_paragraph_and_its_copy_for_older_programs_is_left_out(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph('Aside.')}</w:txbxContent>"
    drawn = (
        f"<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing>"
        f"</mc:Choice><mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )

    assert read(tmp_path, paragraph("Before ", drawn, "and after.")).text == "Before and after.\n\nAside."


def test_a_drop_down_shows_what_was_chosen(tmp_path: Path) -> None:
    begin = (
        '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="yes"/>'
        '<w:listEntry w:val="no"/></w:ddList></w:ffData></w:fldChar></w:r>'
    )
    rest = (
        "<w:r><w:instrText>FORMDROPDOWN</w:instrText></w:r>"
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )

    assert read(tmp_path, paragraph("I say ", begin, rest, ".")).text == "I say no."


def test_an_illustration_is_mentioned(tmp_path: Path) -> None:
    found = read(tmp_path, paragraph("word " * 100), paragraph(picture(8, 6)))

    assert found.notes == ("1 picture, not judged",)


@pytest.mark.parametrize("name", ["essay.docm", "essay.dotx", "essay.dotm"])
def test_documents_with_macros_and_templates_are_read(tmp_path: Path, name: str) -> None:
    assert read_here(word_document(tmp_path / name, paragraph("Text."))).text == "Text."


def test_a_strict_document_and_one_with_other_names_for_its_parts_are_read(tmp_path: Path) -> None:
    strict = word_document(tmp_path / "strict.docx", paragraph("Text."), strict=True)
    renamed = word_document(tmp_path / "renamed.docx", paragraph("Text."), main="word/document2.xml")

    assert (read_here(strict).text, read_here(renamed).text) == ("Text.", "Text.")


def test_pictures_of_one_group_share_its_frame(tmp_path: Path) -> None:
    blips = '<pic:pic><pic:blipFill><a:blip r:embed="x"/></pic:blipFill></pic:pic>' * 5
    group = picture(8, 6).replace(
        '<pic:pic><pic:blipFill><a:blip r:embed="x"/></pic:blipFill></pic:pic>', blips
    )

    assert read(tmp_path, paragraph("word " * 100), paragraph(group)).notes == ("1 picture, not judged",)


def test_a_list_whose_levels_are_in_a_linked_style_keeps_its_numbers(tmp_path: Path) -> None:
    levels = """
    <w:abstractNum w:abstractNumId="0"><w:styleLink w:val="L"/>
     <w:lvl w:ilvl="0"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1:"/></w:lvl></w:abstractNum>
    <w:abstractNum w:abstractNumId="1"><w:numStyleLink w:val="L"/></w:abstractNum>
    <w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>
    """
    parts = {"numbering": word_part("numbering", levels)}

    assert read(tmp_path, item("One", 1), item("Two", 1), parts=parts).text == "I: One\n\nII: Two"
