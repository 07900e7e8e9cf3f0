"""Texts that administrators give: typed in, or read from a document of any kind that essays may have."""

from pathlib import Path

from command_line.errors import WrongOption
from event_contracts import NotFound


def given_text(text: str | None, file: Path | None, *, names: str) -> str:
    """The one that was given; raises ``WrongOption`` for none or both, whose options ``names`` names."""
    found = optional_text(text, file, names=names)
    if found is None:
        raise WrongOption(f"say one of {names}")
    return found


def optional_text(text: str | None, file: Path | None, *, names: str) -> str | None:
    """The one that was given, or None; raises ``WrongOption`` for both, ``NotFound`` for a missing file."""
    if text is not None and file is not None:
        raise WrongOption(f"say one of {names}, not both")
    if file is None:
        return text
    if not file.is_file():
        raise NotFound(f"there is no file {file}: check the path")
    # Imported here: the readers take time to load, and most commands read nothing.
    from batch_runner.reading.essays import read_document

    return read_document(file).text
