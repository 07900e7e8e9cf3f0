"""Lays out the pages of the documentation site: documentation/ and the READMEs, with links that hold on the site.

`make site` builds the site from them. A link to a page stays a link; one to another file of the repository, which the
site does not have, becomes the file's path. A link to nothing is an
error, and so is one to a heading that is not there.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).parents[3]
DOCUMENTATION: Final = PurePosixPath("documentation")
ASSETS: Final = (".svg", ".png", ".json", ".yaml")
TOP: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md")
READMES: Final = ("libs", "services", "scripts")

_LINK: Final = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s]+)\)")
_FENCE: Final = re.compile(r"^(```|~~~)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$")


@dataclass(frozen=True)
class BrokenLink:
    """A link of a page that leads nowhere."""

    page: PurePosixPath
    target: str

    def __str__(self) -> str:
        return f"{self.page}: {self.target} leads nowhere"


def pages_of(root: Path) -> dict[PurePosixPath, PurePosixPath]:
    """Where each Markdown page of the repository stands on the site; both are relative paths."""
    pages = {
        PurePosixPath(path.relative_to(root).as_posix()): PurePosixPath(
            path.relative_to(root / DOCUMENTATION).as_posix()
        )
        for path in (root / DOCUMENTATION).rglob("*.md")
    }
    pages |= {PurePosixPath(name): PurePosixPath("project", name) for name in TOP if (root / name).is_file()}
    for folder in READMES:
        for path in sorted((root / folder).glob("*/README.md")):
            pages[PurePosixPath(path.relative_to(root).as_posix())] = PurePosixPath(
                "packages", f"{path.parent.name}.md"
            )
    pages[PurePosixPath("README.md")] = PurePosixPath("project", "README.md")
    pages[DOCUMENTATION / "README.md"] = PurePosixPath("index.md")
    return pages


def lay_out(root: Path, target: Path) -> list[BrokenLink]:
    """Write every page and picture below ``target``; returns the links that lead nowhere."""
    shutil.rmtree(target, ignore_errors=True)
    pages = pages_of(root)
    broken: list[BrokenLink] = []
    for source, page in pages.items():
        text, found = relinked(root, source, pages)
        broken += found
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        (target / page).write_text(text, "utf-8")
    for path in (root / DOCUMENTATION).rglob("*"):
        if path.suffix in ASSETS:
            copy = target / path.relative_to(root / DOCUMENTATION)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    return broken


def relinked(
    root: Path, source: PurePosixPath, pages: Mapping[PurePosixPath, PurePosixPath]
) -> tuple[str, list[BrokenLink]]:
    """A page's text with the links of the site, and its links that lead nowhere."""
    broken: list[BrokenLink] = []

    def replace(match: re.Match[str]) -> str:
        picture, label, link = match.groups()
        if re.match(r"[a-z]+:", link):
            return match[0]
        name, _, anchor = link.partition("#")
        file = PurePosixPath(os.path.normpath(source.parent / name)) if name else source
        if not (root / file).exists() or (anchor and anchor not in anchors(root / file)):
            broken.append(BrokenLink(source, link))
            return match[0]
        if file in pages:
            to = os.path.relpath(pages[file], pages[source].parent)
            return f"{picture}[{label}]({to}{'#' + anchor if anchor else ''})"
        if file.is_relative_to(DOCUMENTATION) and file.suffix in ASSETS:
            to = os.path.relpath(file.relative_to(DOCUMENTATION), pages[source].parent)
            return f"{picture}[{label}]({to})"
        return label if label.strip("`") == str(file) else f"{label} (`{file}`)"

    lines = [_LINK.sub(replace, line) if is_text else line for line, is_text in _lines(root / source)]
    return "\n".join(lines) + "\n", broken


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    if path.suffix != ".md":
        return set()
    found: set[str] = set()
    for line, is_text in _lines(path):
        if is_text and (heading := _HEADING.match(line)):
            words = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading[1]).lower()
            found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def _lines(path: Path) -> Iterator[tuple[str, bool]]:
    """The lines of a page, and whether each is text rather than part of a fenced block."""
    fenced = False
    for line in path.read_text("utf-8").splitlines():
        fence = bool(_FENCE.match(line))
        yield line, not (fenced or fence)
        fenced ^= fence


def main() -> int:
    """Lay out the pages in the folder that the command names; 1 where a link leads nowhere."""
    [target] = sys.argv[1:]
    broken = lay_out(ROOT, Path(target))
    for link in broken:
        print(link, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
