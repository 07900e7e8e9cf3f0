"""A suite is backed up while it judges, and goes on from the back-up as if it had been stopped at that moment."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import httpx2
import orjson
import pytest
from batch_runner.running.execution import follow
from batch_runner.running.request import RunOptions
from batch_runner.wire.client import AssessmentClient
from event_contracts import AssessmentState, Topic
from service_kit.tests.waiting import read_until
from suite.embedded.back_up import back_up
from suite.embedded.errors import BackUpFailed, DataFolderUnusable
from suite.embedded.postgres import PostgresServer, embedded_postgres, plain_connection
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.service_process import ServiceProcess
from suite.processes.tokens import OwnToken
from suite.processes.topics import published_messages
from suite.tests.replicas import replica

pytestmark = pytest.mark.slow

COMPARISONS: Final = 60
ESSAYS: Final = generated_essays(16)
# At two seconds a call, three at a time, the batch takes 40 s where nothing is ended: far longer than a back-up.
SLOW: Final = {"simulated_latency_ms": "2000", "concurrency": "3"}
FAST: Final = {"simulated_latency_ms": "20"}
FIRST: Final = 5
JUDGE: Final = {"simulated_states_margin": "false", "lease_duration": "PT5S"}
# Every comparison is waited for: those that were under way at the back-up are begun anew when their leases are over.
WAITS: Final = {"straggler_timeout": "PT1H", "default_provider": "mock"}

JUDGED: Final = """
    SELECT comparison.id, slot_a, slot_b, a_won, comparison.attempts, judged_at, attempt.id AS attempt, attempt.number,
        attempt.ended_at
    FROM comparison JOIN comparison_attempt AS attempt ON comparison_id = comparison.id
    WHERE state = 'judged' ORDER BY attempt.id
"""
ANSWERED_TWICE: Final = """
    SELECT comparison_id FROM comparison_attempt WHERE outcome = 'answered' GROUP BY 1 HAVING count(*) > 1
"""
CALLS: Final = """
    SELECT idempotency_key, attempt, call.started_at FROM provider_call AS call
    JOIN judge_request AS request ON request.id = request_id ORDER BY 1, 2
"""


@dataclass
class Suite:
    """The services of one suite, on whatever server its databases are on at the moment."""

    kafka: str
    folder: Path
    name: str = field(default_factory=lambda: f"backup{uuid4().hex[:8]}")
    options: RunOptions = field(
        default_factory=lambda: RunOptions(
            batch_uuid=uuid4(), max_comparisons=COMPARISONS, target_reliability=0.9999
        )
    )
    _starts: int = 0

    @asynccontextmanager
    async def running(self, postgres: PostgresServer, *, pace: dict[str, str]) -> AsyncIterator[str]:
        """Run the services on a server, with a judge of that pace; yields the URL of CJ Assessment.

        They are killed in the end.
        """
        self._starts += 1
        qualities = write_qualities(ESSAYS, self.folder / "qualities.toml")
        judge = self._service(
            postgres, "llm_provider", {**JUDGE, **pace, "simulated_quality_file": str(qualities)}
        )
        assessment = self._service(postgres, "cj_assessment", {**WAITS, "llm_provider_url": judge.url})
        services = (judge, assessment, self._service(postgres, "batch_conductor", {}))
        try:
            await asyncio.gather(*(one.start() for one in services))
            yield assessment.url
        finally:
            await asyncio.gather(*(one.kill() for one in services))

    def _service(self, postgres: PostgresServer, package: str, settings: dict[str, str]) -> ServiceProcess:
        return replica(
            package,
            postgres,
            self.kafka,
            name=self.name,
            folder=self.folder,
            settings=settings,
            number=self._starts,
        )

    async def rows(self, postgres: PostgresServer, package: str, query: str) -> list[dict[str, Any]]:
        """What a service's database answers."""
        async with plain_connection(postgres.url_for(f"{self.name}_{package}")) as connection:
            return [dict(row) for row in await connection.fetch(query)]

    async def judged(self, url: str, *, more_than: int) -> int:
        """Wait until more comparisons are judged than so many; returns how many are."""
        async with httpx2.AsyncClient(timeout=30, auth=OwnToken()) as http:
            async for status in follow(AssessmentClient(http=http, base_url=url), self.options.batch_id):
                if status.progress.comparisons_judged > more_than:
                    return status.progress.comparisons_judged
        raise AssertionError("the batch ended before it was backed up: let its judge be slower")

    async def until_sent(self, postgres: PostgresServer) -> None:
        """Wait until CJ Assessment has sent all that it announces: a batch has ended a moment before."""
        await read_until(
            lambda: self.rows(postgres, "cj_assessment", "SELECT 1 FROM outbox"),
            holds=lambda unsent: not unsent,
            what="everything is sent",
        )

    async def results(self) -> int:
        """How often the batch's result was published."""
        topics = re.escape(f"{self.name}.{Topic.ASSESSMENT_RESULT_PUBLISHED}")
        messages = [orjson.loads(value) for value in await published_messages(self.kafka, topics=topics)]
        return len([one for one in messages if one["data"]["batch_id"] == self.options.batch_id])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own, which the server's user may not enter."""
    with TemporaryDirectory(prefix="cj-backup-", ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o755)
        yield Path(path)


