"""Kills the services again and again while they work on one batch, and counts what that cost.

The same batch is judged twice by the same simulated judge: once undisturbed, once while each service is ended with
kill -9 at random moments and started again. Nothing may be lost, nothing counted twice, and both rankings are equal.
"""

import asyncio
import json
import random
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import stamina
import typer
from batch_runner.assignment import Assignment
from batch_runner.execution import RunOptions
from event_contracts import (
    AssessmentState,
    BatchStatusView,
    LLMComparisonResultV1,
    Topic,
    parse_envelope,
)
from rich.console import Console

from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import PostgresServer, throwaway_postgres
from suite.processes import ServiceProcess
from suite.rehearsal import (
    Rehearsal,
    generated_essays,
    messages,
    rehearsal,
    running,
    send_batch,
    until_ended,
    write_qualities,
)

ESSAYS = 50
COMPARISONS = 500
KILLS_EACH = 50
LONGEST_LIFE_SECONDS = 1.2
BATCH_ID = "chaos"

# Slow enough that the batch outlives the kills; leases short enough that what a kill interrupts is taken up soon. The
# order of answers changes nothing as long as no round is planned without its stragglers.
PROVIDER = {
    "simulated_latency_ms": "250",
    "simulated_seed": "3",
    "concurrency": "8",
    "call_timeout": "PT1S",
    "lease": "PT2S",
}
ASSESSMENT = {"straggler_patience": "PT1H"}

console = Console()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a batch: how it ended, its ranking, and how its comparisons and callbacks were counted."""

    status: BatchStatusView
    ranking: list[tuple[str, float]]
    lost: int
    twice: int


async def judge_once(
    postgres: PostgresServer, kafka: str, *, name: str, folder: Path, assignment: Assignment, kills: int
) -> tuple[Outcome, int]:
    """One run, disturbed by ``kills`` of each service; returns what became of it, and the kills that hit."""
    stage = rehearsal(
        postgres,
        kafka,
        name=name,
        folder=folder,
        qualities=folder / "qualities.toml",
        assessment=ASSESSMENT,
        provider=PROVIDER,
    )
    options = RunOptions(batch_id=BATCH_ID, max_comparisons=COMPARISONS, target_reliability=0.9999)
    async with running(stage):
        await send_batch(stage.assessment.url, assignment, options)
        batch = asyncio.create_task(until_ended(stage.assessment.url, BATCH_ID))
        hits = 0
        if kills:
            hits = sum(
                await asyncio.gather(
                    _torment(stage.assessment, kills, batch), _torment(stage.provider, kills, batch)
                )
            )
        status = await batch
        return await _outcome(stage, status, await _callbacks(kafka, name=name)), hits


async def _torment(service: ServiceProcess, kills: int, batch: asyncio.Task[BatchStatusView]) -> int:
    """Kill at random moments of the service's life, from its first to its busiest; returns how many kills hit."""
    chance = random.Random(service.package)
    hits = 0
    while hits < kills and not batch.done():
        await asyncio.sleep(chance.uniform(0, LONGEST_LIFE_SECONDS))
        await service.kill()
        hits += 1
        if hits % 10 == 0:
            console.print(f"{service.package}: killed {hits} times", style="dim", highlight=False)
        await service.start()
    return hits


_LOST_COMPARISONS = "SELECT count(*) FROM comparison WHERE state <> 'judged'"
_LOST_MESSAGES = "SELECT count(*) FROM outbox"
_REQUESTS = "SELECT id::text FROM judge_request"
_COUNTED_TWICE = """
    SELECT count(*) - count(DISTINCT comparison_id) FROM comparison_attempt WHERE outcome = 'answered'
"""


async def _outcome(stage: Rehearsal, status: BatchStatusView, callbacks: Mapping[str, set[str]]) -> Outcome:
    """What was counted; ``callbacks`` are the ids of the callback events that were heard of each request.

    An event may be heard twice, with the same id: a request with two callbacks has two ids.
    """
    async with stage.books(stage.assessment) as assessment, stage.books(stage.provider) as provider:
        requests = [row[0] for row in await provider.fetch(_REQUESTS)]
        lost = [
            await assessment.fetchval(_LOST_COMPARISONS),
            await assessment.fetchval(_LOST_MESSAGES),
            await provider.fetchval(_LOST_MESSAGES),
            sum(request not in callbacks for request in requests),
            COMPARISONS - status.progress.comparisons_judged,
        ]
        twice = [
            await assessment.fetchval(_COUNTED_TWICE),
            sum(len(events) - 1 for events in callbacks.values()),
        ]
        result = await assessment.fetchval("SELECT result FROM assessment_batch")
    essays = json.loads(result)["essay_results"] if result else []
    return Outcome(
        status=status,
        ranking=[(essay["essay_id"], essay["bt_score"]) for essay in essays],
        lost=sum(lost),
        twice=sum(twice),
    )


async def _callbacks(kafka: str, *, name: str) -> dict[str, set[str]]:
    heard: dict[str, set[str]] = {}
    topic = re.escape(f"{name}.{Topic.LLM_COMPARISON_RESULT}")
    for value in await messages(kafka, topics=topic):
        event = parse_envelope(value, LLMComparisonResultV1)
        heard.setdefault(event.data.request_id, set()).add(str(event.event_id))
    return heard


async def compare(folder: Path, *, kills: int) -> tuple[Outcome, Outcome, int]:
    """The undisturbed run, the disturbed one, and the kills that hit."""
    assignment = generated_essays(ESSAYS)
    write_qualities(assignment, folder / "qualities.toml")
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        console.print("the batch undisturbed …", style="dim")
        quiet, _ = await judge_once(
            postgres, kafka.bootstrap, name="quiet", folder=folder, assignment=assignment, kills=0
        )
        console.print(f"the batch with {kills} kills of each service …", style="dim", highlight=False)
        killed, hits = await judge_once(
            postgres, kafka.bootstrap, name="killed", folder=folder, assignment=assignment, kills=kills
        )
    return quiet, killed, hits


def main(kills: int = KILLS_EACH) -> None:
    """Judge one batch in peace and one under fire; exit code 1 unless they come to the same."""
    stamina.instrumentation.set_on_retry_hooks([])  # that a killed service is away is no news here
    with tempfile.TemporaryDirectory(prefix="cj-chaos-") as folder:
        quiet, killed, hits = asyncio.run(compare(Path(folder), kills=kills))
    same = quiet.ranking == killed.ranking and killed.ranking != []
    print(f"kills={hits} lost={killed.lost} twice={killed.twice} same_ranking={'yes' if same else 'no'}")
    ended = killed.status.state is AssessmentState.COMPLETED
    if not (same and ended and killed.lost == killed.twice == 0):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
