"""Runs of the sample assignment against real services: over each transport, and interrupted again and again."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from batch_runner.artefact.assessment_run import AssessmentRun
from batch_runner.artefact.verifying import read_artefact, verify
from suite.embedded.postgres import PostgresServer
from suite.installed import PACKAGES
from suite.processes.pair import ServicePair, make_pair, running
from suite.processes.tokens import own_token
from suite_access import TOKEN_VARIABLE

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

SAMPLE = Path(__file__).parents[2] / "sample_assignment"
WAIT_TIMEOUT_SECONDS = 300
COMPARISONS = 90
INTERRUPTIONS = 5
WAIT_FOR_ALL = {"straggler_timeout": "PT10M", "min_straggler_timeout": "PT10M"}
"""A round that goes on without its last answers plans other pairs: how many were late depends on the machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(
    postgres_server: PostgresServer, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServicePair]:
    name, folder = f"runs{uuid4().hex[:8]}", tmp_path_factory.mktemp("services")
    empty = folder / "qualities.toml"
    empty.write_text("[quality]\n", encoding="utf-8")
    made = make_pair(
        postgres_server, kafka_bootstrap, name=name, folder=folder, qualities=empty, assessment=WAIT_FOR_ALL
    )
    async with running(made):
        yield made
    for service in PACKAGES:
        postgres_server.drop_database(f"{name}_{service}")


def started(out: Path, *options: str) -> "subprocess.Popen[str]":
    """cj-run execute as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "batch_runner.main", "execute", "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ({} if "embedded" in options else {TOKEN_VARIABLE: own_token()}),
    )


async def executed(out: Path, *options: str) -> AssessmentRun:
    """A run to its end, verified."""
    process = started(out, str(SAMPLE), "--max-comparisons", str(COMPARISONS), *options)
    said, _ = await asyncio.to_thread(process.communicate, timeout=WAIT_TIMEOUT_SECONDS)
    assert process.returncode == 0, said
    return verified(run_folder(out))


def run_folder(out: Path) -> Path:
    return next(path for path in out.iterdir() if path.is_dir() and not path.name.startswith("."))


def verified(folder: Path) -> AssessmentRun:
    assert [check for check in verify(folder) if check.problems] == []
    run = read_artefact(folder)
    assert [flag for flag in run.flags if flag.kind == "score_differs"] == [], (
        "the record gives what was published"
    )
    return run


def ranking(run: AssessmentRun) -> list[tuple[str, int, float]]:
    return [(score.essay_id, score.rank, round(score.theta, 6)) for score in run.bt_summary]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def over_http(pair: ServicePair, tmp_path_factory: pytest.TempPathFactory) -> AssessmentRun:
    """A run that nothing interrupts."""
    return await executed(tmp_path_factory.mktemp("http"), "--url", pair.assessment.url)


async def test_every_transport_gives_the_same_ranking(
    pair: ServicePair, over_http: AssessmentRun, kafka_bootstrap: str, tmp_path: Path
) -> None:
    url, prefix = pair.assessment.url, pair.assessment.settings["kafka_topic_prefix"]
    over_kafka = (
        "--transport",
        "kafka",
        "--kafka-bootstrap",
        kafka_bootstrap,
        "--kafka-topic-prefix",
        prefix,
    )

    kafka = await executed(tmp_path / "kafka", "--url", url, *over_kafka)
    embedded = await executed(tmp_path / "embedded", "--transport", "embedded")

    assert ranking(over_http) == ranking(kafka) == ranking(embedded)
    assert not (tmp_path / "embedded" / ".embedded").exists()
    observed = kafka.validation.runner_status.observed_events
    assert observed.llm_comparisons == len(kafka.llm_comparisons) == COMPARISONS
    assert (observed.assessment_results, observed.completions) == (1, 1)
    kept = run_folder(tmp_path / "kafka") / "events"
    assert len(list((kept / "comparisons").iterdir())) == COMPARISONS


async def test_a_run_that_is_interrupted_again_and_again_ends_as_one_that_is_not_and_pays_nothing_twice(
    pair: ServicePair, over_http: AssessmentRun, tmp_path: Path
) -> None:
    url, out, seeded = pair.assessment.url, tmp_path / "broken", random.Random(1)
    paid_before = await calls(pair)

    options = [str(SAMPLE), "--max-comparisons", str(COMPARISONS), "--url", url]
    for _ in range(INTERRUPTIONS):
        process = started(out, *options)
        await asyncio.to_thread(until_a_run_is_kept, out)
        await asyncio.sleep(seeded.uniform(0, 1.0))
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.communicate, timeout=WAIT_TIMEOUT_SECONDS)
        options = ["--resume", str(run_folder(out))]
    process = started(out, *options)
    said, _ = await asyncio.to_thread(process.communicate, timeout=WAIT_TIMEOUT_SECONDS)

    assert process.returncode == 0, said
    resumed = verified(run_folder(out))
    assert len([path for path in out.iterdir() if path.is_dir()]) == 1
    assert ranking(resumed) == ranking(over_http)
    assert len(resumed.llm_comparisons) == COMPARISONS
    assert [each.attempts for each in resumed.llm_comparisons] == [1] * COMPARISONS
    assert await calls(pair) - paid_before == COMPARISONS
    events = (run_folder(out) / "events.ndjson").read_text(encoding="utf-8").splitlines()
    uploads = [event for event in map(json.loads, events) if event["event"] == "texts.uploaded"]
    assert len(uploads) <= 1


async def calls(pair: ServicePair) -> int:
    """How many calls of the judge are on the provider's books."""
    async with pair.database(pair.provider) as database:
        count: int = await database.fetchval("SELECT count(*) FROM provider_call")
    return count


def until_a_run_is_kept(out: Path) -> None:
    """Wait until a run can be resumed."""
    deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while not any(out.glob("*/run.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
