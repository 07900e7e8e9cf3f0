"""The plots of an analysis: scores, fit, position effects, and how reliability grew."""

from pathlib import Path
from typing import Final

import numpy as np

from batch_runner.analysing.analysis import fit_decisions, measuring
from batch_runner.analysing.findings import Analysis
from batch_runner.analysing.plots import (
    Format,
    ItemPoints,
    Line,
    draw_fit,
    draw_lines,
    draw_position,
    draw_scores,
)
from batch_runner.decisions.from_file import Decisions

TENTHS: Final = 10
TARGET: Final = 0.9
JUDGES_DRAWN: Final = 40


def draw_analysis(
    decisions: Decisions, analysis: Analysis, *, folder: Path, plot_format: Format
) -> list[Path]:
    """Draw into ``folder``; returns the paths. Position effects are drawn where there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    points = _points(analysis)
    scores, fit, position, growth = (
        folder / f"{name}.{plot_format}" for name in ("scores", "fit", "position", "convergence")
    )
    draw_scores(scores, points)
    draw_fit(fit, points)
    draw_lines(
        growth,
        [convergence(decisions)],
        title="Reliability after each tenth of the comparisons, in the order of the file",
        x_label="comparisons",
        y_label="EB reliability",
        target=TARGET,
    )
    effects = [(judge.judge, judge.position_bias) for judge in analysis.judge_table if judge.position_bias]
    if not effects:
        return [scores, fit, growth]
    drawn = effects[:JUDGES_DRAWN]
    draw_position(
        position,
        [name for name, _ in drawn],
        np.array([bias.b for _, bias in drawn]),
        np.array([bias.se for _, bias in drawn]),
    )
    return [scores, fit, growth, position]


def convergence(decisions: Decisions) -> Line:
    """EB reliability of all items after each tenth of the comparisons, in the order of the file."""
    data = decisions.comparisons
    counts = np.unique(np.ceil(np.linspace(0, len(data), TENTHS + 1)[1:]).astype(np.int64))
    reached, last = [], None
    with measuring():
        for count in counts.tolist():
            last = fit_decisions(decisions, data.where(np.arange(count)), start=last)
            reached.append(last.eb_reliability)
    return Line(name="EB reliability", x=counts.tolist(), y=reached)


def _points(analysis: Analysis) -> ItemPoints:
    items = analysis.model.items
    return ItemPoints(
        names=[item.item for item in items],
        theta=np.array([item.theta for item in items]),
        standard_error=np.array([item.se for item in items]),
        low=np.array([item.low for item in items]),
        high=np.array([item.high for item in items]),
        infit=np.array([item.infit for item in items]),
        outfit=np.array([item.outfit for item in items]),
        flagged=np.array(["misfit" in item.flags for item in items]),
    )
