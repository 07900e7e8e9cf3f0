"""The process that reads documents for ``isolation``: a path in, a text or a reason out, one line of JSON each."""

import json
import sys
from pathlib import Path
from typing import BinaryIO

from batch_runner.reading.bounds import READ_MEMORY
from batch_runner.reading.errors import UnreadableDocument
from batch_runner.reading.files import read_here


def limit_memory() -> None:
    """Let a document that takes too much memory fail here, where the system can limit a process."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    allowed = READ_MEMORY if most == resource.RLIM_INFINITY else min(READ_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))


def answer(path: Path) -> dict[str, object]:
    """The document, or why it cannot be read."""
    try:
        document = read_here(path)
    except UnreadableDocument as error:
        return {"error": type(error).__name__, "message": error.message}
    except (MemoryError, RecursionError):
        return {
            "error": UnreadableDocument.__name__,
            "message": "takes too much memory to read; save it again, or as plain text",
        }
    return {"text": document.text, "notes": document.notes, "authors": document.authors}


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    for line in questions:
        answers.write(json.dumps(answer(Path(json.loads(line)))).encode("ascii") + b"\n")
        answers.flush()


if __name__ == "__main__":
    limit_memory()
    serve(sys.stdin.buffer, sys.stdout.buffer)
