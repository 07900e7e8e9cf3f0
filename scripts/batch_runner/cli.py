"""cj-run: plan, try out and execute the assessment of a folder of essays; analyse judgement data; simulate."""

from collections.abc import Callable, Coroutine
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import httpx2
import stamina
import typer
from event_contracts import CourseCode
from rich.console import Console

from batch_runner.assignment.loading import load_assignment
from batch_runner.planning.checking import check_batch_id, writable_folder
from batch_runner.planning.judges import FORM, judge_panel
from batch_runner.planning.printing import print_contents, print_forecast
from batch_runner.reading.anonymity import read_roster
from batch_runner.reporting.ended import report_run
from batch_runner.running.execution import RunOptions, assessment_request, upload
from batch_runner.running.interrupting import run_until_interrupted
from batch_runner.running.running import (
    errors,
    exit_code,
    new_batch_id,
    reporting_errors,
    run_assignment,
)
from batch_runner.wire.client import PATIENCE_SECONDS, AssessmentClient


class PolicyName(StrEnum):
    """The measurement's pairing policies, named here so that the measurement need not be loaded."""

    INFORMATION = "information"
    RANDOM = "random"
    NEAREST = "nearest"
    SWISS = "swiss"


app = typer.Typer(
    name="cj-run",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Assess a folder of essays by comparative judgement, and analyse judgement data of any origin.",
)
console = Console()
Folder = Annotated[
    Path,
    typer.Argument(
        help="A folder (or a zip) of .txt, .md, .docx, .odt, .rtf, .pdf or .html essays, or of a folder for each"
        " student as Moodle exports them; with an assignment.toml in it, also of anchors, task, rubric and"
        " instructions."
    ),
]
Course = Annotated[CourseCode, typer.Option(help="Course of a folder without assignment.toml.")]
Provider = Annotated[str | None, typer.Option(help="Provider of the judge: anthropic, openai, mock …")]
Model = Annotated[str | None, typer.Option(help="Model of the provider.")]
Judges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        metavar=FORM,
        help="One judge of a panel, with its share of the comparisons; repeat it for each. Without shares, all get the"
        " same.",
    ),
]
Temperature = Annotated[float | None, typer.Option(min=0, max=2, help="For models that take one.")]
MaxComparisons = Annotated[int | None, typer.Option(min=1, help="Stop after this many comparisons.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost-usd", min=0, help="Never spend more than this.")]
Target = Annotated[
    float | None,
    typer.Option("--target-reliability", min=0.01, max=0.999, help="Stop at this reliability."),
]
Url = Annotated[str, typer.Option(envvar="CJ_ASSESSMENT_URL", help="Base URL of the CJ Assessment service.")]
Out = Annotated[
    Path, typer.Option(help="Folder for the run's files, which get a folder named after the batch.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROLE=COLUMN",
        help="The column of a role, where its name is not recognised; repeat it for each. Roles: slot_a, slot_b,"
        " winner, loser, result, judge, count, weight, wins_a, wins_b, ignore.",
    ),
]
CodingOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VALUE=MEANING",
        help="What a result means, once for each value: a (the first won), b (the second won), tie, none.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
PlotFormat = Annotated[Literal["svg", "png"], typer.Option("--format", help="Format of the plots.")]
DEFAULT_URL: Final = "http://127.0.0.1:8101"
DEFAULT_OUT: Final = Path("runs")


@app.command()
def plan(
    folder: Folder,
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
    judge: Judges = None,
    target_reliability: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Reliability at which judging would stop.")
    ] = 0.9,
    sd: Annotated[
        float | None,
        typer.Option(min=0, help="This judge's spread of essays in logits, if it was measured (tau)."),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(help="A class list, .txt or .csv: its names are sought in the essays. It is not sent."),
    ] = None,
) -> None:
    """Read and check a folder; show what would be judged, how often and at what price. Nothing is sent."""

    def work() -> None:
        panel = judge_panel(judge or (), provider=provider, model=model)
        names = () if roster is None else read_roster(roster)
        assignment = load_assignment(folder, course=course, ignored=() if roster is None else (roster,))
        print_contents(assignment, provider=provider, model=model, panel=panel, roster=names, console=console)
        print_forecast(
            assignment,
            provider=provider,
            model=model,
            panel=panel,
            target_reliability=target_reliability,
            sd=sd,
            console=console,
        )

    reporting_errors(work)


