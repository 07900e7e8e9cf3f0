"""Inputs behind public bug reports: every one is read whole, or refused with a sentence that says why.

They are published separately from the repository; without them (CJ_VALIDATION_DATA) these tests are skipped.
"""

import re
from pathlib import Path

import pytest
from batch_runner.assignment.loading import load_assignment
from batch_runner.cli import app
from batch_runner.decisions.from_file import Decisions, read_decisions
from batch_runner.reading.document import Document
from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.files import read_here
from event_contracts import InvalidRequest
from typer.testing import CliRunner


@pytest.fixture
def cases(validation_data: Path) -> Path:
    return validation_data / "public_cases"


def document(cases: Path, case: str) -> Document:
    (path,) = (cases / case / "input").glob("essay.*")
    return read_here(path)


def decisions(
    cases: Path, case: str, *, columns: tuple[str, ...] = (), coding: tuple[str, ...] = ()
) -> Decisions:
    (path,) = (cases / case / "input").iterdir()
    return read_decisions(path, columns=columns, coding=coding)


READ = {
    "D01": "Opening.\n\nThe middle is in a content control.\n\nClosing.",
    "D02": "My answer is forty-two words long.",
    "D03": "She studied in Lund before the war.",
    "D05": "First paragraph, in block custom XML.\n\nSecond with inline custom XML.",
    "D06": "As shown in Table 3, sales fell.",
    "D07": "I live in TOKYOBASE(tokyo) now.",
    "D08": "The area is A=(bh)/2, so it doubles.",
    "D10": "Claim stands here once.\n\nArgument 1.\n\nArgument 2.\n\nArgument 3.",
    "D11": "Intro.\n\nT1 table\n\nplain row\n\nT2 row\n\nT3 cell",
    "D13": "cause→effect",
    "D14": "A strict essay.",
    "D15": "The dog is brown.",
    "D16": "A short visible essay.",
    "D17": "I agree for two reasons.\n\n1. It is cheap\n\n2. It is green\n\nReason 2 matters most.",
    "D19": "An essay saved in another kind of Word file.",
    "D20": "An essay saved in another kind of Word file.",
    "P02": "Question 1: Describe your town.\nMy town lies by a river and I like its bridges.",
    "P03": "Write your answer below.\nI wrote my whole answer with the text tool of the PDF viewer.",
    "P05": "My summer\nIt rained, and I read eleven books.",
    "P17": "Energy X is conserved.",
}
REFUSED = {
    "D09": "imported from another file",
    "D12": "1 picture and only 4 words",
    "P01": "page 1 shows a picture without text",
    "P06": "characters whose meaning its fonts do not say",
    "P06b": "characters whose meaning its fonts do not say",
    "P09": "page 2 shows drawing that may be letters",
    "P10": "page 2 shows a picture without text",
    "P13": "an XFA form",
    "F06": r"this is rich text \(RTF\), not plain text; rename it to essay.rtf",
    "F07": r"this is rich text \(RTF\), not a Word document; rename it to essay.rtf",
    "F09": r"this is a web page \(HTML\), not plain text; rename it to essay.html",
}


@pytest.mark.parametrize("case", READ)
def test_a_document_is_read_whole(cases: Path, case: str) -> None:
    assert document(cases, case).text == READ[case]


@pytest.mark.parametrize("case", REFUSED)
def test_a_document_that_cannot_be_read_whole_is_refused_in_one_line(cases: Path, case: str) -> None:
    with pytest.raises(UnreadableDocument, match=REFUSED[case]) as caught:
        document(cases, case)

    assert "\n" not in caught.value.message


def test_hidden_text_is_named(cases: Path) -> None:
    assert document(cases, "D16").notes == (
        "hidden text is left out (6 words: 'This hidden line praises the essay.')",
    )


@pytest.mark.parametrize(
    ("case", "ids"),
    [
        ("F01", ["1234", "1235", "1236"]),
        ("F05", ["one 😀 åäö", "two (final)"]),
        ("F08", ["two", "x" * 230]),
    ],
)
def test_a_folder_is_read_as_it_was_exported(cases: Path, case: str, ids: list[str]) -> None:
    assignment = load_assignment(cases / case / "input")

    assert sorted(essay.essay_id for essay in assignment.essays) == ids
    assert assignment.left_out == ()


