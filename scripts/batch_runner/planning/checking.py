"""What a run needs, checked before anything is sent: a batch id that can be asked for, a folder for its files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from command_line.errors import WrongOption
from event_contracts import MAX_IDENTIFIER

MEANT_FOR_PATHS: Final = "/\\?#%"
"""Characters that end or change a path in an address or on disk."""


def check_batch_id(batch_id: str) -> None:
    """Raise ``WrongOption`` unless the id can be part of an address and the name of a folder."""
    if reason := why_not_an_id(batch_id, refused=MEANT_FOR_PATHS):
        raise WrongOption(f"--batch-id {shortened(batch_id)} {reason}: choose another, such as class-9b-1")
    if batch_id.strip(".") == "":
        raise WrongOption(
            f"--batch-id {batch_id!r} cannot be the name of a folder: choose another, such as class-9b-1"
        )


def why_not_an_id(name: str, *, refused: str = "/") -> str | None:
    """Why the services would not take this name as an id; None if they do."""
    if not name:
        return "is empty"
    if len(name) > MAX_IDENTIFIER:
        return f"has {len(name)} characters, more than {MAX_IDENTIFIER}"
    if not name.isprintable():
        return "holds a character that cannot be printed"
    found = next((character for character in refused if character in name), None)
    return None if found is None else f"holds {found!r}"


def shortened(name: str, *, characters: int = 40) -> str:
    """A name in quotes for a message, its unprintable characters escaped."""
    return repr(name if len(name) <= characters else f"{name[:characters]}…")


@contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    """Make the folder and write into it, to know that it works; a folder that stays empty is removed again.

    Raises ``WrongOption`` that says what to do.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        _remove_empty(missing)
        raise WrongOption(
            f"{folder} cannot be written ({error.strerror}): choose another folder with --out"
        ) from error
    try:
        yield
    finally:
        _remove_empty(missing)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it holds files, or was never made
            folder.rmdir()
