"""The load of a soak: small batches one after the other, and what else callers do, right and wrong."""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import httpx2
from aiokafka import AIOKafkaProducer
from batch_runner.assignment.contents import Assignment
from batch_runner.running.execution import until_accepted, upload
from batch_runner.running.request import RunOptions, assessment_request
from batch_runner.wire.client import AssessmentClient
from command_line.service_client import ServiceRefused
from event_contracts import (
    AssessmentState,
    BatchStatus,
    ELSBatchPhaseOutcomeV1,
    EssayProcessingInputRefV1,
    EventEnvelope,
    PhaseName,
    Topic,
)

from suite.processes.batches import generated_essays, wait_until_ended
from suite.processes.tokens import own_token

ESSAYS: Final = 5
COMPARISONS: Final = 10
REST_SECONDS: Final = 0.5
"""Between two batches, and between two of the other requests of one kind."""
CANCELLED_EVERY: Final = 5
ACCEPTED_SECONDS: Final = 120.0
ENDED_SECONDS: Final = 300.0
TOKEN_SECONDS: Final = 300.0
WANTED: Final = {AssessmentState.COMPLETED}
CANCELLED: Final = {AssessmentState.COMPLETED, AssessmentState.CANCELLED}
"""A batch that is cancelled may have ended before."""


