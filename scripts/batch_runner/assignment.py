"""An assignment on disk: a folder of essays, and an ``assignment.toml`` if there is more than essays."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from event_contracts import CourseCode, InvalidRequest, course_language, grade_scale
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batch_runner.checking import why_not_an_id
from batch_runner.documents import SUFFIXES, read_document, shown

MANIFEST: Final = "assignment.toml"
UNREADABLE_FORMATS: Final = frozenset({".doc", ".docm", ".odt", ".rtf", ".pages", ".html", ".htm", ".tex"})
"""Formats that students hand in and that cannot be read: they are refused, so that no essay is left out silently."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _AnchorEntry(_File):
    file: str
    grade: str
    label: str = Field(min_length=1)


class _EssayEntry(_File):
    id: str = Field(min_length=1)
    file: str


class AssignmentFile(_File):
    """What ``assignment.toml`` may say."""

    id: str = Field(min_length=1, max_length=100)
    title: str
    course_code: CourseCode
    language: str
    grade_scale: str | None = None
    context_origin: Literal["research_experiment", "canonical_national"] = "research_experiment"
    student_prompt: str | None = None
    instructions: str | None = None
    rubric: str | None = None
    anchors: tuple[_AnchorEntry, ...] = ()
    essays: tuple[_EssayEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentEssay:
    """One student's text."""

    essay_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorText:
    """A text whose grade is known."""

    label: str
    grade: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Everything that a run needs, read and checked; ``left_out`` names files that are not essays."""

    title: str
    assignment_id: str | None = None
    course_code: CourseCode
    language: str
    grade_scale: str | None = None
    student_prompt: str | None = None
    instructions: str | None = None
    rubric: str | None = None
    essays: tuple[StudentEssay, ...]
    anchors: tuple[AnchorText, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that is judged, essays first."""
        return (*(essay.text for essay in self.essays), *(anchor.text for anchor in self.anchors))

    @property
    def words(self) -> int:
        """Words in all texts."""
        return sum(len(text.split()) for text in self.texts)


def load_assignment(folder: Path, *, course: CourseCode = CourseCode.ENG5) -> Assignment:
    """Read a folder; raises ``InvalidRequest`` that names every file with a problem, not just the first."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder")
    assignment = (
        _load_described(folder) if (folder / MANIFEST).is_file() else _load_plain(folder, course=course)
    )
    _check(assignment, folder)
    return assignment


def _load_plain(folder: Path, *, course: CourseCode) -> Assignment:
    # Names with a dot in front are hidden; with a tilde, they are locks that Word leaves beside an open document.
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "~")))
    essays = [path for path in visible if path.suffix.lower() in {*SUFFIXES, *UNREADABLE_FORMATS}]
    texts = _read_all(essays)
    return Assignment(
        title=shown(folder.resolve()),
        course_code=course,
        language=course_language(course),
        essays=tuple(
            StudentEssay(essay_id=path.stem, text=text) for path, text in zip(essays, texts, strict=True)
        ),
        left_out=tuple(shown(path) for path in visible if path not in essays),
    )


def _load_described(folder: Path) -> Assignment:
    described = _read_manifest(folder / MANIFEST)
    essays = [folder / essay.file for essay in described.essays]
    anchors = [folder / anchor.file for anchor in described.anchors]
    texts = iter(_read_all([*essays, *anchors]))
    return Assignment(
        title=described.title,
        assignment_id=described.id,
        course_code=described.course_code,
        language=described.language,
        grade_scale=described.grade_scale,
        student_prompt=_part(folder, described.student_prompt),
        instructions=_part(folder, described.instructions),
        rubric=_part(folder, described.rubric),
        essays=tuple(StudentEssay(essay_id=essay.id, text=next(texts)) for essay in described.essays),
        anchors=tuple(
            AnchorText(label=anchor.label, grade=anchor.grade, text=next(texts))
            for anchor in described.anchors
        ),
    )


def _read_manifest(path: Path) -> AssignmentFile:
    try:
        return AssignmentFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path.name}: byte {error.start} is not UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path.name}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise InvalidRequest(f"{path.name}: {InvalidRequest.of(error)}") from error


def _part(folder: Path, name: str | None) -> str | None:
    return None if name is None else read_document(_present(folder / name))


def _present(path: Path) -> Path:
    if not path.is_file():
        raise InvalidRequest(f"{path.name}: named in {MANIFEST}, but there is no such file")
    return path


def _read_all(paths: Iterable[Path]) -> list[str]:
    texts, problems = [], []
    for path in paths:
        try:
            texts.append(read_document(_present(path)))
        except InvalidRequest as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        reasons = [problem.message for problem in problems]
        raise InvalidRequest("; ".join(reasons), details={"problems": list(reasons)})
    return texts


def _check(assignment: Assignment, folder: Path) -> None:
    essay_ids = [essay.essay_id for essay in assignment.essays]
    for essay_id in essay_ids:
        if reason := why_not_an_id(essay_id):
            raise InvalidRequest(f"essay id {essay_id!r} {reason}: rename the essay")
    _refuse_repeated(essay_ids, "essay id", hint="give each essay its own id or file name")
    _refuse_repeated([anchor.label for anchor in assignment.anchors], "anchor label", hint="number them")
    if not essay_ids:
        raise InvalidRequest(f"{folder} holds no essays: put {', '.join(SUFFIXES)} files into it")
    if len(assignment.texts) < 2:
        raise InvalidRequest("one essay cannot be compared: add another, or anchors")
    if assignment.anchors and assignment.grade_scale is None:
        raise InvalidRequest(f"anchors need a grade_scale in {MANIFEST}")
    if assignment.grade_scale is not None:
        scale = grade_scale(assignment.grade_scale)
        for anchor in assignment.anchors:
            scale.index(anchor.grade)


def _refuse_repeated(names: Sequence[str], what: str, *, hint: str) -> None:
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise InvalidRequest(f"{what} used more than once: {', '.join(repeated)}; {hint}")
