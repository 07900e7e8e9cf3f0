"""The plots of a simulation: reliability, and agreement with the truth, by comparisons per essay."""

from collections.abc import Callable
from pathlib import Path

from batch_runner.analysing.plots import Format, Line, draw_lines
from batch_runner.simulating.findings import MediansView, Simulation

X_LABEL = "comparisons per essay"


def draw_simulation(found: Simulation, *, folder: Path, plot_format: Format) -> list[Path]:
    """Draw into ``folder``; returns the paths. There is no truth to draw if the judge is a coin."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{found.essays} essays, SD {found.sd:g}: median of {found.seeds} runs"
    power = folder / f"power.{plot_format}"
    draw_lines(
        power,
        _lines(found, lambda reading: reading.eb_reliability),
        title=f"EB reliability of {about}",
        x_label=X_LABEL,
        y_label="EB reliability",
        target=found.target_reliability,
    )
    if found.sd == 0:
        return [power]
    truth = folder / f"truth.{plot_format}"
    draw_lines(
        truth,
        _lines(found, lambda reading: reading.true_r2 or 0.0),
        title=f"Squared correlation with the truth of {about}",
        x_label=X_LABEL,
        y_label="true r²",
        target=found.target_reliability,
    )
    return [power, truth]


def _lines(found: Simulation, value: Callable[[MediansView], float]) -> list[Line]:
    return [
        Line(
            name=policy,
            x=[reading.comparisons_per_essay for reading in curve],
            y=[value(reading) for reading in curve],
        )
        for policy, curve in found.curves.items()
    ]
