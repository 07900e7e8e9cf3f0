"""Kills the services and their servers while they work on one batch, and counts what was lost or counted twice.

The same simulated judge judges the same batch twice: once undisturbed, once while each service is ended with SIGKILL at
random times and started again. With options PostgreSQL is killed every so often, too, and the broker is frozen for a
while, which to its clients is a network that lets nothing through. Nothing may be lost, nothing counted twice, and both
rankings must be equal.
"""

import asyncio
import json
import os
import random
import re
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import stamina
import typer
from batch_runner.assignment.contents import Assignment
from batch_runner.running.request import RunOptions
from event_contracts import (
    AssessmentState,
    BatchStatusView,
    LLMComparisonResultV1,
    Topic,
    parse_envelope,
)
from rich.console import Console

from suite.embedded.kafka import KafkaBroker, throwaway_kafka
from suite.embedded.postgres import PostgresServer, embedded_postgres
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.deployment import Deployment, make_deployment, running
from suite.processes.service_process import ServiceProcess
from suite.processes.topics import published_messages

ESSAYS = 50
COMPARISONS = 500
KILLS_PER_SERVICE = 50
MAX_UPTIME_SECONDS = 1.2
POSTGRES_EVERY_SECONDS = 20.0
BATCH_UUID = UUID("c4a05c4a-05c4-4a05-8c4a-05c4a05c4a05")

# Calls are slow enough that the batch outlasts the kills, and leases short enough that interrupted work is resumed
# soon. Stragglers are waited for, because the ranking must not depend on the order of answers; and the judge states no
# margins, because a large round is planned without the answers that are late, as all are while a server is down.
PROVIDER = {
    "simulated_latency_ms": "250",
    "simulated_seed": "3",
    "simulated_states_margin": "false",
    "concurrency": "8",
    "call_timeout": "PT1S",
    "lease_duration": "PT2S",
}
ASSESSMENT = {"straggler_timeout": "PT1H"}

console = Console()


@dataclass(frozen=True, kw_only=True)
class Disturbances:
    """What happens during a run: kills of each service, kills of PostgreSQL and the time between them, and for how
    many seconds the broker is frozen.
    """

    kills: int = 0
    postgres_kills: int = 0
    postgres_every: float = POSTGRES_EVERY_SECONDS
    broker_frozen: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What the services run on."""

    postgres: PostgresServer
    postgres_data: Path
    kafka: KafkaBroker


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a batch ended, its ranking, and how many comparisons and callbacks were lost or counted twice."""

    status: BatchStatusView
    ranking: list[tuple[str, float]]
    lost: int
    twice: int


async def judge_once(
    servers: Servers, *, name: str, folder: Path, assignment: Assignment, disturbances: Disturbances
) -> tuple[Outcome, int]:
    """Judge the batch while services and servers are disturbed; returns the outcome and the kills of both."""
    kafka = servers.kafka.bootstrap
    deployment = make_deployment(
        servers.postgres,
        kafka,
        name=name,
        folder=folder,
        qualities=folder / "qualities.toml",
        assessment=ASSESSMENT,
        provider=PROVIDER,
    )
    options = RunOptions(batch_uuid=BATCH_UUID, max_comparisons=COMPARISONS, target_reliability=0.9999)
    async with running(deployment):
        await send_batch(deployment.assessment.url, assignment, options)
        batch = asyncio.create_task(wait_until_ended(deployment.assessment.url, options.batch_id))
        services = (deployment.assessment, deployment.provider) if disturbances.kills else ()
        hits = sum(
            await asyncio.gather(
                *(_kill_repeatedly(each, disturbances.kills, batch) for each in services),
                _kill_postgres(servers.postgres_data, disturbances, batch),
                _freeze_broker(servers.kafka, disturbances.broker_frozen),
            )
        )
        status = await batch
        return await _outcome(deployment, status, await _callbacks(kafka, name=name)), hits


async def _kill_repeatedly(service: ServiceProcess, kills: int, batch: asyncio.Task[BatchStatusView]) -> int:
    """Kill a service at random times until the batch has ended; returns the number of kills."""
    chance = random.Random(service.package)
    hits = 0
    while hits < kills and not batch.done():
        await asyncio.sleep(chance.uniform(0, MAX_UPTIME_SECONDS))
        await service.kill()
        hits += 1
        if hits % 10 == 0:
            console.print(f"{service.package}: killed {hits} times", style="dim", highlight=False)
        await service.start()
    return hits


