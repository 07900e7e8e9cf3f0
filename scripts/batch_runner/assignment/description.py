"""``assignment.toml``: what it may say, and where the texts lie that it does not name one by one."""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from event_contracts import GRADE_SCALES, CourseCode, InvalidRequest, course_language, grade_scale
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from batch_runner.reading.bounds import MAX_TEXT_FILE_BYTES
from batch_runner.reading.encodings import decode
from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.folders import take_inventory
from batch_runner.reading.kinds import KIND_OF_SUFFIX

DESCRIPTION: Final = "assignment.toml"
STUDENTS: Final = "students"
ANCHORS: Final = "anchors"
ANCHOR_TABLE: Final = "anchors.csv"
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "student_prompt": ("prompt", "student_prompt", "task"),
    "instructions": ("instructions",),
    "rubric": ("rubric",),
}
"""Names of the parts' files, without suffix, where ``assignment.toml`` does not name them."""
_ID_COLUMNS: Final = ("anchor_id", "ANCHOR-ID")
_GRADE_COLUMNS: Final = ("grade", "pred_mode_grade")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AnchorEntry(_File):
    """An anchor: its file, its grade, and what it is called."""

    file: str
    grade: str
    label: str = Field(min_length=1)


class EssayEntry(_File):
    """A student's essay: its id and its file."""

    id: str = Field(min_length=1)
    file: str


class Description(_File):
    """What ``assignment.toml`` may say; what it leaves out is found by its place in the folder."""

    id: str = Field(min_length=1, max_length=100, validation_alias=AliasChoices("assignment_id", "id"))
    title: str
    course_id: str | None = Field(default=None, min_length=1)
    course_code: CourseCode
    language: str = ""
    grade_scale: str | None = None
    context_origin: Literal["research_experiment", "canonical_national"] = "research_experiment"
    student_prompt: str | None = Field(
        default=None, validation_alias=AliasChoices("student_prompt", "prompt")
    )
    instructions: str | None = None
    rubric: str | None = None
    anchors: tuple[AnchorEntry, ...] = ()
    essays: tuple[EssayEntry, ...] = Field(default=(), validation_alias=AliasChoices("essays", "students"))

    @model_validator(mode="after")
    def _language_of_the_course(self) -> Self:
        return (
            self if self.language else self.model_copy(update={"language": course_language(self.course_code)})
        )


def read_description(
    folder: Path, problems: list[InvalidRequest], *, with_essays: bool = True
) -> Description:
    """The description with every file named; what is wrong with files is added to ``problems``.

    Raises ``InvalidRequest`` where the description itself cannot be read: nothing else is known then.
    """
    described = _parsed(folder / DESCRIPTION)
    return described.model_copy(
        update={
            **{
                part: getattr(described, part) or _part(folder, stems, problems)
                for part, stems in PARTS.items()
            },
            "essays": (described.essays or _students(folder, problems)) if with_essays else (),
            "anchors": described.anchors or _anchors(folder, described.grade_scale, problems),
        }
    )


def _parsed(path: Path) -> Description:
    try:
        return Description.model_validate(tomllib.loads(path.read_text("utf-8")))
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path.name}: byte {error.start} is not UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path.name}: not valid TOML: {error}") from error
    except ValidationError as error:
        raise InvalidRequest(f"{path.name}: {InvalidRequest.of(error)}") from error


def _part(folder: Path, stems: Sequence[str], problems: list[InvalidRequest]) -> str | None:
    found = sorted(
        path.name
        for path in folder.iterdir()
        if path.stem.casefold() in stems and path.suffix.casefold() in KIND_OF_SUFFIX and path.is_file()
    )
    if len(found) > 1:
        said = f"{' and '.join(found)} could both be the {stems[0]}; name one in {DESCRIPTION}"
        problems.append(InvalidRequest(said))
    return found[0] if found else None


def _students(folder: Path, problems: list[InvalidRequest]) -> tuple[EssayEntry, ...]:
    """The essays in ``students/``, each with its file's name, or its student's number, as its id."""
    students = folder / STUDENTS
    if not students.is_dir():
        return ()
    inventory = take_inventory(students)
    problems += [InvalidRequest(f"{STUDENTS}/{problem}") for problem in inventory.problems]
    return tuple(
        EssayEntry(id=source.essay_id, file=str(source.path.relative_to(folder)))
        for source in inventory.sources
    )


