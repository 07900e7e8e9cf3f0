"""Comparisons per essay that each pairing policy needs: the table and the plot of the measurement page.

Every policy judges the same simulated batches; figures are medians over the batches, at each number of
comparisons per essay. The other policies are pure; ours includes random links and pairs judged in both orders, and is
planned while a round is still being judged, as in the service. Two rows are of judges that also say by how much.
Dollars are those of a batch with one model. The last row is a bound that no policy can beat where winners are all that
is said.
"""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from batch_runner.planning.pair_cost import PromptSize, pair_cost
from cj_measurement import Design, Policy, Reading, Says, SimulatedJudge, simulate
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from model_manifest import get_model
from rich.console import Console
from scipy.special import entr, expit
from threadpoolctl import threadpool_limits

ESSAYS: Final = 100
SEEDS: Final = 20
TARGET: Final = 0.90
SHARPNESS: Final[Mapping[float, range]] = {3.0: range(4, 21), 1.5: range(4, 35)}
"""The judge's SD in logits, and the numbers of comparisons per essay that are looked at."""
SHARPNESS_GRADED: Final[Mapping[float, range]] = {3.0: range(3, 11), 1.5: range(4, 23)}
"""The same where it also says by how much."""
JUDGES: Final = {3.0: "sharp", 1.5: "human-like"}
POSITION_BIAS: Final = 0.3
COIN_AT: Final = 10
PRICED: Final = ("anthropic", "claude-sonnet-5-5")
WORDS: Final = 300
"""Dollars are those of this model for a batch of ``ESSAYS`` essays of so many words."""
EXPLANATION: Final = Path("documentation/explanation")
PAGES: Final[Mapping[str, bool]] = {"measurement.md": False, "measurement.sv.md": True}
"""By name: whether it is the Swedish one."""
PLOT: Final = EXPLANATION / "pairing_policies.svg"
BEGIN: Final = "<!-- pairing policies: written by make bench-pairing -->"
END: Final = "<!-- pairing policies: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A policy in the comparison, with its name in English and Swedish."""

    english: str
    swedish: str
    design: Design
    says: Says = Says.NOTHING


CONTENDERS: Final = (
    Contender(
        english="random pairs",
        swedish="slumpade par",
        design=Design(essays=ESSAYS, policy=Policy.RANDOM),
    ),
    Contender(
        english="ours, as the service judges",
        swedish="vår, så som tjänsten bedömer",
        design=Design(essays=ESSAYS),
    ),
    Contender(
        english="ours, every answer awaited",
        swedish="vår, när varje svar inväntas",
        design=Design(essays=ESSAYS, rounds_ahead=0),
    ),
    Contender(
        english="nearest neighbours only",
        swedish="bara närmaste grannar",
        design=Design(essays=ESSAYS, policy=Policy.NEAREST),
    ),
    Contender(
        english="Swiss tournament",
        swedish="schweizersystem",
        design=Design(essays=ESSAYS, policy=Policy.SWISS),
    ),
    Contender(
        english="three margins, random pairs",
        swedish="tre marginaler, slumpade par",
        design=Design(essays=ESSAYS, policy=Policy.RANDOM),
        says=Says.MARGIN,
    ),
    Contender(
        english="three margins, ours",
        swedish="tre marginaler, vår",
        design=Design(essays=ESSAYS),
        says=Says.MARGIN,
    ),
)
BASELINE, OURS, GRADED = CONTENDERS[0], CONTENDERS[1], CONTENDERS[-1]

INK: Final = "#1f3f77"
GRADED_INK: Final = "#a0410d"
LINES: Final[Mapping[Contender, Mapping[str, Any]]] = {
    BASELINE: {"color": "#555555", "linestyle": "--", "linewidth": 1.8},
    OURS: {"color": INK, "linewidth": 2.6},
    GRADED: {"color": GRADED_INK, "linestyle": "-.", "linewidth": 2.6},
}
OTHERS: Final[Mapping[str, Any]] = {"color": "#9a9a9a", "linewidth": 0.9}
"""Lines that differ in weight and dashes, so that the plot can be read without colours."""

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
        looked_at = SHARPNESS if contender.says is Says.NOTHING else SHARPNESS_GRADED
        for sd, numbers in looked_at.items():
            curves[sd][contender] = _readings(contender, sd, numbers, seeds)
        coin[contender] = _readings(contender, 0.0, [COIN_AT], seeds)[0]
    return Measured(curves=curves, coin=coin)


def _readings(contender: Contender, sd: float, numbers: Sequence[int], seeds: int) -> list[Reading]:
    judge = SimulatedJudge(sd=sd, position_bias=POSITION_BIAS, says=contender.says)
    simulated = simulate(contender.design, judge, comparisons_per_essay=numbers, seeds=seeds)
    return [each.median for each in simulated]


