"""cj-suite: run the whole suite on this machine, and generate what is generated from it."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import admin_cli.cli
import batch_runner.cli
import httpx2
import typer
from batch_runner.assignment.loading import load_assignment
from batch_runner.reporting.ended import report_run
from batch_runner.running.interrupting import STOP_SIGNALS, run_until_interrupted
from batch_runner.running.lifecycle import HttpTransport, RunLifecycle
from batch_runner.running.request import RunOptions
from batch_runner.running.run_folder import RunFolder
from batch_runner.wire.client import AssessmentClient
from command_line.exit_codes import ExitCode, error_console, exit_code, reporting_errors
from rich.console import Console
from suite_access import CallerToken

from suite.dead_letters.commands import dlq_app
from suite.deployment.commands import deployment_app
from suite.doctor.commands import doctor
from suite.embedded.back_up import back_up
from suite.models.commands import models_app
from suite.pipeline_rules import pipelines_app
from suite.stack.options import DEFAULT_DATA, DEFAULT_PROVIDER, Ports, StackOptions
from suite.stack.running import embedded_stack

SAMPLE: Final = Path(__file__).parent / "sample_assignment"

app = typer.Typer(
    name="cj-suite",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The comparative judgement suite on one machine: no Docker, no keys.",
)
app.add_typer(models_app, name="models")
app.add_typer(deployment_app, name="deployment")
app.command()(doctor)
app.add_typer(dlq_app, name="dlq")
app.add_typer(pipelines_app, name="pipelines")
console = Console()

Data = Annotated[Path, typer.Option(help="Where the database, the logs and the runs are kept.")]


@app.command(name="back-up")
def back_up_suite(
    target: Annotated[Path, typer.Argument(help="The folder to be made, on a disk other than the suite's.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Back up a suite of cj-suite up while it runs: all databases as they were at one moment.

    The folder is a data folder: with --data, cj-suite up runs on it. It holds pupils' texts.

    Exit code: 0, 2 when there is no back-up.
    """
    with reporting_errors():
        back_up(data / "postgres", target / "postgres")
    console.print(f"backed up to {target}", highlight=False, soft_wrap=True)


@app.command()
def demo(data: Data = DEFAULT_DATA) -> None:
    """Assess the sample assignment with the simulated judge: starts everything, shows the ranking, stops.

    Exit code: 0, or 129, 130 or 143 when it is ended by SIGHUP, Ctrl-C or SIGTERM.
    """
    _run(lambda: _demo(data))


async def _demo(data: Path) -> None:
    assignment = load_assignment(SAMPLE)
    console.print("starting PostgreSQL and the three services …", style="dim")
    options = StackOptions(data=data, ports=Ports.free(), quality_file=SAMPLE / "hidden_quality.toml")
    async with (
        embedded_stack(options, log_name="demo.log") as addresses,
        httpx2.AsyncClient(auth=CallerToken(addresses.cj_assessment, role="runner", folder=data)) as http,
    ):
        client = AssessmentClient(http=http, base_url=addresses.cj_assessment)
        run_options = RunOptions(label="demo")
        folder = RunFolder(data / "runs" / run_options.batch_id)
        folder.path.mkdir(parents=True, exist_ok=True)
        running = RunLifecycle(client=client, transport=HttpTransport(client), folder=folder, console=console)
        ended = await running.run(assignment, run_options)
    report_run(ended, folder=folder.path, console=console)
    console.print(str(data / "demo.log"), highlight=False, soft_wrap=True)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    provider: Annotated[
        str,
        typer.Option(envvar="DEFAULT_PROVIDER", help="Provider that judges where a request names none."),
    ] = DEFAULT_PROVIDER,
    model: Annotated[
        str | None,
        typer.Option(help="Its model where a request names none; left out, the provider's default."),
    ] = None,
    cj_port: Annotated[int, typer.Option(help="Port of CJ Assessment.")] = Ports().cj_assessment,
    llm_port: Annotated[int, typer.Option(help="Port of the LLM Provider.")] = Ports().llm_provider,
    conductor_port: Annotated[
        int, typer.Option(help="Port of the Batch Conductor.")
    ] = Ports().batch_conductor,
) -> None:
    """Run the three services until Ctrl-C; then, elsewhere: cj-run execute FOLDER.

    Exit code: 129, 130 or 143 when it is ended by SIGHUP (the terminal is closed), Ctrl-C or SIGTERM, 2 when it
    cannot start, with a line for each reason.
    """
    ports = Ports(cj_assessment=cj_port, llm_provider=llm_port, batch_conductor=conductor_port)
    _run(lambda: _up(StackOptions(data=data, ports=ports, provider=provider, model=model)))


async def _up(options: StackOptions) -> None:
    async with embedded_stack(options, log_name="suite.log") as addresses:
        console.print(f"CJ Assessment    {addresses.cj_assessment}/docs", highlight=False)
        console.print(f"LLM Provider     {addresses.llm_provider}/docs", highlight=False)
        console.print(f"Batch Conductor  {addresses.batch_conductor}/docs", highlight=False)
        console.print(f"logs             {options.data / 'suite.log'}", highlight=False, soft_wrap=True)
        console.print("Ctrl-C stops everything", style="dim")
        await asyncio.Event().wait()


@app.command()
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is out of date (exit code 1).")
    ] = False,
) -> None:
    """Write what is generated from the code: schemas, API documents, command help, settings reference."""
    # Imported here: the services take seconds to load, and the other commands do not need all of them.
    from suite.generated.files import Programs, check_generated, write_generated

    programs: Programs = {"cj-admin": admin_cli.cli.app, "cj-run": batch_runner.cli.app, "cj-suite": app}
    if not check:
        for path in write_generated(programs):
            console.print(f"written: {path}", highlight=False)
        return
    stale = check_generated(programs)
    for path in stale:
        error_console.print(f"out of date: {path}: run cj-suite generate", highlight=False)
    if stale:
        raise typer.Exit(ExitCode.FAILED)


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``work``; a signal lets it close what it opened, and ends the program with its exit code."""
    with reporting_errors():
        number = run_until_interrupted(work, signals=STOP_SIGNALS)
        if number is not None:
            console.print("stopped", style="dim")
            raise typer.Exit(exit_code(number))
