"""cj-suite pipelines: check the conductor's rules before a service is started with them."""

from pathlib import Path
from typing import Annotated

import typer
from batch_conductor.adapters.pipelines_file import load_pipelines
from batch_conductor.settings import PIPELINES
from command_line.exit_codes import ExitCode, error_console
from event_contracts import ConfigurationError
from rich.console import Console

pipelines_app = typer.Typer(
    no_args_is_help=True, help="The rules of pipelines, which the Batch Conductor follows."
)
console = Console()


@pipelines_app.callback()
def group() -> None:
    """Keep `check` a command of its own."""


@pipelines_app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rules; the service's own if left out.")] = PIPELINES,
) -> None:
    """Say of each pipeline which phases it runs in which order; exit code 1 with a line for each problem."""
    try:
        rules = load_pipelines(file)
    except ConfigurationError as error:
        error_console.print(error.message, style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(ExitCode.FAILED) from error
    for name in rules.pipelines:
        phases = rules.resolve(name, completed=frozenset()).phases
        gates = rules.gates_of(phases)
        console.print(
            f"{name}: {' → '.join(phases)} (gates: {', '.join(gates) or 'none'})",
            highlight=False,
            soft_wrap=True,
        )
