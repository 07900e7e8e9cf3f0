"""Forgetting a run: the files that the tool wrote are deleted, anything else in the folder is left and named."""

import json
import shutil
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from event_contracts import InvalidRequest

SETTINGS: Final = "run.json"
RECORD: Final = "assessment_run.*.json"
WRITTEN: Final = (
    "events.ndjson",
    "requests/*.json",
    "events/*/*.json",
    "comparisons.csv",
    "essays.csv",
    "report.html",
    "manifest.json",
    "export/*.csv",
    "export/*.parquet",
    RECORD,
    SETTINGS,
)
"""Patterns of what a run writes into its folder, in the order of deletion: what identifies the folder goes last, so
that a run that is half deleted can be deleted again."""

EMBEDDED: Final = ".embedded"
"""Next to the runs' folders: the data of embedded suites whose runs have not ended, by the run's folder name."""

MAX_SETTINGS_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenRun:
    """What was deleted, and what was left because the tool did not write it."""

    batch_id: str | None
    deleted: tuple[Path, ...]
    left: tuple[Path, ...]


def forget_run(folder: Path) -> ForgottenRun:
    """Delete the files of a run; the folder goes as well unless something is left in it.

    Links are deleted, never followed. Raises ``InvalidRequest`` for what is not a run's folder.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder: name a run's folder, such as runs/<batch uuid>")
    if not any(path.is_file() for mark in (SETTINGS, RECORD) for path in folder.glob(mark)):
        raise InvalidRequest(f"{folder} holds neither {SETTINGS} nor {RECORD}: it is not the folder of a run")
    batch_id = _batch_id(folder)
    written = [
        path
        for pattern in WRITTEN
        for path in sorted(folder.glob(pattern))
        if (path.is_symlink() or path.is_file()) and not _is_behind_link(path, folder)
    ]
    try:
        _delete_suite(folder)
        for path in written:
            path.unlink(missing_ok=True)
        _delete_empty_folders({between for path in written for between in _between(path, folder)})
        left = tuple(sorted(folder.iterdir()))
        if not left:
            folder.rmdir()
    except OSError as error:
        raise InvalidRequest(
            f"{folder} cannot be deleted ({error.strerror}): correct that, and try again"
        ) from error
    return ForgottenRun(batch_id=batch_id, deleted=tuple(written), left=left)


def _is_behind_link(path: Path, folder: Path) -> bool:
    """True where a folder between the run's folder and the file is a link: the file is then somewhere else."""
    return any(between.is_symlink() for between in _between(path, folder))


def _between(path: Path, folder: Path) -> list[Path]:
    """The folders in which the file lies, up to the run's own, which is not among them."""
    return [folder / each for each in path.relative_to(folder).parents if each != Path()]


def _delete_empty_folders(folders: Set[Path]) -> None:
    for path in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def _delete_suite(folder: Path) -> None:
    data = folder.parent / EMBEDDED / folder.name
    if data.is_dir() and not data.is_symlink():
        shutil.rmtree(data)


def _batch_id(folder: Path) -> str | None:
    """The batch of a run, for the reader; None where no service knows it, or its settings can no longer be read."""
    path = folder / SETTINGS
    try:
        if path.stat().st_size > MAX_SETTINGS_BYTES:
            return None
        found = json.loads(path.read_bytes())["options"]["batch_uuid"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