def needed(readings: Sequence[Reading], values: Sequence[float]) -> float | None:
    """Comparisons per essay at which the values first reach the target, on the line between two readings."""
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


def limit(sd: float) -> float:
    """Lower bound of comparisons per essay until r² is ``TARGET``, for a judge of this SD in logits.

    So exact an estimate of a normal ability takes ½ log(1/(1 − r²)) nats (Shannon's rate–distortion function, Cover &
    Thomas 2006, 10.3.2). While abilities are known with variance v an answer carries no more information than about two
    equal expected abilities, and it is about two essays: k = ∫ d(log v) / information(2v). The mean and the SD of the
    essays are taken as known, and posteriors as normal.
    """
    variances = sd**2 * np.geomspace(1 - TARGET, 1.0, 500)
    information = np.array([_information(2 * variance) for variance in variances])
    return (ESSAYS - 2) / ESSAYS * float(np.trapezoid(1 / information, np.log(variances)))


@cache
def _quadrature() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Nodes and weights of expectations over a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return nodes, weights


def _information(variance: float) -> float:
    """Information, in nats, of an answer about a difference distributed as N(0, variance): log 2 − E H(p)."""
    nodes, weights = _quadrature()
    chance = expit(math.sqrt(variance) * nodes)
    doubt = (entr(chance) + entr(1 - chance)) @ weights / weights.sum()
    return math.log(2) - float(doubt)


def dollars(comparisons_per_essay: float | None) -> str:
    """What so many comparisons per essay cost in a batch of ``ESSAYS`` essays with the model that is priced."""
    cost = pair_cost(get_model(*PRICED), PromptSize.of_words(WORDS))
    if comparisons_per_essay is None or cost is None:
        return "–"
    return f"{float(cost.likely) * comparisons_per_essay * ESSAYS / 2:.2f}"


def table(measured: Measured, *, swedish: bool = False) -> str:
    """The comparison in Markdown."""
    columns = [
        ("policy", "strategi"),
        ("sharp judge (SD 3): r² .90", "skarp bedömare (SD 3): r² 0,90"),
        ("EB .90", "EB 0,90"),
        ("$", "$"),
        ("human-like judge (SD 1.5): r² .90", "människolik bedömare (SD 1,5): r² 0,90"),
        ("EB .90", "EB 0,90"),
        ("$", "$"),
        ("coin flips: EB", "slantsingling: EB"),
        ("SSR", "SSR"),
    ]
    rows = [[pair[swedish] for pair in columns], ["---", *["--:"] * (len(columns) - 1)]]
    rows += [_row(measured, contender, swedish) for contender in CONTENDERS]
    rows.append(_limit_row(measured, swedish))
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
        cells.append(dollars(needed(by_contender[contender], reliability(by_contender[contender]))))
    coin = measured.coin[contender]
    ssr = "–" if coin.ssr is None else f"{coin.ssr:.2f}"
    return [*cells, f"{coin.eb_reliability:.2f}", ssr]


def _limit_row(measured: Measured, swedish: bool) -> list[str]:
    cells = ["gränsen för varje strategi" if swedish else "the limit of any policy"]
    for sd, by_contender in measured.curves.items():
        baseline = by_contender[BASELINE]
        cells += [_count(limit(sd), needed(baseline, truth(baseline))), "", ""]
    return [*cells, "", ""]


def _count(own: float | None, baseline: float | None) -> str:
    if own is None:
        return "–"
    if baseline is None or own == baseline:
        return f"{own:.1f}"
    return f"{own:.1f} ({own / baseline - 1:+.0%})".replace("-", "−")


