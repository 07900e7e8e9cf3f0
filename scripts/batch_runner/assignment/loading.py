"""An assignment on disk: a folder of essays or a zip of one, with an ``assignment.toml`` for all else."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from event_contracts import MIN_ANCHOR_CHARACTERS, CourseCode, InvalidRequest, course_language, grade_scale

from batch_runner.assignment.contents import AnchorText, Assignment, SourceFile, StudentEssay
from batch_runner.assignment.description import DESCRIPTION, read_description
from batch_runner.reading.document import Document
from batch_runner.reading.essays import read_document, read_documents, refuse_all
from batch_runner.reading.folders import is_system_file, take_inventory
from batch_runner.reading.kinds import KIND_OF_SUFFIX, USUAL_SUFFIXES
from batch_runner.reading.names import composed, printable, problems_of_ids
from batch_runner.reading.zips import unpacked


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
    if (folder / DESCRIPTION).is_file():
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
                file=SourceFile.of(source.path, source.name),
                notes=document.notes,
            )
            for source, document in read
        ),
        left_out=tuple(inventory.left_out),
        notes=tuple(f"{source.name}: {note}" for source, document in read for note in document.notes),
    )


def _load_described(folder: Path) -> Assignment:
    described = read_description(folder)
    files = [*(essay.file for essay in described.essays), *(anchor.file for anchor in described.anchors)]
    documents = _read_described(folder, files)
    ids = [(composed(essay.id), f"{DESCRIPTION}, {essay.file}") for essay in described.essays]
    short = [
        anchor.file
        for anchor in described.anchors
        if len(documents[anchor.file].text) < MIN_ANCHOR_CHARACTERS
    ]
    refuse_all(
        [*map(InvalidRequest, problems_of_ids(ids)), *(_too_short(file, documents[file]) for file in short)]
    )
    parts = {name: getattr(described, name) for name in ("student_prompt", "instructions", "rubric")}
    named = {file for file in (*files, *parts.values()) if file is not None}
    return Assignment(
        title=described.title,
        assignment_id=described.id,
        course_id=described.course_id,
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
                file=SourceFile.of(folder / essay.file, essay.file),
                notes=documents[essay.file].notes,
            )
            for essay in described.essays
        ),
        anchors=tuple(
            AnchorText(
                label=anchor.label,
                grade=anchor.grade,
                text=documents[anchor.file].text,
                file=SourceFile.of(folder / anchor.file, anchor.file),
            )
            for anchor in described.anchors
        ),
        left_out=tuple(_beside(folder, files, named)),
        notes=tuple(f"{file}: {note}" for file in dict.fromkeys(files) for note in documents[file].notes),
        files={part: SourceFile.of(folder / name, name) for part, name in parts.items() if name is not None},
    )


def _read_described(folder: Path, files: Sequence[str]) -> dict[str, Document]:
    distinct = list(dict.fromkeys(files))
    missing = [_missing(file) for file in distinct if not (folder / file).is_file()]
    there = [file for file in distinct if (folder / file).is_file()]
    documents = read_documents([(folder / file, file) for file in there])
    refuse_all([*missing, *(each for each in documents if isinstance(each, InvalidRequest))])
    return {file: each for file, each in zip(there, documents, strict=True) if isinstance(each, Document)}


def _missing(file: str) -> InvalidRequest:
    return InvalidRequest(f"{file}: named in {DESCRIPTION}, but there is no such file")


def _too_short(file: str, anchor: Document) -> InvalidRequest:
    return InvalidRequest(
        f"{file}: an anchor has at least {MIN_ANCHOR_CHARACTERS} characters, and this has {len(anchor.text)}"
    )


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
        raise InvalidRequest(f"anchors need a grade_scale in {DESCRIPTION}")
    if assignment.grade_scale is not None:
        scale = grade_scale(assignment.grade_scale)
        for anchor in assignment.anchors:
            scale.index(anchor.grade)


def _refuse_repeated(names: Sequence[str], what: str, *, hint: str) -> None:
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise InvalidRequest(f"{what} used more than once: {', '.join(repeated)}; {hint}")
