"""Anchors on disk: a folder or zip of documents named by their grades, or one document. All are read, or none."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batch_runner.assignment.description import (
    ANCHOR_TABLE,
    DESCRIPTION,
    AnchorEntry,
    graded_anchors,
    read_description,
)
from batch_runner.reading.document import Document
from batch_runner.reading.essays import read_documents, refuse_all
from batch_runner.reading.names import form_of
from batch_runner.reading.zips import unpacked
from event_contracts import AnchorRegistration, InvalidRequest, NotFound, grade_scale
from pydantic import ValidationError

from admin_cli.anchors.anchor_file import AnchorFile

ARCHIVE: Final = ".zip"


def read_anchors(
    path: Path, *, assignment_id: str, scale: str, grade: str | None = None
) -> tuple[AnchorFile, ...]:
    """The anchors in a folder, a zip of one, or a single document, whose grade may be given.

    Raises ``NotFound`` for a path that is not there, ``InvalidRequest`` that names every file with a problem.
    """
    if not path.exists():
        raise NotFound(f"there is no folder or file {path}: check the path")
    if path.is_file() and path.suffix.lower() != ARCHIVE:
        given = grade or grade_scale(scale).grade_of_anchor_id(path.stem)
        entry = AnchorEntry(file=path.name, grade=given, label=path.stem)
        return _read(path.parent, [entry], assignment_id=assignment_id, scale=scale)
    if grade is not None:
        raise InvalidRequest("--grade is for one file: the files of a folder are named by their grades")
    with _folder(path) as folder:
        found = _read(folder, _entries(folder, scale), assignment_id=assignment_id, scale=scale)
    if not found:
        raise InvalidRequest(f"{path} holds no anchors: name each file by its grade, such as B1.docx")
    return found


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield path
    else:
        with unpacked(path) as inside:
            yield inside


def _entries(folder: Path, scale: str) -> Sequence[AnchorEntry]:
    """Those of a described assignment, else every document of the folder."""
    if not (folder / DESCRIPTION).is_file():
        return graded_anchors(folder, scale=scale, base=folder)
    problems: list[InvalidRequest] = []
    described = read_description(folder, problems, with_essays=False)
    if problems:
        messages = [problem.message for problem in problems]
        raise InvalidRequest("; ".join(messages), details={"problems": [*messages]})
    if described.grade_scale is not None and described.grade_scale != scale:
        raise InvalidRequest(f"{DESCRIPTION} is on {described.grade_scale}, the assignment on {scale}")
    return described.anchors


def _read(
    folder: Path, entries: Sequence[AnchorEntry], *, assignment_id: str, scale: str
) -> tuple[AnchorFile, ...]:
    documents = read_documents([(folder / entry.file, entry.file) for entry in entries])
    problems: list[InvalidRequest] = [one for one in documents if isinstance(one, InvalidRequest)]
    anchors: list[AnchorFile] = []
    for entry, document in zip(entries, documents, strict=True):
        if isinstance(document, Document):
            try:
                grade_scale(scale).index(entry.grade)
                anchors.append(
                    AnchorFile(entry.file, _registration(entry, document.text, assignment_id, scale))
                )
            except InvalidRequest as error:
                problems.append(InvalidRequest(f"{entry.file}: {error.message}"))
    problems += map(InvalidRequest, _alike(anchors))
    refuse_all(problems)
    return tuple(anchors)


def _registration(entry: AnchorEntry, text: str, assignment_id: str, scale: str) -> AnchorRegistration:
    try:
        return AnchorRegistration(
            assignment_id=assignment_id,
            grade=entry.grade,
            essay_text=text,
            anchor_label=entry.label,
            grade_scale=scale,
        )
    except ValidationError as error:
        raise InvalidRequest.of(error) from error


def _alike(anchors: Sequence[AnchorFile]) -> Iterator[str]:
    """Files that would be one anchor on the service, which is never meant."""
    by_label: dict[str, list[str]] = defaultdict(list)
    by_text: dict[str, list[str]] = defaultdict(list)
    for anchor in anchors:
        by_label[form_of(anchor.registration.anchor_label or "")].append(anchor.file)
        by_text[anchor.registration.essay_text].append(anchor.file)
    for files in by_label.values():
        if len(files) > 1:
            yield f"{', '.join(files)}: the same label; give each anchor its own name, or list them in {ANCHOR_TABLE}"
    for files in by_text.values():
        if len(files) > 1:
            yield f"{', '.join(files)}: the same text; an anchor has one grade, so leave one of them"
