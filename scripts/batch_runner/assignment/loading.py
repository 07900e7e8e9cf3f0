"""An assignment on disk: a folder of essays or a zip of one, with an ``assignment.toml`` for all else."""

import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from event_contracts import CourseCode, InvalidRequest, course_language, grade_scale
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batch_runner.reading.document import Document
from batch_runner.reading.essays import read_document, read_documents, refuse_all
from batch_runner.reading.folders import is_system_file, take_inventory
from batch_runner.reading.kinds import KIND_OF_SUFFIX, USUAL_SUFFIXES
from batch_runner.reading.names import composed, printable, problems_of_ids
from batch_runner.reading.zips import unpacked

MANIFEST: Final = "assignment.toml"


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
    """One student's text. ``student`` is the name of its file or folder, ``authors`` those of its properties."""

    essay_id: str
    text: str
    student: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorText:
    """A text whose grade is known."""

    label: str
    grade: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Everything that a run needs, read and checked.

    ``left_out`` names files that are no essays; ``notes`` say what the documents show and their texts leave out.
    """

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
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that is judged, essays first."""
        return (*(essay.text for essay in self.essays), *(anchor.text for anchor in self.anchors))

    @property
    def words(self) -> int:
        """Words in all texts."""
        return sum(len(text.split()) for text in self.texts)


def load_assignment(
    folder: Path, *, course: CourseCode = CourseCode.ENG5, ignored: Collection[Path] = ()
) -> Assignment:
    """Read a folder, or a zip archive of one; ``ignored`` are files in it that are known to be no essays.

    Raises ``InvalidRequest`` that names every file with a problem, not just the first.
    """
    if folder.is_file() and folder.suffix.lower() == ".zip":
        with unpacked(folder) as inside:
            return _load(inside, title=folder.stem, course=course, ignored=ignored)
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder, nor a zip archive of one")
    return _load(folder, title=printable(folder.resolve().name), course=course, ignored=ignored)


def _load(folder: Path, *, title: str, course: CourseCode, ignored: Collection[Path]) -> Assignment:
    if (folder / MANIFEST).is_file():
        assignment = _load_described(folder)
    else:
        assignment = _load_plain(folder, title=title, course=course, ignored=ignored)
    _check(assignment, folder)
    return assignment


def _load_plain(folder: Path, *, title: str, course: CourseCode, ignored: Collection[Path]) -> Assignment:
    inventory = take_inventory(folder, ignored=ignored)
    documents = read_documents([(source.path, source.name) for source in inventory.sources])
    ids = [(source.essay_id, source.name) for source in inventory.sources]
    refuse_all(
        [
            *map(InvalidRequest, inventory.problems),
            *(document for document in documents if isinstance(document, InvalidRequest)),
            *map(InvalidRequest, problems_of_ids(ids)),
        ]
    )
    read = [
        (source, document)
        for source, document in zip(inventory.sources, documents, strict=True)
        if isinstance(document, Document)
    ]
    return Assignment(
        title=title,
        course_code=course,
        language=course_language(course),
        essays=tuple(
            StudentEssay(
                essay_id=source.essay_id,
                text=document.text,
                student=source.student,
                authors=document.authors,
            )
            for source, document in read
        ),
        left_out=tuple(inventory.left_out),
        notes=tuple(f"{source.name}: {note}" for source, document in read for note in document.notes),
    )


def _load_described(folder: Path) -> Assignment:
    described = _read_manifest(folder / MANIFEST)
    files = [*(essay.file for essay in described.essays), *(anchor.file for anchor in described.anchors)]
    documents = _read_described(folder, files)
    ids = [(composed(essay.id), f"{MANIFEST}, {essay.file}") for essay in described.essays]
    refuse_all(list(map(InvalidRequest, problems_of_ids(ids))))
    parts = {name: getattr(described, name) for name in ("student_prompt", "instructions", "rubric")}
    named = {file for file in (*files, *parts.values()) if file is not None}
    return Assignment(
        title=described.title,
        assignment_id=described.id,
        course_code=described.course_code,
        language=described.language,
        grade_scale=described.grade_scale,
        student_prompt=_part(folder, described.student_prompt),
        instructions=_part(folder, described.instructions),
        rubric=_part(folder, described.rubric),
        essays=tuple(
            StudentEssay(
                essay_id=composed(essay.id),
                text=documents[essay.file].text,
                student=Path(essay.file).stem,
                authors=documents[essay.file].authors,
            )
            for essay in described.essays
        ),
        anchors=tuple(
            AnchorText(label=anchor.label, grade=anchor.grade, text=documents[anchor.file].text)
            for anchor in described.anchors
        ),
        left_out=tuple(_beside(folder, files, named)),
        notes=tuple(f"{file}: {note}" for file in dict.fromkeys(files) for note in documents[file].notes),
    )


def _read_described(folder: Path, files: Sequence[str]) -> dict[str, Document]:
    distinct = list(dict.fromkeys(files))
    missing = [_missing(file) for file in distinct if not (folder / file).is_file()]
    there = [file for file in distinct if (folder / file).is_file()]
    documents = read_documents([(folder / file, file) for file in there])
    refuse_all([*missing, *(each for each in documents if isinstance(each, InvalidRequest))])
    return {file: each for file, each in zip(there, documents, strict=True) if isinstance(each, Document)}


def _missing(file: str) -> InvalidRequest:
    return InvalidRequest(f"{file}: named in {MANIFEST}, but there is no such file")


def _beside(folder: Path, files: Iterable[str], named: Collection[str]) -> list[str]:
    """Texts that lie beside the essays and anchors, and that the description does not name."""
    known = {(folder / file).resolve() for file in named}
    folders = {(folder / file).parent.resolve() for file in files}
    return sorted(
        printable(
            str(path.relative_to(folder.resolve())) if path.is_relative_to(folder.resolve()) else path.name
        )
        for each in folders
        for path in each.iterdir()
        if path.suffix.lower() in KIND_OF_SUFFIX and not is_system_file(path.name) and path not in known
        if path.is_file() and path.resolve() not in known
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
    if name is None:
        return None
    if not (folder / name).is_file():
        raise _missing(name)
    return read_document(folder / name).text


def _check(assignment: Assignment, folder: Path) -> None:
    _refuse_repeated([anchor.label for anchor in assignment.anchors], "anchor label", hint="number them")
    if not assignment.essays:
        raise InvalidRequest(f"{folder} holds no essays: put {', '.join(USUAL_SUFFIXES)} files into it")
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