def _anchors(folder: Path, scale: str | None, problems: list[InvalidRequest]) -> tuple[AnchorEntry, ...]:
    """The anchors in ``anchors/``, graded by ``anchors.csv`` where there is one, else by their files' names."""
    anchors = folder / ANCHORS
    if not anchors.is_dir():
        return ()
    if scale is None:
        problems.append(InvalidRequest(f"anchors need a grade_scale in {DESCRIPTION}"))
        return ()
    if scale not in GRADE_SCALES:
        return ()  # an unknown one is a problem of the description
    return _entries(anchors, scale=scale, base=folder, problems=problems)


def graded_anchors(anchors: Path, *, scale: str, base: Path) -> tuple[AnchorEntry, ...]:
    """The anchors in a folder, with paths from ``base``, where ``anchors.csv`` may lie as well.

    Raises ``InvalidRequest`` that names every file without a grade, and every grade without a file.
    """
    problems: list[InvalidRequest] = []
    entries = _entries(anchors, scale=scale, base=base, problems=problems)
    if problems:
        messages = [problem.message for problem in problems]
        raise InvalidRequest("; ".join(messages), details={"problems": [*messages]})
    return entries


def _entries(
    anchors: Path, *, scale: str, base: Path, problems: list[InvalidRequest]
) -> tuple[AnchorEntry, ...]:
    table = next((path for path in (base / ANCHOR_TABLE, anchors / ANCHOR_TABLE) if path.is_file()), None)
    ignored = [] if table is None else [table]
    inventory = take_inventory(anchors, ignored=ignored)
    shown = "" if anchors == base else f"{anchors.name}/"
    problems += [InvalidRequest(f"{shown}{problem}") for problem in inventory.problems]
    try:
        grades = None if table is None else _grades(table)
    except InvalidRequest as error:
        problems.append(error)
        return ()
    entries: list[AnchorEntry] = []
    for source in inventory.sources:
        try:
            label = source.path.stem
            grade = grade_scale(scale).grade_of_anchor_id(label) if grades is None else grades.pop(label)
        except InvalidRequest as error:
            problems.append(InvalidRequest(f"{shown}{source.name}: {error.message}"))
        except KeyError:
            problems.append(InvalidRequest(f"{shown}{source.name}: {ANCHOR_TABLE} gives it no grade"))
        else:
            entries.append(AnchorEntry(file=str(source.path.relative_to(base)), grade=grade, label=label))
    problems += [
        InvalidRequest(f"{ANCHOR_TABLE}: there is no file for anchor {label}") for label in grades or ()
    ]
    return tuple(entries)


def _grades(table: Path) -> dict[str, str]:
    """The grade of each anchor in ``anchors.csv``."""
    if table.stat().st_size > MAX_TEXT_FILE_BYTES:
        raise InvalidRequest(f"{table.name}: too large for a table of anchors")
    try:
        text = decode(table.read_bytes()).text
    except UnreadableDocument as error:
        raise InvalidRequest(f"{table.name}: {error.message}") from error
    first = text.split("\n", 1)[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    label = _column(table, rows.fieldnames or (), _ID_COLUMNS)
    grade = _column(table, rows.fieldnames or (), _GRADE_COLUMNS)
    grades: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, given = (row[label] or "").strip(), (row[grade] or "").strip()
        if not name and not given:
            continue
        if not name or not given:
            raise InvalidRequest(f"{table.name}, line {number}: an anchor has an id and a grade")
        if grades.setdefault(name, given) != given:
            raise InvalidRequest(f"{table.name}, line {number}: {name} already has the grade {grades[name]}")
    return grades


def _column(table: Path, columns: Sequence[str], names: Sequence[str]) -> str:
    folded = {column.strip().casefold(): column for column in columns}
    found = [folded[name.casefold()] for name in names if name.casefold() in folded]
    if len(found) != 1:
        raise InvalidRequest(
            f"{table.name}: it needs one column {' or '.join(names)}; it has {', '.join(columns) or 'none'}"
        )
    return found[0]
