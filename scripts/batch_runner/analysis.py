"""cj-run analyse: fit decisions of any origin and report how far their ranking can be trusted."""

import json
from pathlib import Path

import numpy as np
from cj_measurement import Fit, MeasurementError, fit
from event_contracts import InvalidRequest
from rich.console import Console
from rich.table import Table

from batch_runner.decisions import Decisions, read_decisions


def analyse_file(path: Path, *, as_json: bool, console: Console) -> None:
    """Print the analysis of a decisions CSV: tables, or JSON for another program."""
    decisions = read_decisions(path)
    try:
        fitted = fit(decisions.comparisons, position_effects="none")
    except MeasurementError as error:
        raise InvalidRequest(f"{path.name}: {error}") from error
    if as_json:
        print(json.dumps(_document(decisions, fitted)))
    else:
        console.print(_table(decisions, fitted))


def _document(decisions: Decisions, fitted: Fit) -> dict[str, object]:
    return {
        "comparisons": len(decisions.comparisons),
        "judges": len(decisions.judges),
        "self_comparisons": decisions.self_comparisons,
        "model": {
            "eb_reliability": fitted.eb_reliability,
            "tau": fitted.tau,
            "position_bias": None,
            "items": [
                {"item": decisions.items[place], "theta": fitted.theta[place], "se": error, "rank": rank}
                for rank, (place, error) in enumerate(_ranked(fitted), start=1)
            ],
        },
    }


def _ranked(fitted: Fit) -> list[tuple[int, float]]:
    order = np.argsort(-fitted.theta, kind="stable")
    return [(int(place), float(fitted.standard_errors[place])) for place in order]


def _table(decisions: Decisions, fitted: Fit) -> Table:
    table = Table(title=f"EB reliability {fitted.eb_reliability:.3f}", title_justify="left", box=None)
    for name in ("rank", "item", "score ± error"):
        table.add_column(name)
    for rank, (place, error) in enumerate(_ranked(fitted), start=1):
        table.add_row(str(rank), decisions.items[place], f"{fitted.theta[place]:+.2f} ± {error:.2f}")
    return table
