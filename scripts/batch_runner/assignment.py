"""An assignment on disk: a folder of essays, with an ``assignment.toml`` where there is more to say."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from event_contracts import CourseCode, InvalidRequest, grade_scale
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batch_runner.documents import SUFFIXES, read_document

MANIFEST = "assignment.toml"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _AnchorEntry(_File):
    file: str
    grade: str
    label: str


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
    context_origin: str = "research_experiment"
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
    """Everything that a run needs, read and checked."""

    title: str
    assignment_id: str | None = None
    course_code: CourseCode
    language: str
    grade_scale: str | None = None
    student_prompt: str | None = None
    instructions: str | None = None
    rubric: str | None = None
    essays: tuple[StudentEssay, ...]
    anchors: tuple[AnchorText, ...] = field(default=())

    @property
    def words(self) -> int:
        """Words in all texts."""
        texts = [*(essay.text for essay in self.essays), *(anchor.text for anchor in self.anchors)]
        return sum(len(text.split()) for text in texts)


def load_assignment(folder: Path, *, course: CourseCode = CourseCode.ENG5) -> Assignment:
    """Read a folder; raises ``InvalidRequest`` that names every file with a problem, not just the first."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder")
    if (folder / MANIFEST).is_file():
        return _load_described(folder)
    return _load_plain(folder, course)


def _load_plain(folder: Path, course: CourseCode) -> Assignment:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    entries = [(path.stem, path) for path in files]
    texts = _read_all(entries)
    return _checked(
        Assignment(
            title=folder.name,
            course_code=course,
            language="sv" if course.startswith("SV") else "en",
            essays=tuple(
                StudentEssay(essay_id=name, text=text) for (name, _), text in zip(entries, texts, strict=True)
            ),
        ),
        folder,
    )


def _load_described(folder: Path) -> Assignment:
    described = _read_manifest(folder / MANIFEST)
    essays = [(essay.id, folder / essay.file) for essay in described.essays]
    anchors = [(anchor.label, folder / anchor.file) for anchor in described.anchors]
    texts = _read_all([*essays, *anchors])
    essay_texts, anchor_texts = texts[: len(essays)], texts[len(essays) :]
    return _checked(
        Assignment(
            title=described.title,
            assignment_id=described.id,
            course_code=described.course_code,
            language=described.language,
            grade_scale=described.grade_scale,
            student_prompt=_part(folder, described.student_prompt),
            instructions=_part(folder, described.instructions),
            rubric=_part(folder, described.rubric),
            essays=tuple(
                StudentEssay(essay_id=essay.id, text=text)
                for essay, text in zip(described.essays, essay_texts, strict=True)
            ),
            anchors=tuple(
                AnchorText(label=anchor.label, grade=anchor.grade, text=text)
                for anchor, text in zip(described.anchors, anchor_texts, strict=True)
            ),
        ),
        folder,
    )


def _read_manifest(path: Path) -> AssignmentFile:
    try:
        return AssignmentFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path.name}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise InvalidRequest(f"{path.name}: {InvalidRequest.of(error)}") from error


def _part(folder: Path, name: str | None) -> str | None:
    return None if name is None else read_document(_present(folder / name))


def _present(path: Path) -> Path:
    if not path.is_file():
        raise InvalidRequest(f"{path.name}: named in {MANIFEST}, but there is no such file")
    return path


def _read_all(entries: Iterable[tuple[str, Path]]) -> list[str]:
    texts, problems = [], []
    for _, path in entries:
        try:
            texts.append(read_document(_present(path)))
        except InvalidRequest as error:
            problems.append(str(error))
    if problems:
        raise InvalidRequest("; ".join(problems), details={"problems": list(problems)})
    return texts


def _checked(assignment: Assignment, folder: Path) -> Assignment:
    names = [essay.essay_id for essay in assignment.essays]
    _reject_repeated(names, "essay id", hint="give each essay its own id or file name")
    _reject_repeated([anchor.label for anchor in assignment.anchors], "anchor label", hint="number them")
    if not names:
        raise InvalidRequest(f"{folder} holds no essays: put {', '.join(SUFFIXES)} files into it")
    if len(names) + len(assignment.anchors) < 2:
        raise InvalidRequest("one essay cannot be compared: add another, or anchors")
    if assignment.anchors:
        if assignment.grade_scale is None:
            raise InvalidRequest(f"anchors need a grade_scale in {MANIFEST}")
        scale = grade_scale(assignment.grade_scale)
        for anchor in assignment.anchors:
            scale.index(anchor.grade)
    return assignment


def _reject_repeated(names: Sequence[str], what: str, *, hint: str) -> None:
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise InvalidRequest(f"{what} used more than once: {', '.join(repeated)}; {hint}")