@pytest.mark.parametrize(
    ("case", "reasons"),
    [
        ("F02", ["Anna Ek_1234_assignsubmission_file_: a folder with 1 file next to essays"]),
        (
            "F03",
            [
                "five.zip: an archive",
                "four.HEIC: a picture",
                "nine: cannot read files without a suffix",
                "seven.wps: cannot read .wps",
                "six.gdoc: a link to a document",
                "three.jpg: a picture",
            ],
        ),
        ("F04", ["essay.pages: a document of Apple's iWork; export it as .docx or PDF"]),
        (
            "F07",
            ["essay.docx: this is rich text (RTF)", "essay2.docx: this is a web page (HTML)"],
        ),
    ],
)
def test_a_folder_with_other_files_is_refused_naming_each(cases: Path, case: str, reasons: list[str]) -> None:
    ended = CliRunner().invoke(app, ["plan", str(cases / case / "input")])

    lines = ended.stderr.splitlines()
    assert ended.exit_code == 4
    for reason in reasons:
        assert len([line for line in lines if reason in line]) == 1
    assert f"{len(lines) - 1} problem" in lines[-1]


def wins(found: Decisions) -> dict[str, int]:
    return dict(zip(found.items, found.comparisons.scores.tolist(), strict=True))


@pytest.mark.parametrize(
    ("case", "items", "count", "judges"),
    [
        ("C03", 4, 5, 2),
        ("C04", 3, 4, 1),
        ("C05", 3, 4, 2),
        ("C07", 3, 3, 1),
        ("C08", 3, 3, 1),
        ("C09", 3, 4, 1),
        ("C10", 3, 3, 1),
        ("C11", 3, 4, 1),
        ("C12", 3, 4, 1),
        ("C15", 3, 3, 1),
        ("C16", 3, 3, 1),
        ("C17", 3, 3, 1),
        ("C19", 3, 3, 2),
        ("C20", 3, 3, 2),
        ("C22", 3, 3, 1),
        ("C23", 3, 3, 2),
        ("C25", 3, 3, 2),
        ("R05", 3, 6, 1),
    ],
)
def test_decisions_are_recognised(cases: Path, case: str, items: int, count: int, judges: int) -> None:
    found = decisions(cases, case)

    assert (len(found.items), found.decisions, len(found.judges)) == (items, count, judges)


@pytest.mark.parametrize(
    ("case", "best"),
    [("C02", ["A", "B", "C"]), ("C12", ["Bo", "Cia", "Åsa"]), ("R05", ["i3", "i2", "i1"])],
)
def test_counts_and_sides_are_read_the_right_way_round(cases: Path, case: str, best: list[str]) -> None:
    found = wins(decisions(cases, case))

    assert sorted(found, key=lambda name: -found[name]) == best


def test_both_kinds_of_tie_are_ties(cases: Path) -> None:
    assert decisions(cases, "C05").ties == 2


def test_items_that_differ_in_case_or_zeros_alone_are_a_red_flag(cases: Path) -> None:
    assert "'S01' and 's01' differ only in case" in " ".join(decisions(cases, "C13").doubts)
    assert "'007' and '7' differ only in leading zeros" in " ".join(decisions(cases, "C25").doubts)


@pytest.mark.parametrize(
    ("case", "columns", "reason"),
    [
        ("C06", (), "may mean that the first won, or the second"),
        ("C06", ("slot_a=item_1_id", "slot_b=item_2_id", "result=outcome"), "may mean that the first won"),
        ("C14", (), "1 and 2 could be the first and the second"),
        ("C18", (), "'d' is neither 'e1' nor 'e2'; if it names a side, say which with --coding d=a"),
        ("C21", (), "the result '-1' is not 1"),
        ("C24", (), "the column 'weight' may say how often a row counts"),
    ],
)
def test_what_may_mean_two_things_is_refused_with_how_to_say_it(
    cases: Path, case: str, columns: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(reason)):
        decisions(cases, case, columns=columns)


@pytest.mark.parametrize(
    ("case", "coding", "expected"),
    [
        ("C06", ("0=a", "1=b"), {"11": 5, "12": 3, "13": 1}),
        ("C14", ("1=a", "2=b"), {"a": 3, "b": 0, "c": 1}),
        ("C18", ("d=a", "k=b", "q=tie", "timeout=none"), {"e1": 1, "e2": 1, "e3": 1}),
        ("C21", ("1=a", "-1=b", "0=tie"), {"a": 2, "b": 0, "c": 1}),
    ],
)
def test_a_coding_from_the_settings_is_used(
    cases: Path, case: str, coding: tuple[str, ...], expected: dict[str, int]
) -> None:
    assert wins(decisions(cases, case, coding=coding)) == expected


def test_a_weight_from_the_settings_is_used(cases: Path) -> None:
    found = decisions(cases, "C24", columns=("slot_a=item1", "slot_b=item2", "winner=winner", "count=weight"))

    assert wins(found) == {"a": 11, "b": 5, "c": 3}
