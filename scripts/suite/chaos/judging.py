"""One batch judged without faults and then with them, on the same servers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from batch_runner.assignment.contents import Assignment
from batch_runner.running.request import RunOptions
from rich.console import Console

from suite.chaos.clocks import SteppableClock
from suite.chaos.faults import FaultInjector, Faults
from suite.chaos.outcome import Outcome, count_outcome, received_callbacks
from suite.chaos.recovery import CONCURRENCY, Recovery
from suite.embedded.kafka import KafkaBroker, throwaway_kafka
from suite.embedded.postgres import PostgresServer, embedded_postgres
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.pair import make_pair, running

ESSAYS: Final = 50
BATCH_UUID: Final = UUID("c4a05c4a-05c4-4a05-8c4a-05c4a05c4a05")
MAX_SECONDS: Final = 3_600.0
"""A batch with faults that has not ended by then never will."""

# Calls are slow enough that the batch outlasts the kills, and leases short enough that interrupted work is resumed
# soon. Stragglers are waited for, because the ranking must not depend on the order of answers; and the judge states no
# margins, because a large round is planned without the answers that are late, as all are while a server is down.
PROVIDER: Final[Mapping[str, str]] = {
    "simulated_latency_ms": "250",
    "simulated_seed": "3",
    "simulated_states_margin": "false",
    "concurrency": str(CONCURRENCY),
    "call_timeout": "PT1S",
    "lease_duration": "PT2S",
}
ASSESSMENT: Final[Mapping[str, str]] = {"straggler_timeout": "PT1H", "kafka_instance_id": "chaos"}
"""A member of a fixed name has its partitions again as soon as it is back."""

console = Console()


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What both runs share: the servers, the batch, and the folder of logs."""

    postgres: PostgresServer
    postgres_data: Path
    kafka: KafkaBroker
    folder: Path
    assignment: Assignment
    comparisons: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A run: its outcome, how often services and servers were killed, and the times to recover in seconds."""

    outcome: Outcome
    kills: int
    recovery: Mapping[str, float]


async def judge_once(experiment: Experiment, *, name: str, faults: Faults) -> Judged:
    """Judge the batch; whatever fails in here, a fault or what watches them, fails the run."""
    kafka = experiment.kafka.bootstrap
    pair = make_pair(
        experiment.postgres,
        kafka,
        name=name,
        folder=experiment.folder,
        qualities=experiment.folder / "qualities.toml",
        assessment=ASSESSMENT,
        provider=PROVIDER,
    )
    clock = SteppableClock(experiment.folder / f"{name}-clock")
    clock.step(0)
    if faults.clock_steps:
        for service in (pair.assessment, pair.provider):
            service.environment = clock.environment
    options = RunOptions(
        batch_uuid=BATCH_UUID, max_comparisons=experiment.comparisons, target_reliability=0.9999
    )
    url = pair.assessment.url
    async with running(pair):
        await send_batch(url, experiment.assignment, options)
        recovery = Recovery()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(recovery.watch(pair))
            batch = group.create_task(wait_until_ended(url, options.batch_id, seconds=MAX_SECONDS))
            injector = FaultInjector(
                pair=pair,
                postgres_data=experiment.postgres_data,
                kafka=experiment.kafka,
                clock=clock,
                batch=batch,
                recovery=recovery,
            )
            tasks = [group.create_task(task) for task in injector.tasks(faults)]
            await asyncio.wait((batch, *tasks))
            watching.cancel()
        callbacks = await received_callbacks(kafka, name=name)
        return Judged(
            outcome=await count_outcome(pair, batch.result(), callbacks, comparisons=experiment.comparisons),
            kills=sum(task.result() for task in tasks),
            recovery=recovery.longest(),
        )


async def compare(folder: Path, *, comparisons: int, faults: Faults) -> tuple[Judged, Judged]:
    """The run without faults and the one with them."""
    assignment = generated_essays(ESSAYS)
    write_qualities(assignment, folder / "qualities.toml")
    data = folder / "postgres"
    # A durable server: one that forgets commits when it is killed would lose things by itself.
    with embedded_postgres(data) as postgres, throwaway_kafka() as kafka:
        experiment = Experiment(
            postgres=postgres,
            postgres_data=data,
            kafka=kafka,
            folder=folder,
            assignment=assignment,
            comparisons=comparisons,
        )
        console.print("judging without faults …", style="dim")
        quiet = await judge_once(experiment, name="quiet", faults=Faults())
        console.print(f"judging with {faults} …", style="dim", highlight=False)
        return quiet, await judge_once(experiment, name="faults", faults=faults)
