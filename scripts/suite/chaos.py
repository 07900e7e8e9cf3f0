"""Kills the services repeatedly while they work on one batch, and counts what was lost or counted twice.

The same simulated judge judges the same batch twice: once undisturbed, once while each service is ended with SIGKILL at
random times and started again. Nothing may be lost, nothing counted twice, and both rankings must be equal.
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
from batch_runner.assignment.contents import Assignment
from batch_runner.running.execution import RunOptions
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
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.deployment import Deployment, make_deployment, running
from suite.processes.service_process import ServiceProcess
from suite.processes.topics import published_messages

ESSAYS = 50
COMPARISONS = 500
KILLS_EACH = 50
LONGEST_LIFE_SECONDS = 1.2
BATCH_ID = "chaos"

# Calls are slow enough that the batch outlasts the kills, and leases short enough that interrupted work is resumed
# soon. Stragglers are waited for, because the ranking must not depend on the order of answers.
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
    """How a batch ended, its ranking, and how many comparisons and callbacks were lost or counted twice."""

    status: BatchStatusView
    ranking: list[tuple[str, float]]
    lost: int
    twice: int


async def judge_once(
    postgres: PostgresServer, kafka: str, *, name: str, folder: Path, assignment: Assignment, kills: int
) -> tuple[Outcome, int]:
    """Judge the batch while each service is killed up to ``kills`` times; returns the outcome and the kills."""
    deployment = make_deployment(
        postgres,
        kafka,
        name=name,
        folder=folder,
        qualities=folder / "qualities.toml",
        assessment=ASSESSMENT,
        provider=PROVIDER,
    )
    options = RunOptions(batch_id=BATCH_ID, max_comparisons=COMPARISONS, target_reliability=0.9999)
    async with running(deployment):
        await send_batch(deployment.assessment.url, assignment, options)
        batch = asyncio.create_task(wait_until_ended(deployment.assessment.url, BATCH_ID))
        hits = 0
        if kills:
            services = (deployment.assessment, deployment.provider)
            hits = sum(await asyncio.gather(*(_kill_repeatedly(each, kills, batch) for each in services)))
        status = await batch
        return await _outcome(deployment, status, await _callbacks(kafka, name=name)), hits


async def _kill_repeatedly(service: ServiceProcess, kills: int, batch: asyncio.Task[BatchStatusView]) -> int:
    """Kill a service at random times until the batch has ended; returns the number of kills."""
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


async def _outcome(
    deployment: Deployment, status: BatchStatusView, callbacks: Mapping[str, set[str]]
) -> Outcome:
    """What was counted; ``callbacks`` are the ids of the callback events received for each request.

    An event may be received twice, with the same id: a request with two callbacks has two ids.
    """
    async with (
        deployment.database(deployment.assessment) as assessment,
        deployment.database(deployment.provider) as provider,
    ):
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
    received: dict[str, set[str]] = {}
    topic = re.escape(f"{name}.{Topic.LLM_COMPARISON_RESULT}")
    for value in await published_messages(kafka, topics=topic):
        event = parse_envelope(value, LLMComparisonResultV1)
        received.setdefault(event.data.request_id, set()).add(str(event.event_id))
    return received


async def compare(folder: Path, *, kills: int) -> tuple[Outcome, Outcome, int]:
    """The undisturbed run, the disturbed one, and the number of kills in it."""
    assignment = generated_essays(ESSAYS)
    write_qualities(assignment, folder / "qualities.toml")
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        console.print("judging undisturbed …", style="dim")
        quiet, _ = await judge_once(
            postgres, kafka.bootstrap, name="quiet", folder=folder, assignment=assignment, kills=0
        )
        console.print(f"judging with {kills} kills of each service …", style="dim", highlight=False)
        killed, hits = await judge_once(
            postgres, kafka.bootstrap, name="killed", folder=folder, assignment=assignment, kills=kills
        )
    return quiet, killed, hits


def main(kills: int = KILLS_EACH) -> None:
    """Judge the batch undisturbed and with kills; exit code 1 unless both end the same."""
    stamina.instrumentation.set_on_retry_hooks([])  # a killed service is expected to be down
    with tempfile.TemporaryDirectory(prefix="cj-chaos-") as folder:
        quiet, killed, hits = asyncio.run(compare(Path(folder), kills=kills))
    same = quiet.ranking == killed.ranking and killed.ranking != []
    print(f"kills={hits} lost={killed.lost} twice={killed.twice} same_ranking={'yes' if same else 'no'}")
    ended = killed.status.state is AssessmentState.COMPLETED
    if not (same and ended and killed.lost == killed.twice == 0):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
