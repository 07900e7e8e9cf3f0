"""The texts of many files, with every problem found."""

from collections.abc import Sequence
from pathlib import Path

from command_line.printable import printable
from event_contracts import InvalidRequest

from batch_runner.reading.document import Document
from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.isolation import Reader
from batch_runner.reading.names import is_utf8


def read_document(path: Path) -> Document:
    """The text of one file; raises ``UnreadableDocument``, whose message names the file."""
    with Reader() as reader:
        return _read(reader, path, printable(path.name))


def read_documents(files: Sequence[tuple[Path, str]]) -> list[Document | InvalidRequest]:
    """The documents at these paths, or why they cannot be read, in order; each has its name for messages."""
    read: list[Document | InvalidRequest] = []
    with Reader() as reader:
        for path, name in files:
            try:
                read.append(_read(reader, path, name))
            except InvalidRequest as error:
                read.append(error)
    return read


def _read(reader: Reader, path: Path, name: str) -> Document:
    if not is_utf8(path.name):
        raise UnreadableDocument(f"{name}: the file's name is not UTF-8; rename the file")
    try:
        return reader.read(path)
    except UnreadableDocument as error:
        raise type(error)(f"{name}: {error.message}") from error


def refuse_all(problems: Sequence[InvalidRequest]) -> None:
    """Raise what was found, if anything was."""
    if problems:
        raise all_in_one(problems)


def all_in_one(problems: Sequence[InvalidRequest]) -> InvalidRequest:
    """A single problem as it is, several as one error that lists them."""
    if len(problems) == 1:
        return problems[0]
    reasons = [problem.message for problem in problems]
    return InvalidRequest("; ".join(reasons), details={"problems": list(reasons)})
