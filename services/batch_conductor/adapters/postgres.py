"""The queries of the use cases on PostgreSQL, set-based, in one transaction per unit of work."""

from collections.abc import Sequence, Set
from dataclasses import asdict
from typing import Any
from uuid import UUID

from event_contracts import EventEnvelope, PhaseName, PhaseProgress, ProcessingStage
from service_kit.messaging.inbox import claim_events
from service_kit.messaging.outbox import bus_message
from service_kit.storage.store import Outbox
from sqlalchemy import Row, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from batch_conductor.adapters import sql
from batch_conductor.adapters.tables import batch_phase, phase_skip, pipeline_plan
from batch_conductor.domain.outcome import EssayReport, PhaseReport
from batch_conductor.domain.pipeline import BatchId
from batch_conductor.domain.plan import Plan


class PostgresTransaction:
    """Implements ``ports.Transaction`` on one connection."""

    def __init__(self, connection: AsyncConnection, outbox: Outbox) -> None:
        self._connection = connection
        self._outbox = outbox

    async def claim_events(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        return await claim_events(self._connection, consumer=consumer, event_ids=event_ids)

    def announce(self, events: Sequence[EventEnvelope[Any]]) -> None:
        self._outbox.send(bus_message(event, key=event.key) for event in events)

    async def record_phases(self, reports: Sequence[PhaseReport]) -> None:
        if not reports:
            return
        await self._connection.execute(
            sql.RECORD_PHASES,
            {
                "batches": [report.batch_id for report in reports],
                "phases": [report.phase for report in reports],
                "stages": [report.stage for report in reports],
                "essays": [report.essays for report in reports],
                "times": [report.reported_at for report in reports],
            },
        )

    async def record_essays(self, reports: Sequence[EssayReport]) -> None:
        if not reports:
            return
        await self._connection.execute(
            sql.RECORD_ESSAYS,
            {
                "batches": [report.batch_id for report in reports],
                "phases": [report.phase for report in reports],
                "essays": [report.essay_id for report in reports],
                "outcomes": [report.outcome for report in reports],
                "times": [report.reported_at for report in reports],
            },
        )

    async def completed_phases(self, batch_id: BatchId) -> Set[PhaseName]:
        phases = await self._connection.scalars(
            select(batch_phase.c.phase).where(
                batch_phase.c.batch_id == batch_id, batch_phase.c.stage == ProcessingStage.COMPLETED
            )
        )
        return {PhaseName(phase) for phase in phases}

    async def phases(self, batch_id: BatchId) -> Sequence[PhaseProgress]:
        rows = await self._connection.execute(sql.PHASES, {"batch_id": batch_id})
        found = {PhaseName(row.phase): _progress(row) for row in rows}
        return [found[phase] for phase in PhaseName if phase in found]

    async def add_plan(self, plan: Plan) -> None:
        await self._connection.execute(insert(pipeline_plan), _plan_columns(plan))

    async def first_skips(self, plan: Plan) -> Sequence[PhaseName]:
        if not plan.pipeline.skipped:
            return ()
        # In the order of the rules: replicas that answer at once wait for each other instead of deadlocking.
        rows = [
            {"batch_id": plan.batch_id, "correlation_id": plan.correlation_id, "phase": phase}
            for phase in plan.pipeline.skipped
        ]
        statement = upsert(phase_skip).values(rows).on_conflict_do_nothing().returning(phase_skip.c.phase)
        new = set(await self._connection.scalars(statement))
        return [phase for phase in plan.pipeline.skipped if phase in new]


def _progress(row: Row[Any]) -> PhaseProgress:
    return PhaseProgress(
        phase_name=row.phase,
        status=row.stage,
        expected=row.expected,
        succeeded=row.succeeded,
        failed=row.failed,
        skipped=row.skipped,
        updated_at=row.reported_at,
    )


def _plan_columns(plan: Plan) -> dict[str, object]:
    return {
        "batch_id": plan.batch_id,
        "correlation_id": plan.request.correlation_id,
        "requested": plan.pipeline.requested,
        "batch_metadata": plan.request.batch_metadata,
        "phases": list(plan.pipeline.phases),
        "skipped": list(plan.pipeline.skipped),
        "obstacles": [asdict(obstacle) for obstacle in plan.obstacles],
    }
