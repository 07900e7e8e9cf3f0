"""The commands that the documentation shows, as a test may run them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = sorted(
    path for folder in ("tutorial", "how-to") for path in (ROOT / "documentation" / folder).glob("*.md")
)

_BLOCK: Final = re.compile(
    r"(?:^ *<!-- (?P<mark>not run|started): (?P<why>[^\n]+) -->\n)?"
    r"^(?P<indent> *)```bash(?P<when>[^\n]*)\n(?P<commands>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


class Run(StrEnum):
    """How a test treats a block."""

    RUNNING = "running"
    """It is run while the suite is up."""
    STOPPED = "stopped"
    """It is run while the suite is down."""
    STARTS = "started"
    """It starts the suite, which the test does on free ports."""
    NOT = "not run"


@dataclass(frozen=True)
class Block:
    """One block of commands of a page; ``why`` says why it is not run as it stands."""

    page: Path
    commands: str
    run: Run
    why: str


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of commands of a page, in order."""
    for found in _BLOCK.finditer(page.read_text("utf-8")):
        indent = found["indent"]
        commands = "\n".join(line.removeprefix(indent) for line in found["commands"].splitlines())
        run = Run(found["mark"] or found["when"].strip() or Run.RUNNING)
        yield Block(page, commands, run, found["why"] or "")
