"""How many comparisons an essay needs under each pairing policy: the table and the plot of the measurement page.

Every policy judges the same simulated batches; what is read off are medians over the batches, after each number of
comparisons an essay. The other policies are pure, while ours pays for its random links and for pairs judged in both
orders, and is planned with a round still being judged, as in the service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import matplotlib as mpl
from cj_measurement import Design, Policy, Reading, SimulatedJudge, simulate
from matplotlib.figure import Figure
from rich.console import Console
from threadpoolctl import threadpool_limits

ESSAYS: Final = 100
SEEDS: Final = 40
TARGET: Final = 0.90
SHARPNESS: Final[Mapping[float, range]] = {3.0: range(4, 21), 1.5: range(4, 35)}
"""The judge's SD in logits, and the numbers of comparisons an essay that are read."""
POSITION_BIAS: Final = 0.3
COIN_AT: Final = 10
EXPLANATION: Final = Path("documentation/explanation")
PLOT: Final = EXPLANATION / "pairing_policies.svg"
BEGIN: Final = "<!-- pairing policies: written by python -m suite.benchmarks.pairing_policies -->"
END: Final = "<!-- pairing policies: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A policy in the comparison: its name in English and Swedish, and its line in the plot."""

    english: str
    swedish: str
    design: Design
    colour: str
    dashes: str = "-"


CONTENDERS: Final = (
    Contender(
        english="random pairs",
        swedish="slumpade par",
        design=Design(essays=ESSAYS, policy=Policy.RANDOM),
        colour="#7f7f7f",
    ),
    Contender(
        english="ours, as the service judges",
        swedish="vår, så som tjänsten bedömer",
        design=Design(essays=ESSAYS),
        colour="#1f5fa8",
    ),
    Contender(
        english="ours, every answer awaited",
        swedish="vår, när varje svar inväntas",
        design=Design(essays=ESSAYS, rounds_ahead=0),
        colour="#1f5fa8",
        dashes="--",
    ),
    Contender(
        english="nearest neighbours only",
        swedish="bara närmaste grannar",
        design=Design(essays=ESSAYS, policy=Policy.NEAREST),
        colour="#c46210",
    ),
    Contender(
        english="Swiss tournament",
        swedish="schweizersystem",
        design=Design(essays=ESSAYS, policy=Policy.SWISS),
        colour="#2f8f4e",
    ),
)
BASELINE: Final = CONTENDERS[0]

Curves = Mapping[float, Mapping[Contender, Sequence[Reading]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Readings by the judge's sharpness and by policy, and one of coin flips by policy."""

    curves: Curves
    coin: Mapping[Contender, Reading]


def measure(console: Console, *, seeds: int = SEEDS) -> Measured:
    """Judge all batches; some minutes of one core."""
    curves: dict[float, dict[Contender, Sequence[Reading]]] = {sd: {} for sd in SHARPNESS}
    coin: dict[Contender, Reading] = {}
    for contender in CONTENDERS:
        console.print(f"judging: {contender.english}")
        for sd, numbers in SHARPNESS.items():
            curves[sd][contender] = _readings(contender, sd, numbers, seeds)
        coin[contender] = _readings(contender, 0.0, [COIN_AT], seeds)[0]
    return Measured(curves=curves, coin=coin)


def _readings(contender: Contender, sd: float, numbers: Sequence[int], seeds: int) -> list[Reading]:
    judge = SimulatedJudge(sd=sd, position_bias=POSITION_BIAS)
    simulated = simulate(contender.design, judge, comparisons_per_essay=numbers, seeds=seeds)
    return [each.median for each in simulated]


def needed(readings: Sequence[Reading], values: Sequence[float]) -> float | None:
    """Comparisons an essay at which the values first reach the target, on the line between two readings."""
    at = [reading.comparisons_per_essay for reading in readings]
    for (k, value), (next_k, next_value) in pairwise(zip(at, values, strict=True)):
        if next_value >= TARGET:
            return k if value >= TARGET else k + (TARGET - value) / (next_value - value) * (next_k - k)
    return None


def truth(readings: Sequence[Reading]) -> list[float]:
    """The squared correlation with the truth at each reading, 0 where there is none."""
    return [reading.true_r2 or 0.0 for reading in readings]


def reliability(readings: Sequence[Reading]) -> list[float]:
    """The EB reliability at each reading."""
    return [reading.eb_reliability for reading in readings]


def table(measured: Measured, *, swedish: bool = False) -> str:
    """The comparison in Markdown."""
    columns = [
        ("policy", "strategi"),
        ("sharp judge (SD 3): r² .90", "skarp bedömare (SD 3): r² 0,90"),
        ("EB .90", "EB 0,90"),
        ("human-like judge (SD 1.5): r² .90", "människolik bedömare (SD 1,5): r² 0,90"),
        ("EB .90", "EB 0,90"),
        ("coin flips: EB", "slantsingling: EB"),
        ("SSR", "SSR"),
    ]
    rows = [[pair[swedish] for pair in columns], ["---", *["--:"] * (len(columns) - 1)]]
    rows += [_row(measured, contender, swedish) for contender in CONTENDERS]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return text.replace(".", ",") if swedish else text


def _row(measured: Measured, contender: Contender, swedish: bool) -> list[str]:
    cells = [contender.swedish if swedish else contender.english]
    for by_contender in measured.curves.values():
        for values in (truth, reliability):
            own, baseline = (
                needed(by_contender[which], values(by_contender[which])) for which in (contender, BASELINE)
            )
            cells.append(_count(own, baseline))
    coin = measured.coin[contender]
    ssr = "–" if coin.ssr is None else f"{coin.ssr:.2f}"
    return [*cells, f"{coin.eb_reliability:.2f}", ssr]


def _count(own: float | None, baseline: float | None) -> str:
    if own is None:
        return "–"
    if baseline is None or own == baseline:
        return f"{own:.1f}"
    return f"{own:.1f} ({own / baseline - 1:+.0%})".replace("-", "−")


def draw(measured: Measured) -> Figure:
    """True r² by comparisons an essay, one panel a judge."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, len(measured.curves), sharey=True)
    for panel, (sd, by_contender) in zip(panels, measured.curves.items(), strict=True):
        for contender, readings in by_contender.items():
            at = [reading.comparisons_per_essay for reading in readings]
            panel.plot(at, truth(readings), contender.dashes, color=contender.colour, label=contender.english)
        panel.axhline(TARGET, color="black", linewidth=0.8, linestyle=":")
        panel.set(title=f"judge of SD {sd:g}", xlabel="comparisons an essay", ylim=(0.5, 1.0))
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("r² of scores with the truth")
    panels[-1].legend(loc="lower right", frameon=False)
    return figure


def with_table(page: str, written: str) -> str:
    """The page with the table between its marks; raises ``ValueError`` where a page has no such place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place for the table: put it between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"


def save_plot(figure: Figure, path: Path) -> None:
    """Write an SVG that is the same for the same figures."""
    with mpl.rc_context({"svg.hashsalt": PLOT.name, "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    """Judge, and write the table into both pages and the plot beside them."""
    console = Console()
    with threadpool_limits(limits=1):
        measured = measure(console)
    for name, swedish in (("measurement.md", False), ("measurement.sv.md", True)):
        path = EXPLANATION / name
        written = with_table(path.read_text(encoding="utf-8"), table(measured, swedish=swedish))
        path.write_text(written, encoding="utf-8")
    save_plot(draw(measured), PLOT)
    console.print(table(measured), markup=False)


if __name__ == "__main__":
    main()
