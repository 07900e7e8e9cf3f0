"""The index of the decision records."""

import re
from pathlib import Path
from typing import Final

from suite.generated.pages import cell, page

FOLDER: Final = Path("documentation/decisions")
GAPS: Final = "Records 0064 and 0065 had the numbers 0066 and 0067 at first; these are not given again."


def decisions_page(root: Path) -> str:
    """Every decision record by its number and title."""
    rows = [
        f"| [{path.name[:4]}]({path.name}) | {cell(_title(path))} |"
        for path in sorted((root / FOLDER).glob("[0-9]*.md"))
    ]
    lines = [
        "Why it is as it is: one page each, with its context, its consequences, and what enforces it.",
        "",
        "| | decision |",
        "|---|---|",
        *rows,
        "",
        GAPS,
    ]
    return page("Decisions", lines)


def _title(path: Path) -> str:
    """The first heading without its number."""
    first = path.read_text("utf-8").partition("\n")[0]
    return re.sub(r"^#+\s*\d*\.?\s*", "", first)
