"""Runs the conductor on a real port, and speaks to it over HTTP."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from batch_conductor.assembly import assemble
from batch_conductor.settings import Settings
from event_contracts import (
    BatchPhases,
    EventEnvelope,
    JsonObject,
    PhaseName,
    PhaseProgress,
    PhaseSkippedV1,
    PipelineResolution,
    parse_envelope,
)
from pydantic import SecretStr
from service_kit.messaging.event_bus import EventBus, Message, Record
from service_kit.running import run_services
from service_kit.tests.tokens import ADMIN
from service_kit.tests.waiting import read_until
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

SECRET = SecretStr("whsec_" + base64.b64encode(bytes(32)).decode())
WITH_PROMPT: JsonObject = {"prompt_attached": True}


class Listener:
    """Another service, which hears of skipped phases."""

    def __init__(self) -> None:
        self._heard: list[EventEnvelope[PhaseSkippedV1]] = []

    async def __call__(self, records: Sequence[Record]) -> None:
        """Hear."""
        self._heard.extend(parse_envelope(record.value or b"", PhaseSkippedV1) for record in records)

    def heard_of(self, batch_id: str) -> list[EventEnvelope[PhaseSkippedV1]]:
        """What it has heard of one batch."""
        return [event for event in self._heard if event.data.batch_id == batch_id]


class Conductor:
    """A running conductor as its callers see it."""

    def __init__(self, http: httpx2.AsyncClient, *, settings: Settings) -> None:
        self.http = http
        self.settings = settings

    async def define(
        self,
        batch_id: str,
        requested: PhaseName | str,
        *,
        correlation_id: str = "run-1",
        metadata: JsonObject | None = WITH_PROMPT,
    ) -> httpx2.Response:
        """Ask for a pipeline."""
        body = {
            "batch_id": batch_id,
            "requested_pipeline": requested,
            "correlation_id": correlation_id,
            "batch_metadata": metadata,
        }
        return await self.http.post("/internal/v1/pipelines/define", json=body)

    async def pipeline(
        self, batch_id: str, requested: PhaseName | str, *, correlation_id: str = "run-1"
    ) -> PipelineResolution:
        """Ask for a pipeline that is granted."""
        answer = await self.define(batch_id, requested, correlation_id=correlation_id)
        return PipelineResolution.model_validate_json(answer.raise_for_status().content)

    async def phases(self, batch_id: str) -> dict[PhaseName, PhaseProgress]:
        """Where a batch is; empty for an unknown one."""
        answer = await self.http.get(f"/internal/v1/batches/{batch_id}/phases")
        if answer.status_code == 404:
            return {}
        view = BatchPhases.model_validate_json(answer.raise_for_status().content)
        return {phase.phase_name: phase for phase in view.phases}


@asynccontextmanager
async def running(settings: Settings, *, bus: EventBus | None = None) -> AsyncIterator[Conductor]:
    """Serve until the context ends."""
    service = await assemble(settings, bus=bus)
    stop, started = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(run_services([service], stop=stop, started=started))
    starting = asyncio.create_task(started.wait())
    try:
        await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
        async with httpx2.AsyncClient(
            base_url=f"http://{service.host}:{service.port}", timeout=30, headers=ADMIN
        ) as http:
            yield Conductor(http, settings=settings)
    finally:
        starting.cancel()
        stop.set()
        await serving


def message(envelope: EventEnvelope[Any]) -> Message:
    """The event as it travels."""
    return Message(
        topic=envelope.event_type,
        key=envelope.key.encode(),
        value=envelope.to_json(),
        headers=envelope.headers(),
    )


async def deliver(bus: EventBus, *events: EventEnvelope[Any]) -> None:
    """Publish; on the bus of this process they are handled when this returns."""
    await bus.publish([message(event) for event in events])


async def rows(settings: Settings, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """What the conductor's database answers."""
    engine = create_async_engine(settings.database_url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]
    finally:
        await engine.dispose()


async def all_sent(settings: Settings) -> None:
    """Return when the outbox has nothing left to send."""
    unsent = "SELECT event_id FROM outbox"
    await read_until(lambda: rows(settings, unsent), holds=lambda found: not found, what="everything is sent")
