"""Plots of an analysis and of a simulation: dark text on white, colours that colour-blind readers can distinguish.

Drawing the same values twice gives the same bytes, so that a plot can be kept under version control.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from batch_runner.intervals import Z_90

FloatArray = npt.NDArray[np.float64]
Format = Literal["svg", "png"]

# From Okabe and Ito, Color Universal Design (2008).
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#007A5A"
ORANGE: Final = "#B37400"
DARK: Final = "#222222"
GREY: Final = "#8A8A8A"
COLOURS: Final = (BLUE, VERMILLION, GREEN, ORANGE, DARK)
MARKERS: Final = ("o", "s", "^", "D", "v")

NAMED_ITEMS: Final = 60
"""With more items than this, names would be too small to read."""
NAMED_OUTLIERS: Final = 8

_STYLE: Final = Path(__file__).with_name("plots.mplstyle")


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemPoints:
    """Items to draw, best first; arrays have shape (n,), in logits; ``low`` and ``high`` are 90 % intervals' ends."""

    names: Sequence[str]
    theta: FloatArray
    standard_error: FloatArray
    low: FloatArray
    high: FloatArray
    infit: FloatArray
    outfit: FloatArray
    flagged: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a plot: its name, where it goes, and the range around it where there is one."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


@contextmanager
def drawing(path: Path, *, width: float, height: float) -> Iterator[Figure]:
    """A figure, sized in inches, that is saved when the context ends, in the format of the path's suffix."""
    with mpl.rc_context(fname=_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        svg = path.suffix == ".svg"
        figure.savefig(path, format=path.suffix[1:], metadata={"Date": None} if svg else {"Software": None})


def draw_scores(path: Path, items: ItemPoints) -> None:
    """Each item's score with its 90 % interval, best at the top; by rank where there are many items."""
    if len(items.names) <= NAMED_ITEMS:
        _draw_named_scores(path, items)
    else:
        _draw_ranked_scores(path, items)


def _draw_named_scores(path: Path, items: ItemPoints) -> None:
    places = np.arange(len(items.names))[::-1]
    with drawing(path, width=7.2, height=1.2 + 0.2 * len(places)) as figure:
        axes = figure.add_subplot()
        axes.hlines(places, items.low, items.high, color=GREY, lw=1.4)
        axes.plot(items.theta, places, "o", color=BLUE, ms=4.5)
        axes.set_yticks(places, [_short(name) for name in items.names], fontsize=8)
        axes.set_ylim(-0.7, len(places) - 0.3)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("score in logits")
        axes.set_title("Scores with 90 % intervals")


def _draw_ranked_scores(path: Path, items: ItemPoints) -> None:
    ranks = np.arange(1, len(items.names) + 1)
    with drawing(path, width=7.2, height=4.4) as figure:
        axes = figure.add_subplot()
        axes.fill_between(ranks, items.low, items.high, step="mid", color=BLUE, alpha=0.2, lw=0)
        axes.plot(ranks, items.theta, "-", color=BLUE, lw=1.8)
        axes.set_xlim(0, len(ranks) + 1)
        axes.grid(axis="y")
        axes.set_xlabel("rank")
        axes.set_ylabel("score in logits")
        axes.set_title(f"Scores of {len(ranks)} items with 90 % intervals")


def draw_fit(path: Path, items: ItemPoints) -> None:
    """Where the scores are sharp, and which items the judges disagree on."""
    with drawing(path, width=9.0, height=4.2) as figure:
        left, right = figure.subplots(1, 2)
        _draw_information(left, items)
        _draw_misfit(right, items)


def _draw_information(axes: Axes, items: ItemPoints) -> None:
    axes.plot(items.theta, items.standard_error**-2, "o", color=BLUE, ms=4, alpha=0.7, mew=0)
    axes.set_ylim(bottom=0)
    axes.grid()
    axes.set_xlabel("score in logits")
    axes.set_ylabel("information, 1 / SE²")
    axes.set_title("How sharply each item is measured")


def _draw_misfit(axes: Axes, items: ItemPoints) -> None:
    flagged = items.flagged
    axes.axhline(1, color=GREY, lw=0.8)
    axes.axvline(1, color=GREY, lw=0.8)
    axes.plot(items.infit[~flagged], items.outfit[~flagged], "o", color=BLUE, ms=4, alpha=0.7, mew=0)
    axes.plot(items.infit[flagged], items.outfit[flagged], "s", color=VERMILLION, ms=5, mew=0)
    places: list[int] = np.flatnonzero(flagged).tolist()
    worst = sorted(places, key=lambda place: -items.outfit[place])[:NAMED_OUTLIERS]
    middle = float(np.mean([items.infit.min(), items.infit.max()]))
    for place in worst:
        right = items.infit[place] > middle
        axes.annotate(
            _short(items.names[place], 16),
            (items.infit[place], items.outfit[place]),
            xytext=(-6 if right else 6, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            fontsize=8,
        )
    axes.grid()
    axes.set_xlabel("infit")
    axes.set_ylabel("outfit")
    axes.set_title("Agreement of the judges (1 is as expected)")


def draw_position(path: Path, names: Sequence[str], b: FloatArray, standard_error: FloatArray) -> None:
    """How much each judge prefers what is shown first, with a 90 % interval; 0 is no preference."""
    places = np.arange(len(names))[::-1]
    with drawing(path, width=7.2, height=1.6 + 0.28 * len(names)) as figure:
        axes = figure.add_subplot()
        axes.axvline(0, color=GREY, lw=0.8)
        axes.errorbar(b, places, xerr=Z_90 * standard_error, fmt="none", ecolor=GREY, lw=1.4)
        axes.plot(b, places, "o", color=BLUE, ms=5)
        axes.set_yticks(places, [_short(name) for name in names], fontsize=9)
        axes.set_ylim(-0.7, len(places) - 0.3)
        reach = max(0.5, 1.1 * float(np.max(np.abs(b) + Z_90 * standard_error)))
        axes.set_xlim(-reach, reach)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("preference for the first of two equal items, in logits, with a 90 % interval")
        axes.set_title("Position effect of each judge")


def draw_lines(
    path: Path, lines: Sequence[Line], *, title: str, x_label: str, y_label: str, target: float | None = None
) -> None:
    """Reliabilities (0 to 1) along a number of comparisons, each line named at its end."""
    with drawing(path, width=7.2, height=4.4) as figure:
        axes = figure.add_subplot()
        if target is not None:
            axes.axhline(target, color=GREY, lw=1, ls=(0, (4, 3)))
            axes.annotate(
                f"target {target:g}",
                (0, target),
                (4, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                fontsize=8,
                color="#555555",
            )
        for line, colour, marker in zip(lines, COLOURS, MARKERS, strict=False):
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, lw=0)
            axes.plot(line.x, line.y, color=colour, marker=marker, ms=4.5, lw=1.8, label=line.name)
        axes.set_xlim(left=0)
        axes.set_ylim(min(0, *(min(line.y) for line in lines)), 1)
        axes.grid()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_title(title)
        if len(lines) > 1:
            axes.legend(loc="lower right")


def _short(name: str, length: int = 28) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
