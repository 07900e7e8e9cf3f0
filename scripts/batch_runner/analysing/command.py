"""cj-run analyse: read a file of decisions, fit it, and report the findings on screen and in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from batch_runner.analysing.analysis import analyse
from batch_runner.analysing.findings import Analysis, ClassicalItem, ModelItem
from batch_runner.analysing.screen import print_analysis
from batch_runner.artefact.spreadsheets import write_table
from batch_runner.decisions.from_file import Decisions, Ties, read_decisions

ITEM_COLUMNS: Final = (
    "rank",
    "item",
    "score",
    "standard_error",
    "low_90",
    "high_90",
    "comparisons",
    "wins",
    "infit",
    "outfit",
    "flags",
    "classical_score",
    "classical_standard_error",
    "classical_infit",
    "classical_outfit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions:
    """How the file is read, and what is printed and written."""

    columns: Sequence[str] = ()
    coding: Sequence[str] = ()
    ties: Ties = "drop"
    require_connected: bool = False
    panel: bool = False
    as_json: bool = False
    all_rows: bool = False
    items_csv: Path | None = None
    plots: Path | None = None
    plot_format: Literal["svg", "png"] = "svg"


def analyse_file(path: Path, options: AnalysisOptions, *, console: Console) -> None:
    """Analyse a file of decisions; with ``as_json`` nothing but one JSON document is printed."""
    decisions = read_decisions(path, columns=options.columns, coding=options.coding, ties=options.ties)
    analysis = analyse(decisions, require_connected=options.require_connected, panel=options.panel)
    written = write_files(decisions, analysis, options)
    if options.as_json:
        print(analysis.model_dump_json(indent=2))
        return
    print_analysis(analysis, name=path.name, console=console, all_rows=options.all_rows)
    for file in written:
        console.out(str(file), highlight=False)


def write_files(decisions: Decisions, analysis: Analysis, options: AnalysisOptions) -> tuple[Path, ...]:
    """Write the files that are asked for; returns their paths."""
    written: list[Path] = []
    if options.items_csv is not None:
        written.append(write_table(options.items_csv, ITEM_COLUMNS, item_rows(analysis)))
    if options.plots is not None:
        # Imported here: matplotlib takes a second, and most analyses draw nothing.
        from batch_runner.analysing.drawing import draw_analysis

        written += draw_analysis(decisions, analysis, folder=options.plots, plot_format=options.plot_format)
    return tuple(written)


def item_rows(analysis: Analysis) -> list[Sequence[object]]:
    """A row for each item, best first, in the order of ``ITEM_COLUMNS``."""
    classical = [None] * len(analysis.model.items) if analysis.classical is None else analysis.classical.items
    return [
        (*_model_cells(item), *_classical_cells(other))
        for item, other in zip(analysis.model.items, classical, strict=True)
    ]


def _model_cells(item: ModelItem) -> Sequence[object]:
    return (
        item.rank,
        item.item,
        item.theta,
        item.se,
        item.low,
        item.high,
        item.comparisons,
        item.wins,
        item.infit,
        item.outfit,
        " ".join(flag.replace(" ", "-") for flag in item.flags),
    )


def _classical_cells(item: ClassicalItem | None) -> Sequence[object]:
    return ("", "", "", "") if item is None else (item.theta, item.se, item.infit, item.outfit)
