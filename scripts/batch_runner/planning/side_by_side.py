"""What a plan would take, on the terminal: the target, the reliability to expect, and the judges side by side."""

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch_runner.money import dollars
from batch_runner.planning.forecast import effort_line
from batch_runner.planning.pace import BATCH_HOURS, MAX_BATCH_JOBS
from batch_runner.planning.prospects import Offer, Prospect

Value = TypeVar("Value", float, Decimal)


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
    console.out(
        "what that costs and takes with each model, from the least to the most of these:", highlight=False
    )
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("judge", overflow="fold")
    for name in ("dollars", "minutes", "relaxed"):
        table.add_column(name, justify="right", overflow="fold")
    for offer in offered:
        cells = (
            f"* {offer.judge}" if offer.is_chosen else f"  {offer.judge}",
            _range(offer.dollars.values(), dollars),
            _range(offer.minutes.values(), _minutes),
            _range(offer.batch_dollars.values(), dollars),
        )
        table.add_row(*map(Text, cells), style="bold" if offer.is_chosen else None)
    console.print(table)
    said = f"relaxed: by the vendor's batch API, in up to {MAX_BATCH_JOBS} jobs of at most {BATCH_HOURS} hours each"
    console.out(said, highlight=False)


def _range(values: Collection[Value | None], shown: Callable[[Value], str]) -> str:
    if not values:
        return "–"
    known = [value for value in values if value is not None]
    ends = [shown(min(known)), shown(max(known))] if known else ["?"]
    return " – ".join(dict.fromkeys(ends)) + (" or more" if 0 < len(known) < len(values) else "")


def _minutes(minutes: float) -> str:
    return "< 1" if minutes < 1 else f"{minutes:.0f}"
