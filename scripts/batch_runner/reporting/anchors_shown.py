"""How anchors lie, on the terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch_runner.artefact.outcome import AnchorAlignment


def show_alignment(found: AnchorAlignment, *, wins: Mapping[str, int], console: Console) -> list[str]:
    """Print Kendall's tau-b and a row for each anchor; returns what speaks against single anchors, printed too."""
    console.out(f"{len(found.displacement)} anchors, Kendall's tau {_signed(found.tau)}", highlight=False)
    table = Table("anchor", "grade", "score", "wins", "displacement", box=None, header_style="bold")
    for each in found.displacement:
        cells = (each.anchor_id, each.grade, f"{each.theta:+.2f}", str(wins[each.anchor_id]))
        table.add_row(*map(Text, cells), _signed(each.displacement))
    console.print(table)
    grades = {each.anchor_id: each.grade for each in found.displacement}
    problems = [
        *(
            f"{each.lower_anchor_id} ({grades[each.lower_anchor_id]}) is ranked above {each.higher_anchor_id}"
            f" ({grades[each.higher_anchor_id]})"
            for each in found.inversions
        ),
        *(f"{name} ({grades[name]}) never won" for name in found.zero_win),
    ]
    for problem in problems:
        console.out(problem, highlight=False)
    return problems


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"
