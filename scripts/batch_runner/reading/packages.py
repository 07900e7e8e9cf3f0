"""Documents that are zip archives (.docx, .odt): their parts, read within bounds."""

import zlib
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import BadZipFile, ZipFile

from batch_runner.reading.bounds import MAX_PART_BYTES, MAX_PARTS, MEBIBYTE
from batch_runner.reading.errors import UnreadableDocument


class Package:
    """The parts of a document; ``kind`` names it in errors ("a Word document"). Use it as a context manager."""

    def __init__(self, path: Path, *, kind: str) -> None:
        self._kind = kind
        try:
            self._zip = ZipFile(path)
        except (BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
            raise self._damaged() from error
        try:
            self.names = self._names()
        except UnreadableDocument:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """One part; raises ``UnreadableDocument`` where it is missing, damaged or too large."""
        try:
            with self._zip.open(name) as part:
                content = part.read(MAX_PART_BYTES + 1)
        except KeyError as error:
            raise UnreadableDocument(f"not {self._kind} that can be opened: it has no part {name}") from error
        except (BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
            raise self._damaged() from error
        if len(content) > MAX_PART_BYTES:
            raise UnreadableDocument(
                f"its part {name} holds more than {MAX_PART_BYTES // MEBIBYTE} MB; submit the text alone"
            )
        return content

    def _names(self) -> frozenset[str]:
        names = self._zip.namelist()
        if len(names) > MAX_PARTS:
            raise UnreadableDocument(f"it has more than {MAX_PARTS} parts; submit the text alone")
        distinct = frozenset(names)
        if len(distinct) < len(names):
            raise UnreadableDocument(
                "it holds a part twice, so programs may show it differently; save it again"
            )
        return distinct

    def _damaged(self) -> UnreadableDocument:
        return UnreadableDocument(
            f"not {self._kind} that can be opened; open it in its program and save it again"
        )
