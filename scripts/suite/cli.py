"""cj-suite: run the whole suite on this machine, and generate what is generated from it."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from batch_runner.assignment import load_assignment
from batch_runner.client import AssessmentClient
from batch_runner.execution import RunOptions
from batch_runner.interrupting import run_until_interrupted
from batch_runner.running import (
    EXIT_INTERRUPTED,
    new_batch_id,
    report_run,
    reporting_errors,
    run_assignment,
)
from rich.console import Console
from service_kit.telemetry.logging import configure_logging

from suite.generating import check_generated, write_generated
from suite.models import models_app
from suite.stack import Ports, StackOptions, embedded_stack

SAMPLE = Path(__file__).parent / "sample_assignment"
DEFAULT_DATA = Path(".run")
EXIT_STALE = 1

app = typer.Typer(
    name="cj-suite",
    no_args_is_help=True,
    add_completion=False,
    help="The comparative judgement suite on one machine: no Docker, no keys.",
)
app.add_typer(models_app, name="models")
console = Console()
errors = Console(stderr=True)

Data = Annotated[Path, typer.Option(help="Where the database, the logs and the runs are kept.")]


@app.command()
def demo(data: Data = DEFAULT_DATA) -> None:
    """Assess the sample assignment with the simulated judge: starts everything, shows the ranking, stops."""
    reporting_errors(lambda: _run_until_interrupted(lambda: _demo(data)))


async def _demo(data: Path) -> None:
    assignment = load_assignment(SAMPLE)
    log = _log_to_file(data, "demo")
    console.print("starting PostgreSQL and the three services …", style="dim")
    options = StackOptions(data=data, ports=Ports.free(), quality_file=SAMPLE / "hidden_quality.toml")
    async with embedded_stack(options) as addresses, httpx2.AsyncClient() as http:
        client = AssessmentClient(http=http, base_url=addresses.cj_assessment)
        run = await run_assignment(client, assignment, RunOptions(batch_id=new_batch_id()), console=console)
    report_run(run, out=data / "runs", console=console)
    console.print(str(log), highlight=False, soft_wrap=True)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    provider: Annotated[str, typer.Option(help="Who judges where a request names nobody.")] = "mock",
    cj_port: Annotated[int, typer.Option(help="Port of CJ Assessment.")] = Ports().cj_assessment,
    llm_port: Annotated[int, typer.Option(help="Port of the LLM Provider.")] = Ports().llm_provider,
    conductor_port: Annotated[
        int, typer.Option(help="Port of the Batch Conductor.")
    ] = Ports().batch_conductor,
) -> None:
    """Run the three services until Ctrl-C; then, elsewhere: cj-run execute FOLDER."""
    ports = Ports(cj_assessment=cj_port, llm_provider=llm_port, batch_conductor=conductor_port)
    reporting_errors(lambda: _run_until_interrupted(lambda: _up(data, provider, ports)))


async def _up(data: Path, provider: str, ports: Ports) -> None:
    log = _log_to_file(data, "suite")
    async with embedded_stack(StackOptions(data=data, ports=ports, provider=provider)) as addresses:
        console.print(f"CJ Assessment    {addresses.cj_assessment}/docs", highlight=False)
        console.print(f"LLM Provider     {addresses.llm_provider}/docs", highlight=False)
        console.print(f"Batch Conductor  {addresses.batch_conductor}/docs", highlight=False)
        console.print(f"logs             {log}", highlight=False)
        console.print("Ctrl-C stops everything", style="dim")
        await asyncio.Event().wait()


@app.command()
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is out of date (exit code 1).")
    ] = False,
) -> None:
    """Write what is generated from the code: schemas, API documents, command help, settings reference."""
    if not check:
        for path in write_generated():
            console.print(f"written: {path}", highlight=False)
        return
    stale = check_generated()
    for path in stale:
        errors.print(f"out of date: {path}: run cj-suite generate", highlight=False)
    if stale:
        raise typer.Exit(EXIT_STALE)


def _log_to_file(data: Path, name: str) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    path = data / f"{name}.log"
    configure_logging(service="embedded", stream=path.open("w", encoding="utf-8"))
    return path


def _run_until_interrupted(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``work``; an interrupt lets it close what it opened, and ends with exit code 130."""
    if run_until_interrupted(work):
        console.print("stopped", style="dim")
        raise typer.Exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    app()
