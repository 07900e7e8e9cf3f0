"""What a plan would take, on the terminal: the target, the reliability to expect, and the judges side by side."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch_runner.planning.forecast import dollars, effort_line
from batch_runner.planning.prospects import Offer, Prospect


def print_prospects(
    target: float, found: Sequence[Prospect], offered: Sequence[Offer], console: Console
) -> None:
    """How many comparisons the target takes, what they bring, and what they cost with each judge, side by side."""
    console.out(f"until reliability {target:g} is reached:", highlight=False)
    for each in found:
        console.out(f"  {each.name} (SD {each.sd:g}): {effort_line(each.effort)}", highlight=False)
    for each in found:
        if each.reliability is not None:
            said = (
                f"after {each.comparisons} comparisons by {each.name} the reliability is expected to be"
                f" {each.reliability.median:.2f} ({each.reliability.low:.2f} to {each.reliability.high:.2f})"
            )
            console.out(said, highlight=False)
    between = " to ".join(each.name for each in found)
    said = f"dollars, dollars by the vendor's batch API, and minutes at the rate limit, for {between}:"
    console.out(said, highlight=False)
    table = Table("judge", box=None, header_style="bold", padding=(0, 1))
    for name in ("dollars", "batch", "minutes"):
        table.add_column(name, justify="right", overflow="fold")
    for offer in offered:
        cells = (
            f"* {offer.judge}" if offer.is_chosen else f"  {offer.judge}",
            _range([None if each is None else dollars(each) for each in offer.dollars.values()]),
            _range([None if each is None else dollars(each) for each in offer.batch_dollars.values()]),
            _range([None if each is None else _minutes(each) for each in offer.minutes.values()]),
        )
        table.add_row(*map(Text, cells), style="bold" if offer.is_chosen else None)
    console.print(table)


def _range(values: Sequence[str | None]) -> str:
    known = list(dict.fromkeys("?" if value is None else value for value in values))
    return " – ".join(known) if known else "–"


def _minutes(minutes: float) -> str:
    return "< 1" if minutes < 1 else f"{minutes:.0f}"
