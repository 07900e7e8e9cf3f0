"""The queries of the use cases on PostgreSQL, set-based, in one transaction per unit of work."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Any
from uuid import UUID

import orjson
from event_contracts import EventEnvelope, PhaseName, ProcessingStage
from service_kit.messaging.inbox import claim_events
from service_kit.store import Outbox
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from batch_conductor.adapters.postgres import sql
from batch_conductor.domain.outcome import EssayReport, PhaseReport
from batch_conductor.domain.phases import BatchRecord, EssayCounts, PhaseRecord
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
        self._outbox.announce(events)

    async def record_phases(self, reports: Sequence[PhaseReport]) -> None:
        if not reports:
            return
        await self._connection.execute(
            sql.RECORD_PHASES,
            {
                "batches": [report.batch_id for report in reports],
                "phases": [report.phase for report in reports],
                "stages": [report.stage for report in reports],
                "with_failures": [report.with_failures for report in reports],
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

    async def batches(self, batch_ids: Sequence[BatchId]) -> Mapping[BatchId, BatchRecord]:
        wanted = {"batches": list(set(batch_ids))}
        counted = await self._connection.execute(sql.SIZES, wanted)
        sizes = {row.batch_id: row.essay_count for row in counted}
        phases: dict[str, dict[PhaseName, PhaseRecord]] = defaultdict(dict)
        for row in await self._connection.execute(sql.PHASES, wanted):
            phases[row.batch_id][PhaseName(row.phase)] = _phase_record(row)
        return {
            batch_id: BatchRecord(essay_count=sizes.get(batch_id), phases=phases.get(batch_id, {}))
            for batch_id in batch_ids
        }

    async def planned_phases(self, batch_id: BatchId) -> Set[PhaseName]:
        phases = await self._connection.scalars(sql.PLANNED, {"batch_id": batch_id})
        return {PhaseName(phase) for phase in phases}

    async def record_essay_counts(self, counts: Mapping[BatchId, int]) -> None:
        if counts:
            await self._connection.execute(
                sql.RECORD_SIZES, {"batches": list(counts), "counts": list(counts.values())}
            )

    async def add_plans(self, plans: Sequence[Plan]) -> None:
        await self._connection.execute(
            sql.ADD_PLANS,
            {
                "plan_ids": [plan.plan_id for plan in plans],
                "batches": [plan.batch_id for plan in plans],
                "correlations": [plan.request.correlation_id for plan in plans],
                "requested": [plan.pipeline.requested for plan in plans],
                "metadata": [_json_or_null(plan.request.batch_metadata) for plan in plans],
                "phases": [",".join(plan.pipeline.phases) for plan in plans],
                "skipped": [",".join(plan.pipeline.skipped) for plan in plans],
                "obstacles": [_obstacles(plan) for plan in plans],
            },
        )

    async def first_skips(self, plans: Sequence[Plan]) -> Set[tuple[BatchId, UUID, PhaseName]]:
        skips = [
            (plan.batch_id, plan.correlation_id, phase) for plan in plans for phase in plan.pipeline.skipped
        ]
        if not skips:
            return frozenset()
        batches, correlations, phases = zip(*skips, strict=True)
        new = await self._connection.execute(
            sql.FIRST_SKIPS,
            {"batches": list(batches), "correlations": list(correlations), "phases": list(phases)},
        )
        return {(BatchId(row.batch_id), row.correlation_id, PhaseName(row.phase)) for row in new}


def _phase_record(row: Row[Any]) -> PhaseRecord:
    return PhaseRecord(
        stage=None if row.stage is None else ProcessingStage(row.stage),
        with_failures=bool(row.with_failures),
        essays=row.essays,
        reported_at=row.reported_at,
        counts=EssayCounts(succeeded=row.succeeded, failed=row.failed, skipped=row.skipped),
        since=EssayCounts(succeeded=row.succeeded_since, failed=row.failed_since, skipped=row.skipped_since),
        failed_essay_ids=tuple(row.failed_ids or ()),
        skipped_essay_ids=tuple(row.skipped_ids or ()),
        last_essay_at=row.last_essay_at,
    )


def _json_or_null(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _obstacles(plan: Plan) -> str:
    return orjson.dumps(
        [
            {"gate": gate.gate, "reason": gate.reason, "what_to_do": gate.what_to_do, "phases": gate.phases}
            for gate in plan.blocked
        ]
    ).decode()
