"""Reading an assignment from a folder."""

from pathlib import Path

import pytest
from batch_runner.assignment.loading import load_assignment
from batch_runner.tests.building import folder_of
from event_contracts import CourseCode, ErrorCode, InvalidRequest

MANIFEST = """
id = "task-1"
title = "A task"
course_code = "SV2"
language = "sv"
grade_scale = "swedish_8_anchor"
student_prompt = "task.md"
rubric = "rubric.md"
anchors = [{ file = "anchors/a.txt", grade = "A", label = "A1" }]
essays = [{ id = "one", file = "essays/1.txt" }]
"""
ANCHOR = "Good words " * 10
FILES = {"task.md": "Write.", "rubric.md": "Clear?", "anchors/a.txt": ANCHOR, "essays/1.txt": "Mine."}


def test_a_plain_folder_is_its_documents_in_order_of_their_names(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "class 9b", {"b.md": "B text", "a.txt": "A text"})

    assignment = load_assignment(folder, course=CourseCode.SV1)

    assert [(essay.essay_id, essay.text) for essay in assignment.essays] == [("a", "A text"), ("b", "B text")]
    assert (assignment.title, assignment.course_code, assignment.language) == ("class 9b", "SV1", "sv")
    assert (assignment.anchors, assignment.grade_scale, assignment.assignment_id) == ((), None, None)


def test_files_of_the_system_are_not_essays_and_a_hidden_text_is_named(tmp_path: Path) -> None:
    names = ["a.txt", "b.txt", ".hidden.txt", "~$a.docx", ".DS_Store", "Thumbs.db", "__MACOSX/._a.txt"]

    assignment = load_assignment(folder_of(tmp_path, dict.fromkeys(names, "text")))

    assert [essay.essay_id for essay in assignment.essays] == ["a", "b"]
    assert assignment.left_out == (".hidden.txt",)


def test_every_other_file_and_folder_is_refused_by_name(tmp_path: Path) -> None:
    names = ["a.txt", "b.txt", "grades.xlsx", "photo.jpg", "later/c.txt", "c.pages"]

    with pytest.raises(InvalidRequest) as caught:
        load_assignment(folder_of(tmp_path, dict.fromkeys(names, "text")))

    problems = caught.value.details["problems"]
    assert isinstance(problems, list)
    assert [str(problem).partition(":")[0] for problem in problems] == [
        "later",
        "c.pages",
        "grades.xlsx",
        "photo.jpg",
    ]


def test_a_described_folder_brings_task_rubric_and_anchors(tmp_path: Path) -> None:
    assignment = load_assignment(folder_of(tmp_path, {**FILES, "assignment.toml": MANIFEST}))

    assert (assignment.student_prompt, assignment.rubric, assignment.instructions) == (
        "Write.",
        "Clear?",
        None,
    )
    assert [(anchor.label, anchor.grade, anchor.text) for anchor in assignment.anchors] == [
        ("A1", "A", ANCHOR)
    ]
    assert [(essay.essay_id, essay.text) for essay in assignment.essays] == [("one", "Mine.")]
    assert assignment.words == 21


def test_an_assignment_without_anchors_is_read(tmp_path: Path) -> None:
    toml = """
    id = "t"
    title = "T"
    course_code = "ENG5"
    language = "en"
    essays = [{ id = "1", file = "1.txt" }, { id = "2", file = "2.txt" }]
    """

    assignment = load_assignment(folder_of(tmp_path, {"assignment.toml": toml, "1.txt": "a", "2.txt": "b"}))

    assert (len(assignment.essays), assignment.anchors) == (2, ())


def test_every_file_with_a_problem_is_named_in_one_go(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"a.txt": "fine", "b.txt": " ", "c.pdf": "no pdf"})
    (folder / "d.txt").write_bytes(b"\xff")

    with pytest.raises(InvalidRequest) as caught:
        load_assignment(folder)

    assert caught.value.message == (
        "b.txt: it holds no text; c.pdf: not a PDF that can be opened; open it in its program and save it"
        " again; d.txt: byte 0 is not UTF-8, and no other encoding is certain; save the file as UTF-8 text"
    )


def test_a_single_problem_keeps_its_own_code(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load_assignment(folder_of(tmp_path, {"a.txt": "fine", "b.txt": ""}))

    assert caught.value.code is ErrorCode.EMPTY_CONTENT


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.txt": "A", "a.md": "also A"}, "essay id used more than once: a; give each essay its own id"),
        ({"a.txt": "A"}, "one essay cannot be compared: add another, or anchors"),
        ({"notes.csv": "x"}, "notes.csv: cannot read .csv; save it as one of .txt, .md, .docx"),
    ],
)
def test_a_folder_that_cannot_be_assessed_says_what_to_do(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        load_assignment(folder_of(tmp_path, files))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("swedish_8_anchor", "swedish", "unknown grade scale 'swedish': the scales are swedish_8_anchor,"),
        ('grade_scale = "swedish_8_anchor"', "", "anchors need a grade_scale in assignment.toml"),
        ('grade = "A"', 'grade = "B+"', "'B\\+' is not a grade of swedish_8_anchor: the grades are F E D"),
        ('"essays/1.txt"', '"essays/2.txt"', "2.txt: named in assignment.toml, but there is no such file"),
        ('"rubric.md"', '"rules.md"', "rules.md: named in assignment.toml, but there is no such file"),
        ('"SV2"', '"SV9"', "assignment.toml: course_code: Input should be"),
        ('title = "A task"', "", "assignment.toml: title: Field required"),
        ('title = "A task"', 'titel = "A task"', "titel: Extra inputs are not permitted"),
        ('title = "A task"', "title = A task", "assignment.toml: not valid TOML"),
        ('"A1" }', '"A1" }, { file = "anchors/a.txt", grade = "B", label = "A1" }', "anchor label used more"),
        ('"one"', '""', "assignment.toml: essays.0.id: String should have at least 1 character"),
    ],
)
def test_a_wrong_description_is_refused_with_the_place(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    assert old in MANIFEST
    folder = folder_of(tmp_path, {**FILES, "assignment.toml": MANIFEST.replace(old, new)})

    with pytest.raises(InvalidRequest, match=reason):
        load_assignment(folder)


def test_an_anchor_that_the_services_would_refuse_is_a_problem_of_the_folder(tmp_path: Path) -> None:
    files = {**FILES, "assignment.toml": MANIFEST, "anchors/a.txt": "Too short."}

    with pytest.raises(
        InvalidRequest, match=r"anchors/a\.txt: an anchor has at least 100 characters, and this has 10"
    ):
        load_assignment(folder_of(tmp_path, files))


def test_an_unknown_scale_is_refused_even_without_anchors(tmp_path: Path) -> None:
    toml = MANIFEST.replace("swedish_8_anchor", "swedish").replace("anchors = [", "# [")

    with pytest.raises(InvalidRequest, match="unknown grade scale"):
        load_assignment(
            folder_of(
                tmp_path,
                {
                    **FILES,
                    "assignment.toml": toml.replace(
                        '"essays/1.txt" }', '"task.md" }, {id="2", file="essays/1.txt"}'
                    ),
                },
            )
        )


def test_a_description_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "assignment.toml").write_bytes('title = "Uppgift på svenska"'.encode("latin-1"))

    with pytest.raises(InvalidRequest, match=r"assignment.toml: byte \d+ is not UTF-8"):
        load_assignment(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="nowhere is not a folder"):
        load_assignment(tmp_path / "nowhere")
