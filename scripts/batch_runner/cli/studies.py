"""Commands that need no service: analyse, qualify, simulate."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from command_line.exit_codes import error_console, reporting_errors
from command_line.option_values import with_options

from batch_runner.cli.app import CodingOption, Columns, Json, Model, PlotFormat, Provider, app, console, exact

if TYPE_CHECKING:
    from batch_runner.analysing.command import AnalysisOptions
    from batch_runner.simulating.command import SimulationOptions


class PolicyName(StrEnum):
    """The measurement's pairing policies, named here so that the measurement need not be loaded."""

    INFORMATION = "information"
    RANDOM = "random"
    NEAREST = "nearest"
    SWISS = "swiss"


class StatementName(StrEnum):
    """What a simulated judge says besides who won, named here for the same reason."""

    NOTHING = "nothing"
    MARGIN = "margin"
    CONFIDENCE = "confidence"
    LOOSE_CONFIDENCE = "loose_confidence"
    RANDOM_CONFIDENCE = "random_confidence"
    LOG_ODDS = "log_odds"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyseOptions:
    """What was typed after cj-run analyse."""

    decisions: Annotated[
        Path,
        typer.Argument(
            help="A CSV, .xlsx, .ods or Parquet file of decisions: the comparisons.csv of a run, a No More Marking"
            " export, winner and loser,"
            " item1/item2/result (R sirt), ID1/ID2/better_id (pairwiseLLM)."
        ),
    ]
    json: Json = False
    items_csv: Annotated[Path | None, typer.Option(help="Write a row per item to this CSV file.")] = None
    plots: Annotated[
        Path | None,
        typer.Option(help="Draw scores, fit, position effects and convergence into this folder."),
    ] = None
    plot_format: PlotFormat = "svg"
    columns: Columns = None
    coding: CodingOption = None
    ties: Annotated[
        Literal["drop", "half"],
        typer.Option(help="Leave ties out, or count each as half a win either way."),
    ] = "drop"
    allow_disconnected: Annotated[
        bool,
        typer.Option(
            "--allow-disconnected/--require-connected",
            help="Items that were never compared with the rest are a warning, or an error.",
        ),
    ] = True
    panel: Annotated[
        bool, typer.Option("--panel", help="Also each judge's sharpness, and the agreement of every two.")
    ] = False
    all_rows: Annotated[bool, typer.Option("--all", help="Show every item and judge.")] = False

    def analysis(self) -> "AnalysisOptions":
        """How the file is read, and what is printed and written."""
        # Imported here: numpy and scipy take a second, and the commands that talk to a service do not need them.
        from batch_runner.analysing.command import AnalysisOptions

        return AnalysisOptions(
            columns=self.columns or (),
            coding=self.coding or (),
            ties=self.ties,
            require_connected=not self.allow_disconnected,
            panel=self.panel,
            as_json=self.json,
            all_rows=self.all_rows,
            items_csv=self.items_csv,
            plots=self.plots,
            plot_format=self.plot_format,
        )


@app.command()
@with_options(AnalyseOptions)
def analyse(options: AnalyseOptions) -> None:
    """Fit judgement data of any origin: scores, four reliabilities, misfit, judges, position effects.

    Self-comparisons and rows without a vote are counted and left out, and so are ties unless they count half.
    """
    # Imported here: see AnalyseOptions.analysis.
    from batch_runner.analysing.command import analyse_file

    with reporting_errors():
        analyse_file(options.decisions, options.analysis(), console=console)


