"""A folder in a zip archive, as learning platforms export them: unpacked within bounds, or refused by name."""

import stat
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from command_line.printable import printable
from event_contracts import InvalidRequest

from batch_runner.reading.bounds import MAX_FILE_BYTES, MAX_FOLDER_FILES, MAX_UNPACKED_BYTES, MEBIBYTE
from batch_runner.reading.folders import is_system_file

_CHUNK: Final = 1024 * 1024
_UTF8_FLAG: Final = 0x800
_ENCRYPTED_FLAG: Final = 0x1
_PROBLEMS_SHOWN: Final = 5


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the archive's files. Raises ``InvalidRequest`` that names every entry refused."""
    with tempfile.TemporaryDirectory(prefix="cj-run-") as folder:
        try:
            with ZipFile(path) as archive:
                _unpack(archive, Path(folder), path.name)
        except (BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
            raise InvalidRequest(f"{path.name}: a damaged zip archive ({error}); export it again") from error
        except OSError as error:
            raise InvalidRequest(f"{path.name}: cannot be unpacked: {error.strerror or error}") from error
        yield Path(folder)


def _unpack(archive: ZipFile, folder: Path, name: str) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_FOLDER_FILES:
        raise InvalidRequest(
            f"{name}: holds more than {MAX_FOLDER_FILES} files; assess them in several batches"
        )
    planned: dict[str, tuple[ZipInfo, PurePosixPath]] = {}
    problems: list[str] = []
    for entry in entries:
        target = PurePosixPath(_name(entry).replace("\\", "/"))
        if any(is_system_file(part) and part not in (".", "..") for part in target.parts):
            continue
        problem = _problem(entry, target)
        key = unicodedata.normalize("NFC", str(target)).casefold()
        if problem is None and key in planned and not entry.is_dir():
            problem = "is in the archive twice; export it again"
        if problem is not None:
            problems.append(f"{printable(str(target))} {problem}")
        elif not entry.is_dir():
            planned[key] = entry, target
        else:
            (folder / target).mkdir(parents=True, exist_ok=True)
    _refuse(problems, name)
    left = MAX_UNPACKED_BYTES
    for entry, target in planned.values():
        left -= _extract(archive, entry, folder / target, left=left, name=name)


def _refuse(problems: list[str], name: str) -> None:
    if problems:
        more = len(problems) - _PROBLEMS_SHOWN
        shown = [*problems[:_PROBLEMS_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        raise InvalidRequest(f"{name}: {'; '.join(shown)}", details={"problems": list(problems[:100])})


def _name(entry: ZipInfo) -> str:
    """The entry's name. Some programs write UTF-8 without saying so, and Python then reads an old code page."""
    if entry.flag_bits & _UTF8_FLAG:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _problem(entry: ZipInfo, target: PurePosixPath) -> str | None:
    drive = bool(target.parts) and target.parts[0].endswith(":")
    if target.is_absolute() or drive or ".." in target.parts or not target.parts:
        return "would be written outside the folder; export the archive again"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link; put the file itself into the archive"
    if entry.flag_bits & _ENCRYPTED_FLAG:
        return "is protected by a password; export the archive without one"
    if entry.file_size > MAX_FILE_BYTES:
        return f"has more than {MAX_FILE_BYTES // MEBIBYTE} MB; submit the text without pictures"
    return None


def _extract(archive: ZipFile, entry: ZipInfo, target: Path, *, left: int, name: str) -> int:
    """Write one file, whose stated and real size may differ. Returns its size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as packed, target.open("xb") as file:
        while chunk := packed.read(_CHUNK):
            written += len(chunk)
            if written > min(left, MAX_FILE_BYTES):
                raise InvalidRequest(
                    f"{name}: unpacks to more than {min(left, MAX_FILE_BYTES) // MEBIBYTE} MB at"
                    f" {printable(str(target.name))}; submit the texts without pictures"
                )
            file.write(chunk)
    return written
