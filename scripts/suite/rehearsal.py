"""A rehearsal: both services as processes on throwaway servers, and one batch of generated essays through them."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from batch_runner.assignment import Assignment, StudentEssay
from batch_runner.client import AssessmentClient
from batch_runner.execution import RunOptions, assessment_request, follow, upload
from event_contracts import BatchStatusView, CourseCode, text_sha256
from sqlalchemy import make_url

from suite.embedded.postgres import PostgresServer
from suite.processes import ServiceProcess, free_port, new_secret

WORDS = (
    "road",
    "people",
    "city",
    "because",
    "think",
    "often",
    "money",
    "quiet",
    "bus",
    "green",
    "safe",
    "change",
)


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """The two services, not yet started, and the servers that they use."""

    assessment: ServiceProcess
    provider: ServiceProcess

    async def start(self) -> None:
        """Start both and wait until they can work."""
        await asyncio.gather(self.assessment.start(), self.provider.start())

    async def stop(self) -> None:
        """Ask both to end."""
        await asyncio.gather(self.assessment.stop(), self.provider.stop())

    @asynccontextmanager
    async def books(self, service: ServiceProcess) -> AsyncIterator[asyncpg.Connection]:
        """A plain connection to a service's database, to look behind it."""
        url = make_url(service.settings["database_url"]).set(drivername="postgresql")
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        try:
            yield connection
        finally:
            await connection.close()


def rehearsal(
    postgres: PostgresServer,
    kafka: str,
    *,
    name: str,
    folder: Path,
    qualities: Path,
    assessment: Mapping[str, str] | None = None,
    provider: Mapping[str, str] | None = None,
) -> Rehearsal:
    """Services with databases and topics of their own, under ``name``; further settings as their references say."""
    secret = new_secret()
    common = {
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": f"{name}.",
        "callback_signing_secret": secret,
        "log_level": "warning",
    }
    gateway = ServiceProcess(
        package="llm_provider",
        port=free_port(),
        settings={
            **common,
            "database_url": postgres.url_for(f"{name}_llm_provider"),
            "simulated_quality_file": str(qualities),
            **(provider or {}),
        },
        log=folder / f"{name}-llm-provider.log",
    )
    service = ServiceProcess(
        package="cj_assessment",
        port=free_port(),
        settings={
            **common,
            "database_url": postgres.url_for(f"{name}_cj_assessment"),
            "llm_provider_url": gateway.url,
            "default_provider": "mock",
            **(assessment or {}),
        },
        log=folder / f"{name}-cj-assessment.log",
    )
    return Rehearsal(assessment=service, provider=gateway)


def generated_essays(count: int, *, words: int = 200, seed: int = 7) -> Assignment:
    """Essays of random words: enough for a judge who knows their quality by heart."""
    chance = random.Random(seed)
    return Assignment(
        title="Rehearsal",
        course_code=CourseCode.ENG5,
        language="en",
        essays=tuple(
            StudentEssay(
                essay_id=f"essay-{number:04}",
                text=f"{number} " + " ".join(chance.choice(WORDS) for _ in range(words)),
            )
            for number in range(count)
        ),
    )


def write_qualities(assignment: Assignment, path: Path, *, sd: float = 2.0, seed: int = 7) -> Path:
    """A quality file for the simulated judge: normal qualities of this spread, in logits."""
    chance = random.Random(seed)
    rows = [f'"{text_sha256(essay.text)}" = {chance.gauss(0, sd):.6f}' for essay in assignment.essays]
    path.write_text("\n".join(["[quality]", *rows, ""]), encoding="utf-8")
    return path


async def send_batch(url: str, assignment: Assignment, options: RunOptions) -> float:
    """Upload a batch and ask for its assessment; returns when that was, on the performance counter."""
    async with httpx2.AsyncClient(timeout=30) as http:
        client = AssessmentClient(http=http, base_url=url)
        request = assessment_request(assignment, await upload(client, assignment), options)
        asked_at = time.perf_counter()
        await client.start(request)
        return asked_at


async def until_ended(url: str, batch_id: str, *, seconds: float = 900) -> BatchStatusView:
    """The final status of a batch; a service that is away, however often, is asked again until the time is over."""
    async with httpx2.AsyncClient(timeout=30) as http, asyncio.timeout(seconds):
        async for status in follow(AssessmentClient(http=http, base_url=url, patience=seconds), batch_id):
            last = status
        return last


async def messages(kafka: str, *, topics: str) -> list[bytes]:
    """Everything that was published on the topics whose names match this regular expression."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    matching = [topic for topic in await admin.list_topics() if re.fullmatch(topics, topic)]
    described = await admin.describe_topics(matching)
    await admin.close()
    partitions = [
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    ]
    async with AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        return await _to_the_end(consumer, partitions)


async def _to_the_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> list[bytes]:
    ends = await consumer.end_offsets(partitions)
    published: list[bytes] = []
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            polled = await consumer.getmany(timeout_ms=1000)
            published += [record.value for records in polled.values() for record in records]
    return published


@asynccontextmanager
async def running(stage: Rehearsal) -> AsyncIterator[Rehearsal]:
    """Both services up until the context ends."""
    await stage.start()
    try:
        yield stage
    finally:
        await stage.stop()
