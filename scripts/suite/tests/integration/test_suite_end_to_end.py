"""The whole suite on published data: over real Kafka and PostgreSQL, both services as processes."""

import asyncio
import csv
import gzip
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from batch_runner.assignment.contents import Assignment, StudentEssay
from batch_runner.running.execution import follow, upload
from batch_runner.running.request import RunOptions, assessment_request
from batch_runner.wire.client import AssessmentClient
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    BatchStatusView,
    CourseCode,
    StopReason,
    text_sha256,
)
from scipy.stats import spearmanr
from suite.embedded.postgres import PostgresServer
from suite.installed import PACKAGES
from suite.processes.pair import ServicePair, make_pair, running
from suite.processes.tokens import OwnToken

pytestmark = pytest.mark.slow

ESSAYS = 60
BUDGET_PER_ESSAY = 30
TOPIC = "T29"


@pytest.fixture
def pair_name() -> str:
    return f"e2e{uuid4().hex[:8]}"


MakePair = Callable[..., ServicePair]


@pytest.fixture
def pair_with(
    postgres_server: PostgresServer, kafka_bootstrap: str, pair_name: str, tmp_path: Path
) -> Iterator[MakePair]:
    """``pair_with(qualities=…, provider=…)`` makes a pair of services; its databases are dropped afterwards."""

    def make(*, qualities: Path, provider: dict[str, str]) -> ServicePair:
        return make_pair(
            postgres_server,
            kafka_bootstrap,
            name=pair_name,
            folder=tmp_path,
            qualities=qualities,
            provider=provider,
            assessment={"default_provider": "replay"} if "replay_file" in provider else {},
        )

    yield make
    for service in PACKAGES:
        postgres_server.drop_database(f"{pair_name}_{service}")


async def assess(
    pair: ServicePair, assignment: Assignment, options: RunOptions
) -> tuple[BatchStatusView, AssessmentResultV1, float]:
    async with httpx2.AsyncClient(timeout=30, auth=OwnToken()) as http, asyncio.timeout(300):
        client = AssessmentClient(http=http, base_url=pair.assessment.url)
        texts = await upload(client, assignment)
        started = time.perf_counter()
        await client.start(assessment_request(assignment, texts, options))
        async for status in follow(client, options.batch_id):
            last = status
        return last, (await client.results(options.batch_id)).result, time.perf_counter() - started


def scores(result: AssessmentResultV1) -> dict[str, float]:
    return {essay.essay_id: essay.bt_score for essay in result.essay_results}


async def test_sixty_real_essays_are_ranked_as_they_were_written(
    pair_with: MakePair, validation_data: Path, tmp_path: Path
) -> None:
    with (validation_data / "graded_essays/samples1000.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:: 1000 // ESSAYS][:ESSAYS]
    truth = {row["ID"]: float(row["theta_true"]) for row in rows}
    qualities = tmp_path / "qualities.toml"
    lines = [f'"{text_sha256(row["text"])}" = {truth[row["ID"]]}' for row in rows]
    qualities.write_text("\n".join(["[quality]", *lines]), encoding="utf-8")
    assignment = Assignment(
        title="Graded essays",
        course_code=CourseCode.ENG5,
        language="en",
        essays=tuple(StudentEssay(essay_id=row["ID"], text=row["text"]) for row in rows),
    )

    async with running(pair_with(qualities=qualities, provider={"concurrency": "64"})) as pair:
        status, result, seconds = await assess(pair, assignment, RunOptions(label="graded-essays"))

    found = scores(result)
    agreement = spearmanr([found[name] for name in truth], list(truth.values())).statistic
    reliability = result.assessment_metadata.reliability
    judged = status.progress.comparisons_judged
    print(f"graded essays: {judged} comparisons in {seconds:.1f} s, {judged / seconds:.0f} per second")
    assert status.state is AssessmentState.COMPLETED
    assert status.stop_reason is StopReason.TARGET_REACHED
    assert agreement >= 0.95
    assert reliability.eb is not None
    assert reliability.eb >= 0.90
    assert judged < 0.8 * BUDGET_PER_ESSAY * ESSAYS / 2


async def test_real_peoples_decisions_replayed_give_their_published_ranking(
    pair_with: MakePair, validation_data: Path, tmp_path: Path
) -> None:
    folder = validation_data / "argument_judgements"
    with (folder / "arguments.csv").open(encoding="utf-8") as file:
        topics: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in csv.DictReader(file):
            topics[row["topic_code"]].append(row)
    arguments = topics[TOPIC]
    texts = {row["id"]: row["text"] for row in arguments}
    recorded = tmp_path / "decisions.jsonl"
    recorded.write_text("\n".join(replayable(folder / "decisions.csv.gz", TOPIC, texts)), encoding="utf-8")
    assignment = Assignment(
        title=TOPIC,
        course_code=CourseCode.ENG5,
        language="en",
        essays=tuple(StudentEssay(essay_id=name, text=text) for name, text in texts.items()),
    )
    empty = tmp_path / "qualities.toml"
    empty.write_text("[quality]\n", encoding="utf-8")

    async with running(pair_with(qualities=empty, provider={"replay_file": str(recorded)})) as pair:
        status, result, _ = await assess(pair, assignment, RunOptions(label="arguments"))

    found = scores(result)
    published = {row["id"]: float(row["rank_score"]) for row in arguments}
    known = [name for name in published if name in found]
    # The published score is a rank: the lower, the more convincing.
    agreement = -spearmanr([found[name] for name in known], [published[name] for name in known]).statistic
    print(f"arguments: {status.progress.comparisons_judged} comparisons, rho={agreement:.3f}")
    assert len(known) == len(published)
    assert agreement >= 0.90


def replayable(path: Path, topic: str, texts: dict[str, str]) -> Iterator[str]:
    """People's decisions as the replaying judge reads them; ties are not votes."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["topic_code"] == topic and row["value"] in ("a1", "a2"):
                pair = {"a": text_sha256(texts[row["a1"]]), "b": text_sha256(texts[row["a2"]])}
                yield json.dumps({**pair, "winner": "a" if row["value"] == "a1" else "b"})


def test_the_validation_data_has_what_these_tests_read(validation_data: Path) -> None:
    with (validation_data / "graded_essays/samples1000.csv").open(encoding="utf-8") as file:
        truths = [float(row["theta_true"]) for row in csv.DictReader(file)]

    assert len(truths) == 1000
    assert statistics.stdev(truths) > 0.5
