"""An assignment on disk: a folder of essays or a zip of one, with an ``assignment.toml`` for all else."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from command_line.printable import printable
from event_contracts import MIN_ANCHOR_CHARACTERS, CourseCode, InvalidRequest, course_language, grade_scale

from batch_runner.assignment.contents import AnchorText, Assignment, SourceFile, StudentEssay
from batch_runner.assignment.description import ANCHORS, DESCRIPTION, PARTS, Description, read_description
from batch_runner.reading.document import Document
from batch_runner.reading.essays import all_in_one, read_documents
from batch_runner.reading.folders import is_system_file, take_inventory
from batch_runner.reading.kinds import KIND_OF_SUFFIX, USUAL_SUFFIXES
from batch_runner.reading.names import composed, problems_of_ids
from batch_runner.reading.zips import unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFolder:
    """A folder that is an assignment; ``readable`` are the names of its texts."""

    assignment: Assignment
    readable: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderProblems:
    """Every problem that keeps a folder from being an assignment; ``readable`` are the texts that can be read."""

    problems: tuple[InvalidRequest, ...]
    readable: tuple[str, ...]


def load_assignment(
    folder: Path, *, course: CourseCode = CourseCode.ENG5, ignored: Collection[Path] = ()
) -> Assignment:
    """Read a folder, or a zip archive of one; ``ignored`` are files in it that are known to be no essays.

    Raises ``InvalidRequest`` that names every file with a problem, not just the first.
    """
    return _without_problems(examine(folder, course=course, ignored=ignored))


def load_anchors(folder: Path) -> Assignment:
    """An assignment with its anchors and parts alone; its essays are not read and need not be there.

    Raises ``InvalidRequest`` with every problem, and where there is no description or no anchor.
    """
    if not (folder / DESCRIPTION).is_file():
        raise InvalidRequest(f"{folder} has no {DESCRIPTION}, which says what assignment anchors belong to")
    assignment = _without_problems(_described(folder, with_essays=False))
    if not assignment.anchors:
        raise InvalidRequest(
            f"{folder} has no anchors: put them into {ANCHORS}/, or name them in {DESCRIPTION}"
        )
    return assignment


def examine(
    folder: Path, *, course: CourseCode = CourseCode.ENG5, ignored: Collection[Path] = ()
) -> ReadFolder | FolderProblems:
    """Read a folder as ``load_assignment`` does, and keep what is wrong with it.

    Raises ``InvalidRequest`` for what is not a folder, and for a description that cannot be read.
    """
    if folder.is_file() and folder.suffix.lower() == ".zip":
        with unpacked(folder) as inside:
            return _examined(inside, title=folder.stem, course=course, ignored=ignored)
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder, nor a zip archive of one")
    return _examined(folder, title=printable(folder.resolve().name), course=course, ignored=ignored)


def _without_problems(found: ReadFolder | FolderProblems) -> Assignment:
    if isinstance(found, FolderProblems):
        raise all_in_one(found.problems)
    return found.assignment


def _examined(
    folder: Path, *, title: str, course: CourseCode, ignored: Collection[Path]
) -> ReadFolder | FolderProblems:
    if (folder / DESCRIPTION).is_file():
        found = _described(folder)
    else:
        found = _plain(folder, title=title, course=course, ignored=ignored)
    if isinstance(found, ReadFolder) and (too_few := tuple(_too_few(found.assignment, folder))):
        return FolderProblems(problems=too_few, readable=found.readable)
    return found


def _plain(
    folder: Path, *, title: str, course: CourseCode, ignored: Collection[Path]
) -> ReadFolder | FolderProblems:
    inventory = take_inventory(folder, ignored=ignored)
    documents = read_documents([(source.path, source.name) for source in inventory.sources])
    ids = [(source.essay_id, source.name) for source in inventory.sources]
    problems = (
        *map(InvalidRequest, inventory.problems),
        *(document for document in documents if isinstance(document, InvalidRequest)),
        *map(InvalidRequest, problems_of_ids(ids)),
    )
    read = [
        (source, document)
        for source, document in zip(inventory.sources, documents, strict=True)
        if isinstance(document, Document)
    ]
    names = tuple(source.name for source, _ in read)
    if problems:
        return FolderProblems(problems=problems, readable=names)
    essays = tuple(
        StudentEssay(
            essay_id=source.essay_id,
            text=document.text,
            student=source.student,
            authors=document.authors,
            file=SourceFile.of(source.path, source.name),
            notes=document.notes,
        )
        for source, document in read
    )
    assignment = Assignment(
        title=title,
        course_code=course,
        language=course_language(course),
        essays=essays,
        left_out=tuple(inventory.left_out),
        notes=tuple(f"{source.name}: {note}" for source, document in read for note in document.notes),
    )
    return ReadFolder(assignment=assignment, readable=names)


def _described(folder: Path, *, with_essays: bool = True) -> ReadFolder | FolderProblems:
    problems: list[InvalidRequest] = []
    described = read_description(folder, problems, with_essays=with_essays)
    files = [*(essay.file for essay in described.essays), *(anchor.file for anchor in described.anchors)]
    parts = {part: name for part in PARTS if (name := getattr(described, part)) is not None}
    documents = _documents(folder, [*files, *parts.values()], problems)
    ids = [(composed(essay.id), f"{DESCRIPTION}, {essay.file}") for essay in described.essays]
    problems += map(InvalidRequest, problems_of_ids(ids))
    problems += _anchor_problems(described)
    problems += (
        _too_short(anchor.file, documents[anchor.file].text)
        for anchor in described.anchors
        if anchor.file in documents and len(documents[anchor.file].text) < MIN_ANCHOR_CHARACTERS
    )
    if problems:
        return FolderProblems(problems=tuple(problems), readable=tuple(documents))
    texts = {part: documents[name].text for part, name in parts.items()}
    assignment = Assignment(
        title=described.title,
        assignment_id=described.id,
        course_id=described.course_id,
        course_code=described.course_code,
        language=described.language,
        grade_scale=described.grade_scale,
        **texts,
        essays=tuple(_essays(folder, described, documents)),
        anchors=tuple(_anchors(folder, described, documents)),
        left_out=tuple(_beside(folder, files, {*files, *parts.values()})),
        notes=tuple(f"{file}: {note}" for file in dict.fromkeys(files) for note in documents[file].notes),
        files={part: SourceFile.of(folder / name, name) for part, name in parts.items()},
    )
    return ReadFolder(assignment=assignment, readable=tuple(documents))


def _essays(
    folder: Path, described: Description, documents: Mapping[str, Document]
) -> Iterator[StudentEssay]:
    for essay in described.essays:
        yield StudentEssay(
            essay_id=composed(essay.id),
            text=documents[essay.file].text,
            student=Path(essay.file).stem,
            authors=documents[essay.file].authors,
            file=SourceFile.of(folder / essay.file, essay.file),
            notes=documents[essay.file].notes,
        )


def _anchors(folder: Path, described: Description, documents: Mapping[str, Document]) -> Iterator[AnchorText]:
    for anchor in described.anchors:
        yield AnchorText(
            label=anchor.label,
            grade=anchor.grade,
            text=documents[anchor.file].text,
            file=SourceFile.of(folder / anchor.file, anchor.file),
        )


def _documents(folder: Path, files: Sequence[str], problems: list[InvalidRequest]) -> dict[str, Document]:
    """The files that can be read; what is wrong with the others is added to ``problems``."""
    distinct = list(dict.fromkeys(files))
    there = [file for file in distinct if (folder / file).is_file()]
    read = read_documents([(folder / file, file) for file in there])
    problems += (_missing(file) for file in distinct if file not in there)
    problems += (each for each in read if isinstance(each, InvalidRequest))
    return {file: each for file, each in zip(there, read, strict=True) if isinstance(each, Document)}


def _too_short(file: str, text: str) -> InvalidRequest:
    said = f"an anchor has at least {MIN_ANCHOR_CHARACTERS} characters, and this has {len(text)}"
    return InvalidRequest(f"{file}: {said}; use a whole script")


def _missing(file: str) -> InvalidRequest:
    return InvalidRequest(f"{file}: named in {DESCRIPTION}, but there is no such file")


def _beside(folder: Path, files: Iterable[str], named: Collection[str]) -> list[str]:
    """Texts that lie next to the essays and anchors, and that the description does not name."""
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


def _anchor_problems(described: Description) -> Iterator[InvalidRequest]:
    labels = Counter(anchor.label for anchor in described.anchors)
    repeated = sorted(label for label, times in labels.items() if times > 1)
    if repeated:
        yield InvalidRequest(f"anchor label used more than once: {', '.join(repeated)}; number them")
    if described.grade_scale is None:
        if described.anchors:
            yield InvalidRequest(f"anchors need a grade_scale in {DESCRIPTION}")
        return
    try:
        scale = grade_scale(described.grade_scale)
    except InvalidRequest as error:
        yield error
        return
    for anchor in described.anchors:
        try:
            scale.index(anchor.grade)
        except InvalidRequest as error:
            yield InvalidRequest(f"{anchor.file}: {error.message}")


def _too_few(assignment: Assignment, folder: Path) -> Iterator[InvalidRequest]:
    if not assignment.essays:
        yield InvalidRequest(f"{folder} holds no essays: put {', '.join(USUAL_SUFFIXES)} files into it")
    elif len(assignment.texts) < 2:
        yield InvalidRequest("one essay cannot be compared: add another, or anchors")