class KeptToken(httpx2.Auth):
    """Shows the same token for minutes, as callers do; a new one for each request would fill caches of tokens."""

    def __init__(self) -> None:
        self._token, self._signed_at = "", -math.inf

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the token, which is valid for ten minutes."""
        if time.monotonic() > self._signed_at + TOKEN_SECONDS:
            self._token, self._signed_at = own_token(), time.monotonic()
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


@dataclass(kw_only=True)
class Load:
    """Asks the three services for ``seconds``; counts what they accepted, what they refused and what went wrong."""

    assessment: str
    provider: str
    conductor: str
    kafka: str
    prefix: str
    seconds: float
    batches: int = 0
    cancelled: int = 0
    defined: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _last: str = ""
    _auth: KeptToken = field(default_factory=KeptToken)

    async def run(self) -> None:
        """Ask until the time is over, and until the batches that were begun have ended."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True, acks="all")
        async with (
            producer,
            httpx2.AsyncClient(auth=self._auth, timeout=30) as http,
            asyncio.TaskGroup() as group,
        ):
            client = AssessmentClient(http=http, base_url=self.assessment)

            async def over_http(assignment: Assignment, options: RunOptions) -> None:
                await client.start(assessment_request(assignment, await upload(client, assignment), options))

            async def over_kafka(assignment: Assignment, options: RunOptions) -> None:
                request = assessment_request(assignment, await upload(client, assignment), options)
                await self._publish(producer, request, key=options.batch_id)
                await until_accepted(client, options.batch_id, seconds=ACCEPTED_SECONDS)

            group.create_task(self._have_batches_judged(client, over_http))
            group.create_task(self._have_batches_judged(client, over_kafka))
            group.create_task(self._plan(http, producer))
            group.create_task(self._read(http))
            group.create_task(self._ask_wrongly(http, producer))

    async def _until_over(self) -> AsyncIterator[int]:
        """Numbers with a rest between them, until the time is over; no two are equal, whoever asks."""
        ends = time.monotonic() + self.seconds
        while time.monotonic() < ends:
            yield next(self._numbers)
            await asyncio.sleep(REST_SECONDS)

    async def _have_batches_judged(
        self, client: AssessmentClient, start: Callable[[Assignment, RunOptions], Awaitable[None]]
    ) -> None:
        count = 0
        async for number in self._until_over():
            count += 1
            options = RunOptions(label="soak", max_comparisons=COMPARISONS, target_reliability=0.9999)
            await start(generated_essays(ESSAYS, seed=number), options)
            self.batches, self._last = self.batches + 1, options.batch_id
            wanted = WANTED
            if count % CANCELLED_EVERY == 0:
                wanted = CANCELLED
                try:
                    await client.cancel(options.batch_id)
                    self.cancelled += 1
                except ServiceRefused as refused:
                    if refused.status != httpx2.codes.CONFLICT:
                        raise
            ended = await wait_until_ended(
                self.assessment, options.batch_id, seconds=ENDED_SECONDS, auth=self._auth
            )
            if ended.state not in wanted:
                self.failures.append(f"batch {options.batch_id} ended as {ended.state}")

    async def _plan(self, http: httpx2.AsyncClient, producer: AIOKafkaProducer) -> None:
        """Have the conductor plan batches, and tell it that their spelling was checked."""
        async for number in self._until_over():
            batch = f"soak-{number}"
            order = {
                "batch_id": batch,
                "requested_pipeline": "comprehensive",
                "correlation_id": str(uuid4()),
                "batch_metadata": {"prompt_attached": True, "essay_count": 30},
            }
            answer = await http.post(f"{self.conductor}/internal/v1/pipelines/define", json=order)
            self._check(answer, {200})
            self.defined += 1
            await self._publish(producer, _spelling_checked(batch), key=batch)

    async def _read(self, http: httpx2.AsyncClient) -> None:
        async for _ in self._until_over():
            for url in (
                f"{self.assessment}/api/v1/batches",
                f"{self.assessment}/api/v1/batches/{self._last}",
                f"{self.provider}/api/v1/providers",
                f"{self.conductor}/internal/v1/batches/soak-0/phases",
                f"{self.conductor}/readyz",
            ):
                self._check(await http.get(url), {200, 404})

    async def _ask_wrongly(self, http: httpx2.AsyncClient, producer: AIOKafkaProducer) -> None:
        """Requests that must be refused, and an event that must end among the dead letters."""
        routes = (
            f"{self.assessment}/api/v1/assessments",
            f"{self.provider}/api/v1/comparisons",
            f"{self.conductor}/internal/v1/pipelines/define",
        )
        async for number in self._until_over():
            for url in routes:
                for content in (b"{", b"{}", b"\xff" * 1000):
                    answer = await http.post(
                        url, content=content, headers={"content-type": "application/json"}
                    )
                    self._check(answer, {400, 422})
                    self.refused += 1
                async with httpx2.AsyncClient(timeout=30) as stranger:
                    self._check(await stranger.post(url, content=b"{}"), {401, 429})
                    self.refused += 1
            topic = f"{self.prefix}{Topic.CJ_ASSESSMENT_REQUESTED}"
            await producer.send_and_wait(topic, value=b"{", key=str(number).encode())

    async def _publish(self, producer: AIOKafkaProducer, event: EventEnvelope[Any], *, key: str) -> None:
        await producer.send_and_wait(
            f"{self.prefix}{event.event_type}", value=event.to_json(), key=key.encode()
        )

    def _check(self, answer: httpx2.Response, expected: set[int]) -> None:
        if answer.status_code not in expected:
            self.failures.append(f"{answer.request.method} {answer.request.url}: {answer.status_code}")


def _spelling_checked(batch: str) -> EventEnvelope[ELSBatchPhaseOutcomeV1]:
    correlation_id = uuid4()
    essay = EssayProcessingInputRefV1(essay_id=f"{batch}-essay", text_storage_id=f"{batch}-text")
    outcome = ELSBatchPhaseOutcomeV1(
        batch_id=batch,
        phase_name=PhaseName.SPELLCHECK,
        phase_status=BatchStatus.COMPLETED_SUCCESSFULLY,
        processed_essays=(essay,),
        failed_essay_ids=(),
        correlation_id=correlation_id,
    )
    return EventEnvelope.wrap(
        outcome,
        source_service="essay_lifecycle_service",
        correlation_id=correlation_id,
        event_timestamp=datetime.now(UTC),
    )