async def _kill_postgres(data: Path, disturbances: Disturbances, batch: asyncio.Task[BatchStatusView]) -> int:
    """Kill PostgreSQL's first process, as a crash would; it is started again by itself. Returns the number of kills."""
    hits, killed = 0, None
    while hits < disturbances.postgres_kills and not batch.done():
        await asyncio.wait((batch,), timeout=disturbances.postgres_every)
        pid = _postmaster(data)
        if pid not in (None, killed) and not batch.done():
            os.kill(pid, signal.SIGKILL)
            hits, killed = hits + 1, pid
            console.print(f"postgres: killed {hits} times", style="dim", highlight=False)
    return hits


def _postmaster(data: Path) -> int | None:
    """The first process of the running server; None while it is being started again."""
    try:
        return int((data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


async def _freeze_broker(kafka: KafkaBroker, seconds: float) -> int:
    """Let the broker answer nothing for a while; no kill."""
    if seconds:
        os.kill(kafka.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(kafka.pid, signal.SIGCONT)
        console.print(f"broker: frozen for {seconds:g} s", style="dim", highlight=False)
    return 0


_LOST_COMPARISONS = "SELECT count(*) FROM comparison WHERE state <> 'judged'"
_REASONS = "SELECT state, error_code, count(*) FROM comparison WHERE state <> 'judged' GROUP BY 1, 2"
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
        lost = {
            "comparisons not judged": await assessment.fetchval(_LOST_COMPARISONS),
            "messages of CJ Assessment": await assessment.fetchval(_LOST_MESSAGES),
            "messages of the LLM Provider": await provider.fetchval(_LOST_MESSAGES),
            "requests without a callback": sum(request not in callbacks for request in requests),
            "comparisons short of the budget": COMPARISONS - status.progress.comparisons_judged,
        }
        reasons = [tuple(row) for row in await assessment.fetch(_REASONS)]
        twice = [
            await assessment.fetchval(_COUNTED_TWICE),
            sum(len(events) - 1 for events in callbacks.values()),
        ]
        result = await assessment.fetchval("SELECT result FROM assessment_batch")
    if any(lost.values()):
        console.print(lost, reasons, highlight=False)
    essays = json.loads(result)["essay_results"] if result else []
    return Outcome(
        status=status,
        ranking=[(essay["essay_id"], essay["bt_score"]) for essay in essays],
        lost=sum(lost.values()),
        twice=sum(twice),
    )


async def _callbacks(kafka: str, *, name: str) -> dict[str, set[str]]:
    received: dict[str, set[str]] = {}
    topic = re.escape(f"{name}.{Topic.LLM_COMPARISON_RESULT}")
    for value in await published_messages(kafka, topics=topic):
        event = parse_envelope(value, LLMComparisonResultV1)
        received.setdefault(event.data.request_id, set()).add(str(event.event_id))
    return received


async def compare(folder: Path, *, disturbances: Disturbances) -> tuple[Outcome, Outcome, int]:
    """The undisturbed run, the disturbed one, and the number of kills in it."""
    assignment = generated_essays(ESSAYS)
    write_qualities(assignment, folder / "qualities.toml")
    data = folder / "postgres"
    # A durable server: one that forgets commits when it is killed would lose things by itself.
    with embedded_postgres(data) as postgres, throwaway_kafka() as kafka:
        servers = Servers(postgres=postgres, postgres_data=data, kafka=kafka)
        console.print("judging undisturbed …", style="dim")
        quiet, _ = await judge_once(
            servers, name="quiet", folder=folder, assignment=assignment, disturbances=Disturbances()
        )
        console.print(f"judging with {disturbances} …", style="dim", highlight=False)
        disturbed, hits = await judge_once(
            servers, name="killed", folder=folder, assignment=assignment, disturbances=disturbances
        )
    return quiet, disturbed, hits


def main(
    kills: int = KILLS_PER_SERVICE,
    postgres_kills: int = 0,
    postgres_every: float = POSTGRES_EVERY_SECONDS,
    broker_frozen: float = 0.0,
) -> None:
    """Judge the batch undisturbed and disturbed; exit code 1 unless both end the same."""
    stamina.instrumentation.set_on_retry_hooks([])  # a killed service is expected to be down
    disturbances = Disturbances(
        kills=kills,
        postgres_kills=postgres_kills,
        postgres_every=postgres_every,
        broker_frozen=broker_frozen,
    )
    with tempfile.TemporaryDirectory(prefix="cj-chaos-", ignore_cleanup_errors=True) as folder:
        quiet, killed, hits = asyncio.run(compare(Path(folder), disturbances=disturbances))
    same = quiet.ranking == killed.ranking and killed.ranking != []
    print(f"kills={hits} lost={killed.lost} twice={killed.twice} same_ranking={'yes' if same else 'no'}")
    ended = killed.status.state is AssessmentState.COMPLETED
    if not (same and ended and killed.lost == killed.twice == 0):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