def draw(measured: Measured) -> Figure:
    """True r² by comparisons per essay, a column per judge; below, what each policy needs until r² and EB are .90."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    panels = figure.subplots(2, len(measured.curves), sharey="row", height_ratios=(3, 2))
    for column, (sd, by_contender) in enumerate(measured.curves.items()):
        limits = (min(SHARPNESS[sd]), max(SHARPNESS[sd]) + 1)
        for panel in panels[:, column]:
            panel.set_xlim(*limits)
            panel.spines[["top", "right"]].set_visible(False)
        panels[0, column].set_title(f"{JUDGES[sd]} judge (SD {sd:g})", loc="left", weight="bold")
        _draw_curves(panels[0, column], by_contender)
        _draw_needs(panels[1, column], by_contender.values())
        _draw_limit(panels[1, column], limit(sd))
    panels[0, 0].set_ylabel("r² of scores with the truth")
    model = get_model(*PRICED).name
    figure.supxlabel(
        "comparisons per essay; below, until r² with the truth (●) and EB (○) are .90, and what that costs for"
        f" {ESSAYS} essays with {model}",
        size=9,
    )
    return figure


def _draw_curves(panel: Axes, by_contender: Mapping[Contender, Sequence[Reading]]) -> None:
    """Random pairs dashed, ours bold, margins bold in dots and dashes, the others thin.

    What ours saves is an arrow along the target.
    """
    for contender, readings in by_contender.items():
        at = [reading.comparisons_per_essay for reading in readings]
        panel.plot(at, truth(readings), **LINES.get(contender, OTHERS))
    panel.axhline(TARGET, color="black", linewidth=0.8, linestyle=":")
    panel.set(ylim=(0.5, 1.0))
    random, ours = by_contender[BASELINE], by_contender[OURS]
    late, early = needed(random, truth(random)), needed(ours, truth(ours))
    place = len(random) // 4
    below = (random[place].comparisons_per_essay + 0.4, truth(random)[place] - 0.03)
    panel.annotate(BASELINE.english, below, color="#555555")
    above = (ours[place].comparisons_per_essay - 0.4, truth(ours)[place] + 0.02)
    panel.annotate("ours", above, color=INK, weight="bold", ha="right")
    graded = by_contender[GRADED]
    end = (graded[-1].comparisons_per_essay, truth(graded)[-1])
    panel.annotate(
        GRADED.english,
        end,
        (0, 8),
        textcoords="offset points",
        color=GRADED_INK,
        weight="bold",
        size=9,
        ha="center",
    )
    if late is not None and early is not None:
        panel.annotate("", (early, TARGET), (late, TARGET), arrowprops={"arrowstyle": "->", "color": INK})
        saved = f"{1 - early / late:.0%} fewer".replace("%", " %")
        panel.annotate(saved, (late, TARGET), (4, -16), textcoords="offset points", color=INK, size=9)


def _draw_needs(panel: Axes, all_readings: Iterable[Sequence[Reading]]) -> None:
    """One row per policy: a filled mark where r² reaches the target, a hollow one where EB does."""
    for row, readings in enumerate(all_readings):
        for values, fill, side in ((truth, INK, -1), (reliability, "white", 1)):
            at = needed(readings, values(readings))
            if at is not None:
                panel.plot(at, row, "o", color=INK, markerfacecolor=fill, markersize=7)
                cost = f" (${dollars(at)})" if values is reliability else ""
                panel.annotate(
                    f"{at:.1f}{cost}",
                    (at, row),
                    (7 * side, 0),
                    textcoords="offset points",
                    ha="left" if side > 0 else "right",
                    va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                )
    panel.set_yticks(range(len(CONTENDERS)), [contender.english for contender in CONTENDERS])
    panel.set_ylim(len(CONTENDERS) - 0.4, -0.9)
    panel.tick_params(axis="y", length=0)


def _draw_limit(panel: Axes, at: float) -> None:
    panel.axvline(at, color="black", linewidth=0.8, linestyle=":")
    panel.annotate(
        f"limit of any\npolicy {at:.1f}",
        (at, 0),
        (-5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        size=9,
    )


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


def remark(seeds: int, *, swedish: bool = False) -> str:
    """What the figures are medians of, and whose dollars they are."""
    model = get_model(*PRICED).name
    if swedish:
        return (
            f"Medianer av {seeds} simulerade omgångar om {ESSAYS} texter. Dollar: tills EB är 0,90, för {ESSAYS} texter"
            f" om {WORDS} ord med {model}; leverantörernas satsvisa gränssnitt tar hälften."
        )
    return (
        f"Medians of {seeds} simulated batches of {ESSAYS} essays. Dollars: until EB is .90, for {ESSAYS} essays of"
        f" {WORDS} words with {model}; the vendors' batch APIs take half."
    )


def content(measured: Measured, *, seeds: int, swedish: bool = False) -> str:
    """What stands between the marks of a page."""
    return f"{table(measured, swedish=swedish)}\n\n{remark(seeds, swedish=swedish)}"


def main() -> None:
    """Judge, and print the table; write it into both pages, and the plot next to them.

    Both are written where they are of as many batches as the pages', else the table is only printed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="batches per policy (default: %(default)s)")
    seeds: int = parser.parse_args().seeds
    console = Console()
    with threadpool_limits(limits=1):
        measured = measure(console, seeds=seeds)
    if seeds == SEEDS:
        for name, swedish in PAGES.items():
            path = EXPLANATION / name
            written = content(measured, seeds=seeds, swedish=swedish)
            path.write_text(with_table(path.read_text(encoding="utf-8"), written), encoding="utf-8")
        save_plot(draw(measured), PLOT)
    console.print(content(measured, seeds=seeds), markup=False)


if __name__ == "__main__":
    main()