@app.command("dry-run")
def dry_run(
    folder: Folder,
    url: Url = DEFAULT_URL,
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
    judge: Judges = None,
) -> None:
    """Upload the texts and register the anchors, but start nothing: shows that a run would start."""

    async def work(client: AssessmentClient) -> None:
        panel = judge_panel(judge or (), provider=provider, model=model)
        assignment = load_assignment(folder, course=course)
        print_contents(assignment, provider=provider, model=model, panel=panel, console=console)
        await client.check_ready()
        texts = await upload(client, assignment)
        options = RunOptions(batch_id=new_batch_id(), provider=provider, model=model, panel=panel)
        request = assessment_request(assignment, texts, options)
        console.out(f"{len(texts.essay_storage_ids)} essays uploaded, {url} is ready", highlight=False)
        console.out(f"the request would have {len(request.to_json())} bytes", highlight=False)

    _with_client(url, work)


@app.command()
def execute(
    folder: Folder,
    url: Url = DEFAULT_URL,
    out: Out = DEFAULT_OUT,
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
    judge: Judges = None,
    temperature: Temperature = None,
    max_comparisons: MaxComparisons = None,
    max_cost_usd: MaxCost = None,
    target_reliability: Target = None,
    batch_id: Annotated[
        str | None, typer.Option(help="Id of the batch; one that was started earlier is followed to its end.")
    ] = None,
) -> None:
    """Assess a folder of essays: live progress, then the ranking, then the paths of the run's files.

    Ctrl-C cancels the batch: calls under way are paid for, no further calls are made. The exit code is then 130.
    """

    async def work(client: AssessmentClient) -> None:
        options = RunOptions(
            batch_id=new_batch_id() if batch_id is None else batch_id,
            provider=provider,
            model=model,
            panel=judge_panel(judge or (), provider=provider, model=model),
            temperature=temperature,
            max_comparisons=max_comparisons,
            max_cost_usd=_exact(max_cost_usd),
            target_reliability=target_reliability,
        )
        check_batch_id(options.batch_id)
        assignment = load_assignment(folder, course=course)
        with writable_folder(out / options.batch_id):
            await client.check_ready()
            run = await run_assignment(client, assignment, options, console=console)
            report_run(run, out=out, console=console)

    _with_client(url, work)


@app.command()
def analyse(
    decisions: Annotated[
        Path,
        typer.Argument(
            help="A CSV, .xlsx, .ods or Parquet file of decisions: the comparisons.csv of a run, a No More Marking"
            " export, winner and loser,"
            " item1/item2/result (R sirt), ID1/ID2/better_id (pairwiseLLM)."
        ),
    ],
    json: Json = False,
    items_csv: Annotated[Path | None, typer.Option(help="Write a row per item to this CSV file.")] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Draw scores, fit, position effects and convergence into this folder."),
    ] = None,
    plot_format: PlotFormat = "svg",
    columns: Columns = None,
    coding: CodingOption = None,
    ties: Annotated[
        Literal["drop", "half"],
        typer.Option(help="Leave ties out, or count each as half a win either way."),
    ] = "drop",
    allow_disconnected: Annotated[
        bool,
        typer.Option(
            "--allow-disconnected/--require-connected",
            help="Items that were never compared with the rest are a warning, or an error.",
        ),
    ] = True,
    panel: Annotated[
        bool, typer.Option("--panel", help="Also each judge's sharpness, and the agreement of every two.")
    ] = False,
    all_rows: Annotated[bool, typer.Option("--all", help="Show every item and judge.")] = False,
) -> None:
    """Fit judgement data of any origin: scores, four reliabilities, misfit, judges, position effects.

    Self-comparisons and rows without a vote are counted and left out, and so are ties unless they count half.
    """
    # Imported here: numpy and scipy take a second, and the commands that talk to a service do not need them.
    from batch_runner.analysing.command import AnalysisOptions, analyse_file

    options = AnalysisOptions(
        columns=columns or (),
        coding=coding or (),
        ties=ties,
        require_connected=not allow_disconnected,
        panel=panel,
        as_json=json,
        all_rows=all_rows,
        items_csv=items_csv,
        plots=plots,
        plot_format=plot_format,
    )
    reporting_errors(lambda: analyse_file(decisions, options, console=console))


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
        reference_cost=_exact(reference_cost),
        candidate_cost=_exact(candidate_cost),
        max_cost_ratio=max_cost_ratio,
        columns=tuple(columns or ()),
        coding=tuple(coding or ()),
        as_json=json,
    )
    reporting_errors(lambda: qualify_judge(decisions, options, console=console))


