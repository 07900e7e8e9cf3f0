"""The essays in a folder: files side by side, or a folder for each student as learning platforms export them.

Everything in the folder is an essay, a file of the system, or a problem with a name; nothing is left out unsaid.
"""

import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from command_line.printable import printable

from batch_runner.reading.bounds import MAX_FOLDER_FILES, MAX_NESTED_FOLDERS
from batch_runner.reading.kinds import KIND_OF_SUFFIX, USUAL_SUFFIXES
from batch_runner.reading.moodle import submission
from batch_runner.reading.names import composed, is_utf8
from batch_runner.reading.pictures import counted

_SYSTEM_NAMES: Final = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information",
        "lost+found", "icon\r",
    }
)  # fmt: skip
_SYSTEM_STARTS: Final = (".", "~$", "~wrl", "~wrd")
_DOCUMENT_FOLDERS: Final = {".pages", ".key", ".numbers", ".rtfd", ".textbundle", ".app"}
_OUT: Final = "or move it out of the folder if it is not an essay"
_PICTURES: Final = (
    ".jpg", ".jpeg", ".jpe", ".png", ".gif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".webp",
    ".avif", ".svg", ".psd", ".raw", ".dng", ".jfif",
)  # fmt: skip
_RECORDINGS: Final = (
    ".mp3", ".m4a", ".wav", ".ogg", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".aac", ".flac",
)  # fmt: skip
_ARCHIVES: Final = (
    ".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz",
)  # fmt: skip
_LINKS: Final = (
    ".gdoc", ".gsheet", ".gslides", ".url", ".webloc", ".lnk", ".desktop",
)  # fmt: skip
WHAT_TO_DO: Final = {
    **dict.fromkeys(_PICTURES, f"a picture; type in what it says, {_OUT}"),
    **dict.fromkeys(_RECORDINGS, f"a recording; type in what it says, {_OUT}"),
    **dict.fromkeys(_ARCHIVES, f"an archive; unpack it, {_OUT}"),
    **dict.fromkeys(
        _LINKS, f"a link to a document, not its text; download the document as .docx or PDF, {_OUT}"
    ),
    **dict.fromkeys(
        (".pages", ".key", ".numbers"), f"a document of Apple's iWork; export it as .docx or PDF, {_OUT}"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an essay comes from; ``name`` is its path within the folder, ``student`` who wrote it, if that is known."""

    essay_id: str
    path: Path
    name: str
    student: str


@dataclass(slots=True)
class Inventory:
    """The essays of a folder, every problem found, and the hidden files that were left out."""

    sources: list[Source] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def is_system_file(name: str) -> bool:
    """Whether a system or a program left the file there, and no student."""
    folded = name.casefold()
    return folded in _SYSTEM_NAMES or folded.startswith(_SYSTEM_STARTS)


def take_inventory(folder: Path, *, ignored: Collection[Path] = ()) -> Inventory:
    """Look through a folder without reading its files; ``ignored`` are files in it that are known to be no essays."""
    found = Inventory()
    _Search(found, {path.resolve() for path in ignored}).top(folder)
    return found


@dataclass
class _Search:
    found: Inventory
    ignored: set[Path]
    files: int = 0

    def top(self, folder: Path) -> None:
        entries = self.entries(folder, "")
        folders = [path for path in entries if _is_folder(path)]
        files = [path for path in entries if path not in folders]
        if len(folders) == 1 and not files and submission(folders[0].name) is None:
            inside = self.entries(folders[0], folders[0].name)
            if len(inside) > 1:
                self.top(folders[0])
                return
        if files and folders:
            for path in folders:
                count = len(list(self.inside(path, printable(path.name), depth=1)))
                self.found.problems.append(
                    f"{printable(path.name)}: a folder with {counted(count, 'file')} next to essays that lie in no"
                    " folder; put all essays on one level, or each student's into a folder of its own"
                )
        for path in files:
            self.file(path, printable(path.name))
        for path in folders if not files else ():
            self.student(path)

    def entries(self, folder: Path, shown: str) -> list[Path]:
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            self.found.problems.append(f"{shown or folder}: cannot be read: {error.strerror}")
            return []
        self.found.left_out += [
            f"{shown}/{printable(path.name)}" if shown else printable(path.name)
            for path in paths
            if is_system_file(path.name)
            and path.suffix.lower() in KIND_OF_SUFFIX
            and not path.name.startswith(("._", "~", ".~"))
        ]
        return [
            path for path in paths if not is_system_file(path.name) and path.resolve() not in self.ignored
        ]

    def inside(self, folder: Path, shown: str, *, depth: int) -> Iterator[tuple[Path, str]]:
        """Every file in a student's folder, at any depth, with a printable name."""
        if depth > MAX_NESTED_FOLDERS:
            self.found.problems.append(f"{shown}: more than {MAX_NESTED_FOLDERS} folders inside each other")
            return
        for path in self.entries(folder, shown):
            name = f"{shown}/{printable(path.name)}"
            if _is_folder(path):
                yield from self.inside(path, name, depth=depth + 1)
            else:
                yield path, name

    def student(self, folder: Path) -> None:
        shown = printable(folder.name)
        if not is_utf8(folder.name):
            self.found.problems.append(f"{shown}: the folder's name is not UTF-8; rename the folder")
            return
        files = list(self.inside(folder, shown, depth=1))
        if not files:
            self.found.problems.append(
                f"{shown}: the folder holds no file; remove it if nothing was handed in"
            )
        elif len(files) > 1:
            names = ", ".join(name.removeprefix(f"{shown}/") for _, name in files[:5])
            self.found.problems.append(
                f"{shown}: the folder holds {counted(len(files), 'file')} ({names}); leave the one that is to be"
                " judged"
            )
        for path, name in files if len(files) == 1 else ():
            handed_in = submission(folder.name)
            essay_id = folder.name if handed_in is None else handed_in.number
            self.file(
                path, name, essay_id=essay_id, student=folder.name if handed_in is None else handed_in.student
            )

    def file(
        self, path: Path, shown: str, *, essay_id: str | None = None, student: str | None = None
    ) -> None:
        self.files += 1
        if self.files > MAX_FOLDER_FILES:
            if self.files == MAX_FOLDER_FILES + 1:
                self.found.problems.append(
                    f"more than {MAX_FOLDER_FILES} files; assess them in several batches"
                )
            return
        problem = _problem(path)
        if problem is not None:
            self.found.problems.append(f"{shown}: {problem}")
            return
        handed_in = submission(path.stem)
        if essay_id is None:
            essay_id = path.stem if handed_in is None else handed_in.number
        if student is None:
            student = path.stem if handed_in is None else handed_in.student
        self.found.sources.append(
            Source(essay_id=composed(essay_id), path=path, name=composed(shown), student=composed(student))
        )


def _is_folder(path: Path) -> bool:
    """A folder of files; not one that a program takes for a document, nor a link to a folder."""
    return path.suffix.lower() not in _DOCUMENT_FOLDERS and path.is_dir() and not path.is_symlink()


def _problem(path: Path) -> str | None:
    if not is_utf8(path.name):
        return "the file's name is not UTF-8; rename the file"
    suffix = path.suffix.lower()
    if suffix in WHAT_TO_DO:
        return WHAT_TO_DO[suffix]
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if suffix not in KIND_OF_SUFFIX:
        return (
            f"cannot read {path.suffix or 'files without a suffix'}; save it as one of"
            f" {', '.join(USUAL_SUFFIXES)}, {_OUT}"
        )
    if not stat.S_ISREG(mode):
        return f"not a file that can be read, but a folder, a link or a device; {_OUT}"
    return None
