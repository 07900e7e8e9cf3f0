"""A simulation on the screen."""

from collections.abc import Iterator

from cj_measurement import Says
from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch_runner.money import dollars
from batch_runner.simulating.findings import PowerView, Simulation


def print_simulation(found: Simulation, *, console: Console) -> None:
    """Print what each policy reached, and what the target takes, in 80 columns."""
    if found.policies:
        console.print(_medians_table(found))
    if found.power:
        console.print(_power_table(found))
    for line in _remarks(found):
        console.print(Text(line), style="dim", highlight=False)


def _medians_table(found: Simulation) -> Table:
    table = _table(
        f"{_batch(found)}: medians of {found.seeds} runs",
        "policy",
        "an essay",
        "EB",
        "SSR",
        "true r²",
        "rank corr.",
        "intervals hold",
    )
    for policy, reading in found.policies.items():
        table.add_row(
            policy,
            f"{reading.comparisons_per_essay:g}",
            f"{reading.eb_reliability:.3f}",
            _known(reading.ssr),
            _known(reading.true_r2),
            _known(reading.spearman),
            f"{reading.coverage:.0%}",
        )
    return table


def _batch(found: Simulation) -> str:
    said = "" if found.says == Says.NOTHING else f", winners and {found.says.replace('_', ' ')}"
    return f"{found.essays} essays, SD {found.sd:g}{said}"


def _known(value: float | None) -> str:
    return "–" if value is None else "not measurable" if value < 0 else f"{value:.3f}"


def _power_table(found: Simulation) -> Table:
    title = f"{_batch(found)}: until EB reaches {found.target_reliability:g}"
    table = _table(title, "policy", "an essay", "comparisons", "range", "cost", "range")
    for policy, needed in found.power.items():
        table.add_row(policy, *_power_cells(needed))
    return table


def _power_cells(needed: PowerView) -> tuple[str, ...]:
    if needed.comparisons is None:
        return ("–", f"out of reach ({needed.reached:.0%} of runs)", "", "", "")
    return (
        f"{needed.comparisons_per_essay:g}",
        str(needed.comparisons),
        _range(_count(needed.comparisons_low), _count(needed.comparisons_high)),
        _dollars(needed.cost_usd),
        ""
        if needed.cost_usd is None
        else _range(_dollars(needed.cost_usd_low), _dollars(needed.cost_usd_high)),
    )


def _count(comparisons: int | None) -> str:
    return "more" if comparisons is None else str(comparisons)


def _dollars(amount: float | None) -> str:
    return "–" if amount is None else dollars(amount)


def _range(low: str, high: str) -> str:
    return f"{low} to {high}"


def _remarks(found: Simulation) -> Iterator[str]:
    if found.policies:
        yield (
            "EB should be near true r²; an SSR far above it is inflated by pairing by score. Nine in ten of the"
            " 90 % intervals should hold the truth. “An essay” counts the comparisons that it takes part in."
        )
    if found.sd == 0:
        yield "SD 0: every answer is a coin flip, so a reliability above 0 is an artefact."
    if found.judge is not None:
        yield f"Dollars: {found.judge} at list price, without prompt caching; the range is that of both."
    elif found.power:
        yield "Name --provider or --model to see dollars."


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None)
    for name in columns:
        table.add_column(name, justify="left" if name == "policy" else "right")
    return table