@app.command()
def simulate(
    essays: Annotated[int, typer.Option(min=2, help="How many essays are ranked, anchors included.")],
    sd: Annotated[
        float,
        typer.Option(
            min=0,
            help="The judge's spread of essays in logits: the tau that analyse reports. About 1.5 for"
            " people, 3 for a sharp model, 0 is a coin.",
        ),
    ] = 2.0,
    comparisons_per_essay: Annotated[
        int | None,
        typer.Option(min=1, max=500, help="Comparisons per essay to look at; 10 unless a target is given."),
    ] = None,
    policy: Annotated[
        list[PolicyName] | None,
        typer.Option(help="Pairing policy; repeat it for several. By default ours (information) and random."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs per policy.")] = 20,
    target_reliability: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.999, help="Forecast the comparisons and dollars that this takes."),
    ] = None,
    provider: Provider = None,
    model: Model = None,
    words: Annotated[int, typer.Option(min=1, help="Words per essay, for the price.")] = 300,
    position_bias: Annotated[
        float, typer.Option(help="The judge's preference for the first, in logits.")
    ] = 0.0,
    noise: Annotated[float, typer.Option(min=0, max=1, help="Share of answers that are random.")] = 0.0,
    json: Json = False,
    plots: Annotated[Path | None, typer.Option(help="Draw power curves into this folder.")] = None,
    plot_format: PlotFormat = "svg",
) -> None:
    """Simulate judging: what each pairing policy reaches, and how many comparisons a target takes."""
    # Imported here: numpy and scipy take a second, and the commands that talk to a service do not need them.
    from cj_measurement import Policy

    from batch_runner.simulating.simulating import SimulationOptions, simulate_and_report

    options = SimulationOptions(
        essays=essays,
        sd=sd,
        position_bias=position_bias,
        noise=noise,
        policies=tuple(
            Policy(name) for name in dict.fromkeys(policy or (PolicyName.INFORMATION, PolicyName.RANDOM))
        ),
        seeds=seeds,
        comparisons_per_essay=comparisons_per_essay,
        target_reliability=target_reliability,
        provider=provider,
        model=model,
        words=words,
        as_json=json,
        plots=plots,
        plot_format=plot_format,
    )
    reporting_errors(lambda: simulate_and_report(options, console=console, progress_console=errors))


def _exact(dollars: float | None) -> Decimal | None:
    return None if dollars is None else Decimal(str(dollars))


def _with_client(url: str, work: Callable[[AssessmentClient], Coroutine[Any, Any, None]]) -> None:
    stamina.instrumentation.set_on_retry_hooks([_reporting_each_wait_once()])

    async def run() -> None:
        async with httpx2.AsyncClient() as http:
            await work(AssessmentClient(http=http, base_url=url.rstrip("/")))

    def until_interrupted() -> None:
        number = run_until_interrupted(run)
        if number is not None:
            raise typer.Exit(exit_code(number))

    reporting_errors(until_interrupted)


def _reporting_each_wait_once() -> stamina.instrumentation.RetryHook:
    """Uploads run concurrently and each is retried: a reason is printed once."""
    printed: set[str] = set()

    def report(details: stamina.instrumentation.RetryDetails) -> None:
        reason = str(details.caused_by)
        if reason not in printed:
            printed.add(reason)
            errors.out(f"waiting up to {PATIENCE_SECONDS:.0f} s: {reason}", style="dim", highlight=False)

    return report
