"""The page of figures: each benchmark writes its own section, between two marks."""

from pathlib import Path
from typing import Final

PAGE: Final = Path("documentation/reference/benchmarks.md")
TITLE: Final = "# Benchmarks"


def write_section(section: str) -> None:
    """Write a section over the previous one; its first and last lines are its marks."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    PAGE.write_text(written(page, section), encoding="utf-8")


def written(page: str, section: str) -> str:
    """The page with this section in place of the one with the same marks, or at its end."""
    begin, end = section.splitlines()[0], section.splitlines()[-1]
    if begin not in page:
        return f"{page.rstrip() or TITLE}\n\n{section}\n"
    before, _, rest = page.partition(begin)
    return before + section + rest.partition(end)[2]