@app.command()
def qualify(
    decisions: Annotated[
        Path,
        typer.Argument(help="A CSV of decisions with their judges and the order in which items were shown."),
    ],
    reference: Annotated[str, typer.Option(help="The judge in use, as the file names it.")],
    candidate: Annotated[str, typer.Option(help="The judge that might replace it.")],
    reference_cost: Annotated[
        float | None, typer.Option(min=0, help="US dollars per comparison by the reference.")
    ] = None,
    candidate_cost: Annotated[float | None, typer.Option(min=0, help="The same for the candidate.")] = None,
    max_cost_ratio: Annotated[
        float | None,
        typer.Option(min=0, help="Refuse a candidate that costs more than this many times as much."),
    ] = None,
    columns: Columns = None,
    coding: CodingOption = None,
    json: Json = False,
) -> None:
    """Decide whether a judge (another model, version or prompt) may replace another, from pairs that both judged.

    Agreement, correlation of the scales, sharpness and position effect are compared, with their 90 % intervals, with
    limits: one that fails refuses, all that pass qualify, anything else needs more pairs.
    """
    # Imported here: numpy and scipy take a second, and the commands that talk to a service do not need them.
    from batch_runner.analysing.qualifying import QualificationOptions, qualify_judge

    options = QualificationOptions(
        reference=reference,
        candidate=candidate,
        reference_cost=exact(reference_cost),
        candidate_cost=exact(candidate_cost),
        max_cost_ratio=max_cost_ratio,
        columns=tuple(columns or ()),
        coding=tuple(coding or ()),
        as_json=json,
    )
    with reporting_errors():
        qualify_judge(decisions, options, console=console)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What was typed after cj-run simulate."""

    essays: Annotated[int, typer.Option(min=2, help="How many essays are ranked, anchors included.")]
    sd: Annotated[
        float,
        typer.Option(
            min=0,
            help="The judge's spread of essays in logits: the tau that analyse reports. About 1.5 for"
            " people, 3 for a sharp model, 0 is a coin.",
        ),
    ] = 2.0
    comparisons_per_essay: Annotated[
        int | None,
        typer.Option(min=1, max=500, help="Comparisons per essay to look at; 10 unless a target is given."),
    ] = None
    policy: Annotated[
        list[PolicyName] | None,
        typer.Option(help="Pairing policy; repeat it for several. By default ours (information) and random."),
    ] = None
    seeds: Annotated[int, typer.Option(min=1, help="Runs per policy.")] = 20
    target_reliability: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.999, help="Forecast the comparisons and dollars that this takes."),
    ] = None
    provider: Provider = None
    model: Model = None
    words: Annotated[int, typer.Option(min=1, help="Words per essay, for the price.")] = 300
    position_bias: Annotated[
        float,
        typer.Option(help="The judge's preference for the first, in logits."),
    ] = 0.0
    noise: Annotated[float, typer.Option(min=0, max=1, help="Share of answers that are random.")] = 0.0
    says: Annotated[
        StatementName,
        typer.Option(
            help="What the judge says besides who won: margin is slightly, clearly, far better; random_confidence tells"
            " nothing."
        ),
    ] = StatementName.NOTHING
    json: Json = False
    plots: Annotated[Path | None, typer.Option(help="Draw power curves into this folder.")] = None
    plot_format: PlotFormat = "svg"

    def simulation(self) -> "SimulationOptions":
        """What is simulated, and how it is reported."""
        # Imported here: see AnalyseOptions.analysis.
        from cj_measurement import Policy, Says

        from batch_runner.simulating.command import SimulationOptions

        chosen = dict.fromkeys(self.policy or (PolicyName.INFORMATION, PolicyName.RANDOM))
        return SimulationOptions(
            essays=self.essays,
            sd=self.sd,
            position_bias=self.position_bias,
            noise=self.noise,
            says=Says(self.says),
            policies=tuple(Policy(name) for name in chosen),
            seeds=self.seeds,
            comparisons_per_essay=self.comparisons_per_essay,
            target_reliability=self.target_reliability,
            provider=self.provider,
            model=self.model,
            words=self.words,
            as_json=self.json,
            plots=self.plots,
            plot_format=self.plot_format,
        )


@app.command()
@with_options(SimulateOptions)
def simulate(options: SimulateOptions) -> None:
    """Simulate judging: what each pairing policy reaches, and how many comparisons a target takes."""
    # Imported here: see AnalyseOptions.analysis.
    from batch_runner.simulating.command import simulate_and_report

    with reporting_errors():
        simulate_and_report(options.simulation(), console=console, progress_console=error_console)
