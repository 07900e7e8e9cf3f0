"""Comparisons per second through both services, Kafka and PostgreSQL, compared with the bare servers.

Timed from the request, when the essays are stored, to the published result, after a small batch to warm up. The
baseline is what the same broker and database do without the services: as many messages as the run sent, of their mean
size, through bare aiokafka (produced and consumed), and as many rows as it wrote, inserted through bare asyncpg,
500 to a transaction, both concurrently.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from batch_runner.assignment.contents import Assignment
from batch_runner.running.request import RunOptions

from suite.benchmarks.page import write_section
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import PostgresServer, plain_connection, throwaway_postgres
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.pair import ServicePair, make_pair, running
from suite.processes.topics import published_messages

ESSAYS = 300
COMPARISONS_PER_ESSAY = 10
COMPARISONS = ESSAYS * COMPARISONS_PER_ESSAY
BATCH_SIZE = 500
WARM_UP_ESSAYS = 60
"""A batch before the measured one, which opens connections and prepares statements."""
SERVERS = {"postgres": "PostgreSQL", "java": "Kafka"}
ROWS_WRITTEN = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Messages sent, their mean size in bytes, and rows inserted, updated or deleted."""

    messages: int
    message_bytes: int
    rows: int

    def since(self, earlier: "Traffic") -> "Traffic":
        """The traffic since ``earlier``; the mean size is that of all messages."""
        return replace(self, messages=self.messages - earlier.messages, rows=self.rows - earlier.rows)


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Comparisons per second of the services and of the baseline, the traffic, and processor seconds by process."""

    services: float
    baseline: float
    traffic: Traffic
    processor_seconds: Mapping[str, float]


async def measure(folder: Path) -> Throughput:
    """Run the services, then the baseline with the same traffic."""
    assignment = generated_essays(ESSAYS)
    qualities = write_qualities(assignment, folder / "qualities.toml")
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        pair = make_pair(
            postgres,
            kafka.bootstrap,
            name="bench",
            folder=folder,
            qualities=qualities,
            provider={"concurrency": "256"},
        )
        async with running(pair):
            await _judge(pair, generated_essays(WARM_UP_ESSAYS, seed=8), comparisons=10 * WARM_UP_ESSAYS)
            earlier, before = await _traffic(pair, kafka.bootstrap), _processor_seconds(pair)
            judged, seconds = await _judge(pair, assignment, comparisons=COMPARISONS)
            used = {who: after - before[who] for who, after in _processor_seconds(pair).items()}
        traffic = (await _traffic(pair, kafka.bootstrap)).since(earlier)
        baseline = await _baseline_seconds(postgres, kafka.bootstrap, traffic)
    return Throughput(
        services=judged / seconds, baseline=judged / baseline, traffic=traffic, processor_seconds=used
    )


async def _judge(pair: ServicePair, assignment: Assignment, *, comparisons: int) -> tuple[int, float]:
    """Comparisons judged, and seconds from the request to the result."""
    options = RunOptions(label="bench", max_comparisons=comparisons, target_reliability=0.9999)
    started = await send_batch(pair.assessment.url, assignment, options)
    status = await wait_until_ended(pair.assessment.url, options.batch_id)
    return status.progress.comparisons_judged, time.perf_counter() - started


def _processor_seconds(pair: ServicePair) -> dict[str, float]:
    """Processor seconds so far of the services and of the servers."""
    services = {pair.assessment.pid: "CJ Assessment", pair.provider.pid: "LLM Provider"}
    used = dict.fromkeys((*services.values(), *SERVERS.values()), 0.0)
    for process in psutil.process_iter(["name"]):
        who = services.get(process.pid) or SERVERS.get(process.info["name"] or "")
        if who is not None:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[who] += times.user + times.system
    return used


async def _traffic(pair: ServicePair, kafka: str) -> Traffic:
    published = await published_messages(kafka, topics=r"bench\..*")
    rows = 0
    for service in (pair.assessment, pair.provider):
        async with pair.database(service) as database:
            rows += await database.fetchval(ROWS_WRITTEN)
    return Traffic(
        messages=len(published), message_bytes=sum(map(len, published)) // len(published), rows=rows
    )


async def _baseline_seconds(postgres: PostgresServer, bootstrap: str, traffic: Traffic) -> float:
    started = time.perf_counter()
    await asyncio.gather(_bare_kafka(bootstrap, traffic), _bare_postgres(postgres, traffic))
    return time.perf_counter() - started


async def _bare_kafka(bootstrap: str, traffic: Traffic) -> None:
    topic = f"baseline-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=6, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=256 * 1024
    )
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    value = b"x" * traffic.message_bytes
    reading = asyncio.create_task(_read(consumer, traffic.messages))
    for start in range(0, traffic.messages, BATCH_SIZE):
        count = min(BATCH_SIZE, traffic.messages - start)
        for acknowledged in [await producer.send(topic, value, key=b"%d" % n) for n in range(count)]:
            await acknowledged
    await reading
    await producer.stop()
    await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, messages: int) -> None:
    read = 0
    while read < messages:
        polled = await consumer.getmany(timeout_ms=250, max_records=BATCH_SIZE)
        read += sum(len(records) for records in polled.values())


async def _bare_postgres(postgres: PostgresServer, traffic: Traffic) -> None:
    body = b"x" * 500
    async with plain_connection(postgres.url) as connection:
        await connection.execute("CREATE TABLE baseline (id uuid PRIMARY KEY, number int, body bytea)")
        for start in range(0, traffic.rows, BATCH_SIZE):
            rows = [(uuid4(), number, body) for number in range(start, min(start + BATCH_SIZE, traffic.rows))]
            async with connection.transaction():
                await connection.executemany("INSERT INTO baseline VALUES ($1, $2, $3)", rows)


def section(pace: Throughput) -> str:
    """The section of the page of figures."""
    traffic, used = pace.traffic, pace.processor_seconds
    table = [
        f"| {who} | {seconds:.1f} | {1000 * seconds / COMPARISONS:.2f} |" for who, seconds in used.items()
    ]
    return "\n".join(
        [
            "<!-- pipeline: written by make bench-pipeline -->",
            "## Pipeline",
            "",
            f"`make bench-pipeline`: {ESSAYS} essays, {COMPARISONS} comparisons by a simulated judge without latency,"
            f" through CJ Assessment, LLM Provider, Kafka and PostgreSQL on {os.cpu_count()} cores:"
            f" **{pace.services:.0f} comparisons per second**. The baseline of the same {traffic.messages} messages and"
            f" {traffic.rows} rows is {pace.baseline:.0f}, {pace.baseline / pace.services:.1f} times as many.",
            "",
            "| the essays' storing included | processor seconds | ms per comparison |",
            "|---|--:|--:|",
            *table,
            "<!-- pipeline: end -->",
        ]
    )


def main() -> None:
    """Measure, write the section of the page, and print; the last line has the figures."""
    with tempfile.TemporaryDirectory(prefix="cj-bench-") as folder:
        pace = asyncio.run(measure(Path(folder)))
    write_section(section(pace))
    traffic = pace.traffic
    print(
        f"{ESSAYS} essays, {COMPARISONS} comparisons: {traffic.messages} messages of {traffic.message_bytes} bytes,"
        f" {traffic.rows} rows written"
    )
    print(", ".join(f"{who} {seconds:.1f} s" for who, seconds in pace.processor_seconds.items()))
    print(
        f"comparisons_per_second={pace.services:.0f} floor_per_second={pace.baseline:.0f}"
        f" ratio={pace.baseline / pace.services:.2f}"
    )


if __name__ == "__main__":
    main()
