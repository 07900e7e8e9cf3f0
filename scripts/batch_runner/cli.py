"""cj-run: plan, rehearse and execute the assessment of a folder of essays; analyse judgement data."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx2
import typer
from event_contracts import AssessmentState, CourseCode, LLMConfigOverrides, SuiteError
from model_manifest import validate_llm_overrides
from rich.console import Console

from batch_runner.analysis import analyse_file
from batch_runner.assignment import Assignment, load_assignment
from batch_runner.client import AssessmentClient
from batch_runner.execution import FinishedRun, RunOptions, assessment_request, collect, follow, upload
from batch_runner.presentation import LiveProgress, problems, ranking_table, totals_line
from batch_runner.run_files import write_run_files

EXIT_FAILED = 1
EXIT_INVALID = 2

app = typer.Typer(
    name="cj-run",
    no_args_is_help=True,
    add_completion=False,
    help="Assess a folder of essays by comparative judgement.",
)
console = Console()
errors = Console(stderr=True)

Folder = Annotated[
    Path, typer.Argument(help="Folder of .txt, .md, .docx or .pdf essays, or with an assignment.toml.")
]
Course = Annotated[CourseCode, typer.Option(help="Course of a folder without assignment.toml.")]
Provider = Annotated[str | None, typer.Option(help="Who judges: anthropic, openai, mock …")]
Model = Annotated[str | None, typer.Option(help="Which of its models.")]
Temperature = Annotated[float | None, typer.Option(min=0, max=2)]
MaxComparisons = Annotated[int | None, typer.Option(min=1, help="Stop after this many comparisons.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost-usd", min=0, help="Stop before this is spent.")]
Target = Annotated[float | None, typer.Option("--target-reliability", help="Stop when this is reached.")]
Url = Annotated[str, typer.Option(envvar="CJ_ASSESSMENT_URL", help="Base URL of the CJ Assessment service.")]
Out = Annotated[Path, typer.Option(help="Where the run's files go, in a folder of the batch's name.")]
DEFAULT_URL = "http://127.0.0.1:8101"
DEFAULT_OUT = Path("runs")


def reporting_errors(work: Callable[[], None]) -> None:
    """Run a command: what the user can put right is one line and exit code 2, a failure is exit code 1."""
    try:
        work()
    except SuiteError as error:
        errors.print(f"[red]{error.code}[/red] {error.message}", highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_INVALID if error.http_status < 500 else EXIT_FAILED) from error


@app.command()
def plan(
    folder: Folder, course: Course = CourseCode.ENG5, provider: Provider = None, model: Model = None
) -> None:
    """Read and check a folder, and say what would be judged; nothing is sent anywhere."""
    reporting_errors(lambda: _plan(load_assignment(folder, course=course), provider, model))


def _plan(assignment: Assignment, provider: str | None, model: str | None) -> None:
    everyone = len(assignment.essays) + len(assignment.anchors)
    console.print(f"[bold]{assignment.title}[/bold] ({assignment.course_code}, {assignment.language})")
    console.print(f"{len(assignment.essays)} essays, {len(assignment.anchors)} anchors", highlight=False)
    console.print(f"{assignment.words} words, {assignment.words // everyone} a text", highlight=False)
    console.print(f"grades: {assignment.grade_scale or 'none (no anchors)'}", highlight=False)
    console.print(f"all pairs would be {everyone * (everyone - 1) // 2} comparisons", highlight=False)
    if provider is not None or model is not None:
        overrides = LLMConfigOverrides(provider_override=provider, model_override=model)
        resolved = validate_llm_overrides(overrides, default_provider=provider or "mock")
        console.print(f"judge: {resolved.provider}/{resolved.model}", highlight=False)


@app.command("dry-run")
def dry_run(
    folder: Folder,
    url: Url = DEFAULT_URL,
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
) -> None:
    """Upload the texts and register the anchors, but do not judge: shows that a run would start."""

    async def work(client: AssessmentClient) -> None:
        assignment = load_assignment(folder, course=course)
        _plan(assignment, provider, model)
        await client.check_ready()
        texts = await upload(client, assignment)
        options = RunOptions(batch_id=new_batch_id(), provider=provider, model=model)
        request = assessment_request(assignment, texts, options)
        console.print(f"{len(texts.essay_storage_ids)} essays uploaded, {url} is ready", highlight=False)
        console.print(f"the request would have {len(request.to_json())} bytes", highlight=False)

    reporting_errors(lambda: asyncio.run(_with_client(url, work)))


@app.command()
def execute(
    folder: Folder,
    url: Url = DEFAULT_URL,
    out: Out = DEFAULT_OUT,
    course: Course = CourseCode.ENG5,
    provider: Provider = None,
    model: Model = None,
    temperature: Temperature = None,
    max_comparisons: MaxComparisons = None,
    max_cost_usd: MaxCost = None,
    target_reliability: Target = None,
    batch_id: Annotated[str | None, typer.Option(help="Take up or repeat this batch.")] = None,
) -> None:
    """Assess a folder of essays: live progress, then the ranking, then the paths of the run's files."""
    options = RunOptions(
        batch_id=batch_id or new_batch_id(),
        provider=provider,
        model=model,
        temperature=temperature,
        max_comparisons=max_comparisons,
        max_cost_usd=None if max_cost_usd is None else Decimal(str(max_cost_usd)),
        target_reliability=target_reliability,
    )

    async def work(client: AssessmentClient) -> None:
        assignment = load_assignment(folder, course=course)
        await client.check_ready()
        run = await run_assignment(client, assignment, options, console=console)
        report_run(run, out=out, console=console)

    reporting_errors(lambda: asyncio.run(_with_client(url, work)))


@app.command()
def analyse(
    decisions: Annotated[
        Path, typer.Argument(help="CSV with judge, candidate_chosen, candidate_not_chosen.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Fit comparative judgement data of any origin and report its reliability."""
    reporting_errors(lambda: analyse_file(decisions, as_json=json, console=console))


def new_batch_id() -> str:
    """A batch id that nobody has used."""
    return f"run-{uuid4()}"


async def run_assignment(
    client: AssessmentClient, assignment: Assignment, options: RunOptions, *, console: Console
) -> FinishedRun:
    """Start a batch, follow it to its end and collect its results; an interrupt cancels the batch."""
    texts = await upload(client, assignment)
    request = assessment_request(assignment, texts, options)
    await client.start(request)
    try:
        with LiveProgress(console) as live:
            async for status in follow(client, options.batch_id):
                live.show(status)
    except asyncio.CancelledError:
        await client.cancel(options.batch_id)
        raise
    return await collect(client, assignment, request, status)


def report_run(run: FinishedRun, *, out: Path, console: Console) -> None:
    """Print the ranking, what to know about it, the totals and the files; exit 1 when there is no ranking."""
    if run.results is not None:
        console.print(ranking_table(run))
    for problem in problems(run):
        console.print(f"[yellow]note[/yellow] {problem}", highlight=False, soft_wrap=True)
    console.print(totals_line(run), highlight=False, soft_wrap=True)
    for path in write_run_files(run, out / run.status.batch_id):
        console.print(str(path), highlight=False, soft_wrap=True)
    if run.status.state in (AssessmentState.FAILED, AssessmentState.CANCELLED):
        raise typer.Exit(EXIT_FAILED)


async def _with_client(url: str, work: Callable[[AssessmentClient], Coroutine[Any, Any, None]]) -> None:
    async with httpx2.AsyncClient() as http:
        await work(AssessmentClient(http=http, base_url=url.rstrip("/")))
