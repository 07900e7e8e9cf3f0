"""A batch of generated essays: written, sent to a running CJ Assessment, and followed to its end."""

import asyncio
import random
import time
from pathlib import Path
from typing import Final

import httpx2
from batch_runner.assignment.contents import Assignment, StudentEssay
from batch_runner.running.execution import follow, upload
from batch_runner.running.request import RunOptions, assessment_request
from batch_runner.wire.client import AssessmentClient
from event_contracts import BatchStatusView, CourseCode, text_sha256

from suite.processes.tokens import OwnToken

WORDS: Final = (
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


def generated_essays(count: int, *, words: int = 200, seed: int = 7) -> Assignment:
    """Essays of random words, for the simulated judge, which is told their qualities."""
    chance = random.Random(seed)
    return Assignment(
        title="Generated essays",
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
    """Write a quality file for the simulated judge: normally distributed, standard deviation ``sd`` in logits."""
    chance = random.Random(seed)
    rows = [f'"{text_sha256(essay.text)}" = {chance.gauss(0, sd):.6f}' for essay in assignment.essays]
    path.write_text("\n".join(["[quality]", *rows, ""]), encoding="utf-8")
    return path


async def send_batch(
    url: str, assignment: Assignment, options: RunOptions, *, auth: httpx2.Auth | None = None
) -> float:
    """Upload a batch and start its assessment; returns ``time.perf_counter()`` of the start.

    ``auth`` shows the caller's token; by default that of services which this program started.
    """
    async with httpx2.AsyncClient(timeout=30, auth=auth or OwnToken()) as http:
        client = AssessmentClient(http=http, base_url=url)
        request = assessment_request(assignment, await upload(client, assignment), options)
        started = time.perf_counter()
        await client.start(request)
        return started


async def wait_until_ended(
    url: str, batch_id: str, *, seconds: float = 900, auth: httpx2.Auth | None = None
) -> BatchStatusView:
    """The final status of a batch; a service that is down is asked again for up to ``seconds``."""
    async with httpx2.AsyncClient(timeout=30, auth=auth or OwnToken()) as http, asyncio.timeout(seconds):
        async for status in follow(
            AssessmentClient(http=http, base_url=url, retry_timeout=seconds), batch_id
        ):
            last = status
        return last
