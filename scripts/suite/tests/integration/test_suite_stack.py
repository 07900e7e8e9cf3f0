"""The embedded stack: it survives the death of its database, has one owner per folder, and leaves nothing behind."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx2
import pytest
from batch_runner.running.execution import follow, upload
from batch_runner.running.request import RunOptions, assessment_request
from batch_runner.wire.client import AssessmentClient
from event_contracts import AssessmentState, BatchStatusView, ExternalServiceError
from suite.processes.batches import generated_essays, write_qualities
from suite.tests.suite_process import WAIT_TIMEOUT_SECONDS, SuiteProcess, suite_process, wait_until
from suite_access import CallerToken

pytestmark = pytest.mark.slow

BATCH_UUID = uuid4()
BATCH = str(BATCH_UUID)
ESSAYS = 12
COMPARISONS = 60
LATENCY_MS = 200


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose name needs quoting everywhere; not pytest's own, which other users may not enter."""
    with TemporaryDirectory(prefix='cj "suite" $HOME é ') as path:
        yield Path(path)


@pytest.fixture(scope="module")
def suite(folder: Path) -> Iterator[SuiteProcess]:
    """A running suite that these tests share; its judge takes its time."""
    qualities = write_qualities(generated_essays(ESSAYS), folder / "qualities.toml")
    slow_judge = {
        "LLM_PROVIDER_SIMULATED_LATENCY_MS": str(LATENCY_MS),
        "LLM_PROVIDER_SIMULATED_QUALITY_FILE": str(qualities),
        "LLM_PROVIDER_CONCURRENCY": "2",
    }
    with suite_process(folder / "data", environment=slow_judge) as running:
        wait_until(running.is_ready, what="the suite is ready")
        yield running


async def started_batch(client: AssessmentClient) -> None:
    """Start a batch, and return when its first comparisons are judged."""
    assignment = generated_essays(ESSAYS)
    options = RunOptions(batch_uuid=BATCH_UUID, max_comparisons=COMPARISONS, target_reliability=0.9999)
    await client.start(assessment_request(assignment, await upload(client, assignment), options))
    async for status in follow(client, BATCH):
        if status.progress.comparisons_judged:
            return


async def final_status(client: AssessmentClient) -> BatchStatusView:
    """The batch's final status; a service whose database is unavailable is asked again."""
    while True:
        with suppress(ExternalServiceError):
            async for status in follow(client, BATCH):
                last = status
            return last
        await asyncio.sleep(0.2)


async def test_a_database_that_is_killed_is_started_again_and_the_batch_ends(suite: SuiteProcess) -> None:
    token = CallerToken(suite.addresses.cj_assessment, role="runner", folder=suite.data)
    async with httpx2.AsyncClient(auth=token) as http, asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        client = AssessmentClient(http=http, base_url=suite.addresses.cj_assessment)
        await started_batch(client)
        before = suite.postgres_pid
        assert before is not None

        os.kill(before, signal.SIGKILL)
        status = await final_status(client)

    assert status.state is AssessmentState.COMPLETED
    assert status.progress.comparisons_judged == COMPARISONS
    assert suite.postgres_pid not in (None, before)
    assert "postgres.restarted" in suite.log


def test_a_second_suite_on_the_same_folder_is_refused_and_changes_nothing(suite: SuiteProcess) -> None:
    log_before = suite.log

    second = subprocess.run(
        [sys.executable, "-m", "suite.main", "up", "--data", str(suite.data)],
        capture_output=True,
        text=True,
        timeout=WAIT_TIMEOUT_SECONDS,
        check=False,
    )

    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == (
        f"CONFIGURATION_ERROR {suite.data} is in use by process {suite.process.pid}: stop that one, or choose"
        " another folder with --data\n"
    )
    assert suite.log.startswith(log_before)
    wait_until(suite.is_ready, what="the first suite still works")


def test_a_closed_terminal_leaves_nothing_running_and_the_next_start_appends_to_the_log() -> None:
    with TemporaryDirectory(prefix="cj-suite-") as path:
        data = Path(path) / "data"
        with suite_process(data) as first:
            wait_until(first.is_ready, what="the suite is ready")
            code = first.end(signal.SIGHUP)
            first_log, first_output = first.log, first.output

        with suite_process(data) as second:
            wait_until(lambda: second.log.count("stack.starting") == 2, what="the next start logs")
            assert second.end(signal.SIGTERM) == 128 + signal.SIGTERM

        assert code == 128 + signal.SIGHUP
        assert first_output.endswith("Ctrl-C stops everything\nstopped\n")
        assert second.log.startswith(first_log)


def test_a_stop_while_the_database_cannot_be_started_again_ends_without_a_traceback() -> None:
    with TemporaryDirectory(prefix="cj-suite-") as path, suite_process(Path(path) / "data") as suite:
        wait_until(suite.is_ready, what="the suite is ready")
        assert suite.postgres_pid is not None
        postgres = suite.postgres_pid
        shutil.move(suite.data / "postgres", suite.data / "elsewhere")
        os.kill(postgres, signal.SIGKILL)
        wait_until(lambda: "postgres.died" in suite.log, what="the death is noticed")

        code = suite.end(signal.SIGTERM)

        assert code == 128 + signal.SIGTERM
        assert suite.output.endswith("Ctrl-C stops everything\nstopped\n")


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT)])
def test_a_signal_during_start_up_leaves_nothing_running(signals: tuple[signal.Signals, ...]) -> None:
    with TemporaryDirectory(prefix="cj-suite-") as path, suite_process(Path(path) / "data") as suite:
        wait_until(lambda: any(suite.data.glob("postgres*")), what="the database is being set up")
        for number in signals[:-1]:
            suite.process.send_signal(number)

        code = suite.end(signals[-1])

        assert code == 128 + signals[0]
        assert suite.output == "stopped\n"
