"""cj-run replay: a run through the suite once more, from its recorded decisions."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from command_line.exit_codes import ExitCode
from event_contracts import InvalidRequest

from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.verifying import read_artefact
from batch_runner.cli.app import DEFAULT_OUT, Out, app, console
from batch_runner.cli.run_async import run_async
from batch_runner.planning.checking import writable_folder
from batch_runner.reporting.run_files import write_run_files
from batch_runner.running.lifecycle import HttpTransport, RunLifecycle
from batch_runner.running.replaying import DECISIONS, recorded_assignment, replay_options, write_decisions
from batch_runner.running.run_folder import RunFolder, RunSettings
from batch_runner.wire.connection import connected
from batch_runner.wire.embedded import embedded_suite


@app.command()
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or its assessment_run file.")],
    out: Out = DEFAULT_OUT,
) -> None:
    """Run a recorded batch through the suite again, each comparison answered as it was recorded; nothing is paid for.

    An embedded suite is started for it. The exit code is 0 where the scores are those on record. If the answers
    arrive in a different order than in the original run, other pairs may be chosen: the agreement of the two is
    printed, and the exit code is 6.
    """
    run_async(lambda: _replay(run, out))


async def _replay(run: Path, out: Path) -> None:
    recorded = read_artefact(run)
    if not recorded.bt_summary:
        raise InvalidRequest(f"{run}: this run has no ranking: there is nothing to compare a replay with")
    assignment, options = recorded_assignment(recorded), replay_options(recorded)
    folder = out / options.batch_id
    with writable_folder(folder), tempfile.TemporaryDirectory(prefix="cj-replay-") as place:
        decisions = write_decisions(recorded, Path(place) / DECISIONS)
        console.out("starting the embedded suite …", style="dim", highlight=False)
        environment = {"LLM_PROVIDER_REPLAY_FILE": str(decisions)}
        async with (
            embedded_suite(Path(place) / "data", environment=environment) as addresses,
            connected(addresses.assessment) as client,
        ):
            await client.check_ready()
            kept = RunFolder(folder)
            kept.begin(
                RunSettings(
                    folder=str(run),
                    course=assignment.course_code,
                    label=options.label,
                    transport="embedded",
                    url=addresses.assessment,
                    options=options.as_json(),
                )
            )
            running = RunLifecycle(
                client=client,
                transport=HttpTransport(client),
                folder=kept,
                console=console,
                is_judged_meanwhile=False,
            )
            ended = await running.run(assignment, options)
        for path in await asyncio.to_thread(write_run_files, ended, folder):
            console.out(str(path), highlight=False)
    _compare(recorded, read_artefact(folder))


def _compare(recorded: AssessmentRun, replayed: AssessmentRun) -> None:
    # Imported here: numpy and scipy take a second, and the replay itself does not need them.
    import numpy as np
    from cj_measurement.correlations import spearman

    before = {each.essay_id: each.theta for each in recorded.bt_summary}
    after = {each.essay_id: each.theta for each in replayed.bt_summary}
    differing = [name for name in before | after if before.get(name) != after.get(name)]
    if not differing:
        console.out(f"the replay gives the {len(before)} scores on record", highlight=False)
        return
    asked, again = _asked(recorded), _asked(replayed)
    console.out(
        f"{(asked & again).total()} of {asked.total()} comparisons were asked again, {(again - asked).total()}"
        " others have no answer on record and count for nothing: the suite chooses pairs by the answers that it"
        " has, and answers came at other moments",
        highlight=False,
    )
    common = [name for name in before if name in after]
    if len(common) > 2:
        correlation = spearman(
            np.array([before[name] for name in common]), np.array([after[name] for name in common])
        )
        console.out(f"rank correlation with the scores on record {correlation:.3f}", highlight=False)
    console.out(f"{len(differing)} of {len(before)} scores differ", highlight=False)
    raise typer.Exit(ExitCode.FINDINGS)


def _asked(run: AssessmentRun) -> Counter[tuple[str, str]]:
    return Counter((each.essay_a_id, each.essay_b_id) for each in run.llm_comparisons)