async def test_a_batch_goes_on_from_a_back_up_that_was_made_while_it_was_judged(
    kafka_bootstrap: str, folder: Path
) -> None:
    suite = Suite(kafka=kafka_bootstrap, folder=folder)
    copy = folder / "copy"

    with embedded_postgres(folder / "data", throwaway=True) as postgres:
        async with suite.running(postgres, pace=SLOW) as url:
            await send_batch(url, ESSAYS, suite.options)
            await suite.judged(url, more_than=FIRST)
            await asyncio.to_thread(back_up, folder / "data", copy)
            at_back_up = len(await suite.rows(postgres, "cj_assessment", JUDGED))
            await suite.judged(url, more_than=at_back_up)

    with embedded_postgres(copy, throwaway=True) as restored:
        kept = await suite.rows(restored, "cj_assessment", JUDGED)
        paid = await suite.rows(restored, "llm_provider", CALLS)
        async with suite.running(restored, pace=FAST) as url:
            ended = await wait_until_ended(url, suite.options.batch_id)
            await suite.until_sent(restored)
        judged = await suite.rows(restored, "cj_assessment", JUDGED)
        calls = await suite.rows(restored, "llm_provider", CALLS)
        twice = await suite.rows(restored, "cj_assessment", ANSWERED_TWICE)

    assert FIRST < len(kept) < COMPARISONS
    assert ended.state is AssessmentState.COMPLETED
    assert ended.progress.comparisons_judged == COMPARISONS == len({row["id"] for row in judged})
    assert twice == []
    keys = {str(row["attempt"]) for row in kept}
    assert [row for row in judged if str(row["attempt"]) in keys] == kept
    answered = {row["idempotency_key"] for row in paid}
    assert keys <= answered, "the databases are not of one moment"
    assert [row for row in calls if row["idempotency_key"] in answered] == paid
    assert await suite.results() == 1


async def test_a_back_up_replaces_nothing_and_needs_a_server_that_runs(folder: Path) -> None:
    (folder / "there").mkdir()

    with pytest.raises(DataFolderUnusable, match="holds no database"):
        back_up(folder / "nothing", folder / "copy")
    with (
        embedded_postgres(folder / "data", throwaway=True),
        pytest.raises(BackUpFailed, match="exists already: choose another folder"),
    ):
        back_up(folder / "data", folder / "there")
    with pytest.raises(DataFolderUnusable, match=r"no PostgreSQL runs on .*: start the suite"):
        back_up(folder / "data", folder / "copy")
    assert not (folder / "copy").exists()
