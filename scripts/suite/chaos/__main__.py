"""``make chaos``: what was lost or counted twice while faults were injected; exit code 1 unless nothing was."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import stamina
import typer
from command_line.exit_codes import ExitCode
from event_contracts import AssessmentState

from suite.chaos.clocks import NoSteppableClock
from suite.chaos.faults import POSTGRES_EVERY_SECONDS, Faults
from suite.chaos.judging import compare


def main(
    comparisons: Annotated[int, typer.Option(help="Comparisons of the batch.")] = 1_000,
    kills: Annotated[int, typer.Option(help="SIGKILLs of each service.")] = 100,
    pauses: Annotated[int, typer.Option(help="Pauses of each service, longer than its leases.")] = 10,
    clock_steps: Annotated[int, typer.Option(help="Steps of the services' clock (needs libfaketime).")] = 20,
    postgres_kills: Annotated[int, typer.Option(help="SIGKILLs of PostgreSQL.")] = 15,
    postgres_every: Annotated[float, typer.Option(help="Seconds between them.")] = POSTGRES_EVERY_SECONDS,
    broker_frozen: Annotated[
        float, typer.Option(help="Seconds for which the broker does not answer.")
    ] = 10.0,
    broker_down: Annotated[float, typer.Option(help="Seconds for which the broker is gone, killed.")] = 60.0,
) -> None:
    """Judge the batch without faults and with them; exit code 1 unless both end the same."""
    stamina.instrumentation.set_on_retry_hooks([])  # a killed service is expected to be down
    faults = Faults(
        kills=kills,
        pauses=pauses,
        clock_steps=clock_steps,
        postgres_kills=postgres_kills,
        postgres_every=postgres_every,
        broker_frozen=broker_frozen,
        broker_down=broker_down,
    )
    with tempfile.TemporaryDirectory(prefix="cj-chaos-", ignore_cleanup_errors=True) as folder:
        try:
            quiet, with_faults = asyncio.run(compare(Path(folder), comparisons=comparisons, faults=faults))
        except NoSteppableClock as error:
            typer.echo(error, err=True)
            raise typer.Exit(ExitCode.USAGE) from error
    for kind, seconds in with_faults.recovery.items():
        print(f"{kind}: judging again after {seconds:.1f} s at most")
    outcome = with_faults.outcome
    same = quiet.outcome.ranking == outcome.ranking != []
    print(
        f"kills={with_faults.kills} lost={outcome.lost} twice={outcome.twice} same_ranking={'yes' if same else 'no'}"
    )
    ended = outcome.status.state is AssessmentState.COMPLETED
    if not (same and ended and outcome.lost == outcome.twice == 0):
        raise typer.Exit(ExitCode.FAILED)


if __name__ == "__main__":
    typer.run(main)
