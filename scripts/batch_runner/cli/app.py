"""The program, and the options that several of its commands have."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from command_line.addresses import ASSESSMENT_URL
from event_contracts import CourseCode
from pydantic_core import to_json
from rich.console import Console

from batch_runner import run_log
from batch_runner.assignment.contents import Assignment
from batch_runner.planning.checking import check_batch_id
from batch_runner.planning.judges import FORM

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
LlmUrl = Annotated[
    str | None,
    typer.Option(
        envvar="LLM_PROVIDER_URL",
        help="Base URL of the LLM Provider: while nothing moves, it is asked why (a rate limit, a wrong key).",
    ),
]
Out = Annotated[
    Path, typer.Option(help="Folder for the run's files, which get a folder named after the batch.")
]
Roster = Annotated[
    Path | None,
    typer.Option(help="A class list, .txt or .csv: its names are sought in the essays. It is not sent."),
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
DEFAULT_URL: Final = ASSESSMENT_URL
DEFAULT_OUT: Final = Path("runs")


def label_of(given: str | None, assignment: Assignment) -> str:
    """What people call the batch; raises ``WrongOption`` for what cannot be part of an address."""
    moment = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    label = f"{assignment.assignment_id or 'run'}-{moment}" if given is None else given
    check_batch_id(label)
    return label


def print_json(document: object) -> None:
    """Print one JSON document to standard output; non-finite numbers, such as NaN, become null."""
    typer.echo(to_json(document, indent=2, inf_nan_mode="null").decode())


@app.callback()
def logging(
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="Log every event as JSON to standard error.")
    ] = 0,
    quiet: Annotated[int, typer.Option("-q", "--quiet", count=True, help="Log errors alone.")] = 0,
) -> None:
    """Assess a folder of essays by comparative judgement, and analyse judgement data of any origin."""
    run_log.configure(verbose=verbose, quiet=quiet)


def exact(dollars: float | None) -> Decimal | None:
    """Dollars as they were typed."""
    return None if dollars is None else Decimal(str(dollars))
