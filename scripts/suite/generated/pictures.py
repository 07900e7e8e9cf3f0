"""The README's picture: what `make demo` ends with. `make pictures` runs the demo and redraws it."""

import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from suite.generated.site import ROOT

PICTURE: Final = Path("documentation/tutorial/demo.svg")
FIRST: Final = 12
LAST: Final = 4

# As Rich's own, without its font from another host and without the buttons of a window.
_SVG: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="The ranking of a demo">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
line-height: {line_height}px; white-space: pre; }}
{styles}
</style>
<defs>{lines}</defs>
<rect fill="#1f2328" width="100%" height="100%" rx="8"/>
<g transform="translate(12, 12)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def demonstrated() -> str:
    """What the demo prints, on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="cj-picture-") as folder:
        return subprocess.run(
            [sys.executable, "-m", "suite.main", "demo", "--data", str(Path(folder) / "data")],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout


def excerpt(printed: str) -> list[str]:
    """The table's first and last rows, and the line with the totals, without its time; raises ``ValueError``."""
    lines = [line.rstrip() for line in printed.splitlines()]
    header = next(
        (number for number, line in enumerate(lines) if line.split()[:2] == ["rank", "essay"]), None
    )
    totals = next((line for line in lines if re.search(r"\d+ essays and \d+ anchors", line)), None)
    if header is None or totals is None:
        raise ValueError("the demo printed no ranking")
    rows = [line for line in lines[header + 1 :] if re.match(r" +\d+  ", line)]
    return [
        "$ make demo",
        "",
        lines[header - 1],
        lines[header],
        *rows[:FIRST],
        "    …",
        *rows[-LAST:],
        re.sub(r", [\d.]+ s,", ",", totals).replace(", stopped: ", "\nstopped: "),
    ]


def drawn(lines: list[str]) -> str:
    """An SVG of a terminal that shows these lines."""
    console = Console(record=True, width=72, file=StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text(line, style="bold" if line.startswith(("$", " rank")) else ""), highlight=False)
    return console.export_svg(title="make demo", theme=MONOKAI, code_format=_SVG, unique_id="demo")


def main() -> None:
    """Run the demo and write the picture."""
    (ROOT / PICTURE).write_text(drawn(excerpt(demonstrated())), "utf-8")
    print(f"written: {PICTURE}")


if __name__ == "__main__":
    main()
