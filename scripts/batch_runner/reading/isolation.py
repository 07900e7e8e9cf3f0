"""Reading documents in a process of their own, which is ended where one takes too long or too much memory.

A document may be made to do harm, and PDFium is a program in C++: what happens to the reading process does not happen
to the run. The process is kept for the next document.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, TypedDict

from batch_runner.reading.bounds import READ_SECONDS
from batch_runner.reading.document import Document
from batch_runner.reading.errors import EmptyDocument, EncryptedDocument, UnreadableDocument
from batch_runner.reading.files import kind_of, read_here
from batch_runner.reading.kinds import Kind

_ERRORS: Final[Mapping[str, type[UnreadableDocument]]] = {
    error.__name__: error for error in (UnreadableDocument, EncryptedDocument, EmptyDocument)
}


_KEPT_SETTINGS: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
"""Of the environment; keys of vendors are not among them."""


class _Answer(TypedDict, total=False):
    """What the reading process answers: a document, or an error."""

    text: str
    notes: list[str]
    authors: list[str]
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class _ReadingProcess:
    """The process, with the pipes that it is asked and answers through."""

    process: "subprocess.Popen[bytes]"
    questions: IO[bytes]
    answers: IO[bytes]

    @classmethod
    def of(cls, process: "subprocess.Popen[bytes]") -> Self:
        """Raises ``RuntimeError`` for a process that was started without pipes."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the reading process has no pipes: start it with stdin and stdout")
        return cls(process, process.stdin, process.stdout)

    def end(self) -> None:
        """End it, and close its pipes."""
        self.process.kill()
        self.process.wait()
        for stream in (self.questions, self.answers):
            try:
                stream.close()
            except OSError:
                continue  # the process that would read the rest has ended


class Reader:
    """Reads documents one after the other; use it as a context manager. Not safe for concurrent threads."""

    def __init__(self, *, seconds: float = READ_SECONDS) -> None:
        self._seconds = seconds
        self._process: _ReadingProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def read(self, path: Path) -> Document:
        """The text of a file; raises ``UnreadableDocument`` whose message does not name the file."""
        if kind_of(path) is Kind.TEXT:
            return read_here(path)
        process = self._process or self._start()
        answer = self._ask(process, path)
        if "error" in answer:
            raise _ERRORS[answer["error"]](answer["message"])
        return Document(text=answer["text"], notes=tuple(answer["notes"]), authors=tuple(answer["authors"]))

    def _start(self) -> _ReadingProcess:
        # The parent finds its packages by settings that a child does not have, such as those of a test run.
        kept = {name: os.environ[name] for name in _KEPT_SETTINGS if name in os.environ}
        environment = {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(
            [sys.executable, "-m", "batch_runner.reading.reading_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # an interrupt of the run is the run's to handle
        )
        self._process = _ReadingProcess.of(process)
        return self._process

    def _ask(self, reading: _ReadingProcess, path: Path) -> _Answer:
        too_long = threading.Event()

        def end() -> None:
            too_long.set()
            reading.process.kill()

        timer = threading.Timer(self._seconds, end)
        timer.daemon = True
        timer.start()
        try:
            reading.questions.write(json.dumps(str(path.absolute())).encode("ascii") + b"\n")
            reading.questions.flush()
            line = reading.answers.readline()
        except OSError:
            line = b""
        finally:
            timer.cancel()
        if line.endswith(b"\n") and not too_long.is_set():
            answer: _Answer = json.loads(line)
            return answer
        self._end()
        if too_long.is_set():
            raise UnreadableDocument(
                f"took longer than {self._seconds:g} s to read; save it again, or as plain text"
            )
        raise UnreadableDocument("ended the program that read it, as a damaged file may; save it again")

    def _end(self) -> None:
        reading, self._process = self._process, None
        if reading is not None:
            reading.end()
