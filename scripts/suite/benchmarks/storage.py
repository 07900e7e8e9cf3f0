"""What a comparison leaves behind: rows and bytes in each database, and bytes on the broker.

One batch is judged through both services, Kafka and PostgreSQL; what the databases have grown by, indexes and all, is
divided by the comparisons. Prompts hold two essays each, so the essays are as long as pupils' essays are.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from batch_runner.running.request import RunOptions

from suite.benchmarks.page import write_section
from suite.embedded.kafka import throwaway_kafka
from suite.embedded.postgres import throwaway_postgres
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.pair import ServicePair, make_pair, running
from suite.processes.topics import published_messages

ESSAYS: Final = 100
WORDS: Final = 400
COMPARISONS: Final = 2_000
_TABLES: Final = (
    "SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What one service's database holds: rows and bytes, indexes included."""

    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Storage:
    """What a batch of ``comparisons`` has left behind, by service, and on the broker."""

    comparisons: int
    essay_bytes: int
    databases: Mapping[str, Stored]
    messages: int
    message_bytes: int


async def measure(folder: Path) -> Storage:
    """Judge one batch, and look at what it has left."""
    assignment = generated_essays(ESSAYS, words=WORDS)
    qualities = write_qualities(assignment, folder / "qualities.toml")
    with throwaway_postgres() as postgres, throwaway_kafka() as kafka:
        pair = make_pair(postgres, kafka.bootstrap, name="storage", folder=folder, qualities=qualities)
        async with running(pair):
            before = await _databases(pair)
            options = RunOptions(label="storage", max_comparisons=COMPARISONS, target_reliability=0.9999)
            await send_batch(pair.assessment.url, assignment, options)
            status = await wait_until_ended(pair.assessment.url, options.batch_id)
            after = await _databases(pair)
        published = await published_messages(kafka.bootstrap, topics=r"storage\..*")
    return Storage(
        comparisons=status.progress.comparisons_judged,
        essay_bytes=sum(len(essay.text.encode()) for essay in assignment.essays) // ESSAYS,
        databases={
            name: Stored(
                rows=after[name].rows - before[name].rows, bytes=after[name].bytes - before[name].bytes
            )
            for name in after
        },
        messages=len(published),
        message_bytes=sum(map(len, published)),
    )


async def _databases(pair: ServicePair) -> dict[str, Stored]:
    found = {}
    for name, service in (("CJ Assessment", pair.assessment), ("LLM Provider", pair.provider)):
        async with pair.database(service) as database:
            found[name] = await _stored(database)
    return found


async def _stored(database: asyncpg.Connection) -> Stored:
    tables = await database.fetch(_TABLES)
    rows = [await database.fetchval(f'SELECT count(*) FROM "{table["relname"]}"') for table in tables]
    return Stored(rows=sum(rows), bytes=sum(table["bytes"] for table in tables))


def section(storage: Storage) -> str:
    """The section of the page of figures; its last line is read by ``suite.scaling``."""
    judged = storage.comparisons
    table = [
        f"| {name} | {stored.rows / judged:.2f} | {stored.bytes / judged:.0f} |"
        for name, stored in storage.databases.items()
    ]
    rows = sum(stored.rows for stored in storage.databases.values()) / judged
    size = sum(stored.bytes for stored in storage.databases.values()) / judged
    return "\n".join(
        [
            "<!-- storage: written by make bench-storage -->",
            "## Storage",
            "",
            f"`make bench-storage`: what {judged} comparisons of {ESSAYS} essays of"
            f" {storage.essay_bytes} bytes leave behind, indexes included, before any retention: prompts go after"
            " seven days, reasons after ninety.",
            "",
            "| per comparison | rows | bytes |",
            "|---|--:|--:|",
            *table,
            f"| Kafka (messages) | {storage.messages / judged:.2f} | {storage.message_bytes / judged:.0f} |",
            "",
            f"`rows={rows:.2f} bytes={size:.0f} messages={storage.messages / judged:.2f}"
            f" message_bytes={storage.message_bytes / judged:.0f} essay_bytes={storage.essay_bytes}`",
            "<!-- storage: end -->",
        ]
    )


def main() -> None:
    """Measure, write the section of the page, and print it."""
    with tempfile.TemporaryDirectory(prefix="cj-bench-") as folder:
        storage = asyncio.run(measure(Path(folder)))
    text = section(storage)
    write_section(text)
    print(text)


if __name__ == "__main__":
    main()
