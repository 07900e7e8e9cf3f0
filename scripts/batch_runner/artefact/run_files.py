"""The files of a run's folder: written whole or not at all, listed in ``manifest.json`` with their checksums."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from batch_runner.artefact.assessment_run import ManifestEntry

MANIFEST: Final = "manifest.json"
_ENTRIES: Final = TypeAdapter(tuple[ManifestEntry, ...])


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file so that it holds all of ``content`` or is not there; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path


def entries_of(folder: Path, *, leaving_out: Iterable[str] = ()) -> tuple[ManifestEntry, ...]:
    """Every file in the folder but its manifest, by path."""
    left_out = {MANIFEST, *leaving_out}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return tuple(
        _entry(folder, path) for path in paths if path.relative_to(folder).as_posix() not in left_out
    )


def _entry(folder: Path, path: Path) -> ManifestEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ManifestEntry(path=path.relative_to(folder).as_posix(), sha256=digest, bytes=path.stat().st_size)


def write_manifest(folder: Path) -> Path:
    """List every file of the folder; written again, it is the same."""
    return write_whole(folder / MANIFEST, _ENTRIES.dump_json(entries_of(folder), indent=2) + b"\n")


def read_manifest(folder: Path) -> tuple[ManifestEntry, ...]:
    """The entries of the manifest; raises ``OSError`` and ``ValueError``."""
    return _ENTRIES.validate_json((folder / MANIFEST).read_bytes())
