"""What the sample assignment promises: complete, blind, varied, and with a quality for every text."""

import re
import tomllib
import unicodedata
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import suite
from batch_runner.assignment.contents import Assignment
from batch_runner.assignment.description import Description
from batch_runner.assignment.loading import load_assignment
from event_contracts import CourseCode, grade_scale, text_sha256
from scipy.stats import kendalltau

FOLDER = Path(suite.__file__).parent / "sample_assignment"
NOT_FOR_THE_RUNNER = {"assignment.toml", "hidden_quality.toml", "README.md"}
TEXT_FILES = sorted((*FOLDER.glob("anchors/*"), *FOLDER.glob("essays/*")))
SCALE = grade_scale("eng5_np_legacy_9_step")
TELLTALE = re.compile(r"(?i:\banchor|\bgrad(?:e|ing)|\bstudent-\d|\.txt)|[0-9a-f]{64}|\b[A-F][+-]")


@pytest.fixture(scope="module")
def manifest() -> Description:
    return Description.model_validate(tomllib.loads((FOLDER / "assignment.toml").read_text("utf-8")))


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return load_assignment(FOLDER)


@pytest.fixture(scope="module")
def quality() -> dict[str, float]:
    table: dict[str, float] = tomllib.loads((FOLDER / "hidden_quality.toml").read_text("utf-8"))["quality"]
    return table


def read(path: Path) -> str:
    return path.read_text("utf-8")


def words(text: str) -> int:
    return len(text.split())


def sentences(text: str) -> set[str]:
    """The text's sentences and headline, without case, punctuation and spacing."""
    parts = re.split(r"[.!?]+|\n+", text.casefold())
    return {" ".join(re.findall(r"\w+", part)) for part in parts} - {""}


def test_the_sample_is_an_eng5_assignment_of_24_essays(assignment: Assignment) -> None:
    assert assignment.course_code is CourseCode.ENG5
    assert assignment.language == "en"
    assert assignment.grade_scale == SCALE.id
    assert len(assignment.essays) == 24


def test_every_named_file_exists_and_no_file_is_unnamed(manifest: Description) -> None:
    parts = {manifest.student_prompt, manifest.instructions, manifest.rubric}
    texts = {anchor.file for anchor in manifest.anchors} | {essay.file for essay in manifest.essays}

    present = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}

    assert present == parts | texts | NOT_FOR_THE_RUNNER


def test_twelve_anchors_cover_the_nine_grades_and_three_have_two(assignment: Assignment) -> None:
    anchors = Counter(anchor.grade for anchor in assignment.anchors)

    assert set(anchors) == set(SCALE.grades)
    assert sorted(anchors.values()) == [1] * 6 + [2] * 3


def test_an_anchors_file_name_and_label_name_its_grade(manifest: Description) -> None:
    for anchor in manifest.anchors:
        assert Path(anchor.file).stem == anchor.label
        assert SCALE.grade_of_anchor_id(anchor.label) == anchor.grade


@pytest.mark.parametrize("path", TEXT_FILES, ids=lambda path: path.stem)
def test_every_text_has_150_to_350_words(path: Path) -> None:
    assert 150 <= words(read(path)) <= 350


@pytest.mark.parametrize("path", TEXT_FILES, ids=lambda path: path.stem)
def test_every_text_is_clean_utf8(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")

    assert text == "\n".join(line.rstrip() for line in text.split("\n")).strip() + "\n"
    assert unicodedata.is_normalized("NFC", text)
    assert all(character == "\n" or character.isprintable() for character in text)


def test_no_two_texts_share_a_sentence() -> None:
    uses = Counter(chain.from_iterable(sentences(read(path)) for path in TEXT_FILES))

    assert [sentence for sentence, times in uses.items() if times > 1] == []


@pytest.mark.parametrize("part", ["student_prompt.md", "instructions.md", "rubric.md"])
def test_what_the_judge_is_told_gives_nothing_away(part: str) -> None:
    assert TELLTALE.findall(read(FOLDER / part)) == []


def test_exactly_the_texts_have_a_quality_and_no_two_the_same(quality: dict[str, float]) -> None:
    assert set(quality) == {text_sha256(read(path)) for path in TEXT_FILES}
    assert len(set(quality.values())) == len(TEXT_FILES)
    assert all(-4.5 <= theta <= 4.5 for theta in quality.values())


def test_quality_agrees_with_the_anchors_grades(assignment: Assignment, quality: dict[str, float]) -> None:
    grades = [SCALE.index(anchor.grade) for anchor in assignment.anchors]
    thetas = [quality[text_sha256(anchor.text)] for anchor in assignment.anchors]

    assert kendalltau(grades, thetas).statistic > 0.9


def test_the_essays_reach_below_and_above_the_anchors(
    assignment: Assignment, quality: dict[str, float]
) -> None:
    anchors = [quality[text_sha256(anchor.text)] for anchor in assignment.anchors]
    essays = [quality[text_sha256(essay.text)] for essay in assignment.essays]

    assert min(essays) < min(anchors)
    assert max(essays) > max(anchors)


def test_length_does_not_give_quality_away(assignment: Assignment, quality: dict[str, float]) -> None:
    essays = [essay.text for essay in assignment.essays]
    everything = [*essays, *(anchor.text for anchor in assignment.anchors)]

    for texts in (essays, everything):
        lengths = [words(text) for text in texts]
        thetas = [quality[text_sha256(text)] for text in texts]
        assert abs(np.corrcoef(lengths, thetas)[0, 1]) < 0.5


def test_the_order_of_the_essays_does_not_give_quality_away(
    assignment: Assignment, quality: dict[str, float]
) -> None:
    thetas = [quality[text_sha256(essay.text)] for essay in assignment.essays]

    assert abs(np.corrcoef(range(len(thetas)), thetas)[0, 1]) < 0.3
