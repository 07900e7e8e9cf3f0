"""Forgetting a run: the files that the tool wrote are deleted, anything else in the folder is left and named."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from event_contracts import InvalidRequest
from rich.console import Console

from batch_runner.running import EXIT_FAILED, errors, reporting_errors

MARKS: Final = ("request.json", "status.json")
"""Files by one of which a folder is known to be a run's."""

WRITTEN: Final = (
    "request.json",
    "status.json",
    "result.json",
    "ranking.csv",
    "comparisons.csv",
    "run.json",
    "report.*",
    "analysis.*",
    "*.svg",
    "*.png",
)
"""Patterns of what a run and its analysis write into their folder."""

MAX_STATUS_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenRun:
    """What was deleted, and what was left because the tool did not write it."""

    batch_id: str | None
    deleted: tuple[Path, ...]
    left: tuple[Path, ...]


def forget(
    run: Annotated[Path, typer.Argument(help="Folder of the run, which holds its request.json.")],
) -> None:
    """Delete the files of a run; what the services hold of its batch is forgotten with cj-admin."""
    reporting_errors(lambda: _forget_and_report(run))


def _forget_and_report(run: Path) -> None:
    console, forgotten = Console(), forget_run(run)
    console.out(f"deleted {len(forgotten.deleted)} files of {run}", highlight=False)
    if forgotten.batch_id is not None:
        command = f"cj-admin batches forget {forgotten.batch_id}"
        console.out(f"the services still hold the batch: {command}", highlight=False)
    for path in forgotten.left:
        errors.out(f"left, because cj-run did not write it: {path}", highlight=False)
    if forgotten.left:
        raise typer.Exit(EXIT_FAILED)


def forget_run(folder: Path) -> ForgottenRun:
    """Delete the files of a run; the folder goes as well unless something is left in it.

    Links are deleted, never followed. Raises ``InvalidRequest`` for what is not a run's folder.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder: name the folder of a run, such as runs/run-1")
    if not any((folder / name).is_file() for name in MARKS):
        raise InvalidRequest(f"{folder} holds neither {' nor '.join(MARKS)}: it is not the folder of a run")
    batch_id = _batch_id(folder)
    written = {
        path for pattern in WRITTEN for path in folder.glob(pattern) if path.is_symlink() or path.is_file()
    }
    # What identifies the folder goes last: a run that is half deleted can be deleted again.
    in_order = sorted(written, key=lambda path: (path.name in MARKS, path.name))
    try:
        for path in in_order:
            path.unlink(missing_ok=True)
        left = tuple(sorted(folder.iterdir()))
        if not left:
            folder.rmdir()
    except OSError as error:
        raise InvalidRequest(
            f"{folder} cannot be deleted ({error.strerror}): put that right, and try again"
        ) from error
    return ForgottenRun(batch_id=batch_id, deleted=tuple(in_order), left=left)


def _batch_id(folder: Path) -> str | None:
    """The batch of a run, for the reader; None where its status cannot be read any more."""
    path = folder / "status.json"
    try:
        if path.stat().st_size > MAX_STATUS_BYTES:
            return None
        found = json.loads(path.read_bytes()).get("batch_id")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
