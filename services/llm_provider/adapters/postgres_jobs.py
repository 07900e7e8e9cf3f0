"""Vendors' batch jobs in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres_rows import taken_of
from llm_provider.adapters.tables import judge_request, provider_batch
from llm_provider.domain.jobs import Job, JobId, JobPolicy, JobState
from llm_provider.domain.request import Place, QueueId, Taken

FRAME_BYTES: Final = 2_000
"""What a request has around its prompt: the answer's schema and the parameters."""

# The first relaxed request of a model decides: its model has waited longest.
_RIPE = text(
    """
    SELECT model FROM (
        SELECT model, count(*) AS items, min(requested_at) AS first
        FROM judge_request WHERE state = 'relaxed' AND provider = :provider
          AND not_before <= clock_timestamp()
          AND NOT EXISTS (SELECT 1 FROM provider_pause WHERE provider_pause.provider = :provider)
        GROUP BY model
    ) AS collected
    WHERE items >= :most_items OR first <= clock_timestamp() - CAST(:collect_for AS interval)
    ORDER BY first LIMIT 1
    """
)
# Bytes of the text that a vendor will be sent, but for what frames it. The first one is always taken: alone it is no
# larger than a request to this service may be.
_COLLECT = text(
    """
    WITH first AS MATERIALIZED (
        SELECT id, seq, octet_length(system) + octet_length(blocks) + CAST(:frame_bytes AS integer) AS bytes
        FROM judge_request
        WHERE state = 'relaxed' AND provider = :provider AND model = :model
          AND not_before <= clock_timestamp() AND expires_at > clock_timestamp()
        ORDER BY seq LIMIT :most_items FOR UPDATE SKIP LOCKED
    ), fitting AS (
        SELECT id, sum(bytes) OVER (ORDER BY seq) - bytes AS bytes_before, sum(bytes) OVER (ORDER BY seq) AS bytes
        FROM first
    )
    UPDATE judge_request SET state = 'batched', provider_batch = :job, attempts = attempts + 1
    FROM fitting
    WHERE judge_request.id = fitting.id
      AND (fitting.bytes <= CAST(:most_bytes AS bigint) OR fitting.bytes_before = 0)
    """
)
_TAKE_DUE = text(
    """
    UPDATE provider_batch SET due_at = clock_timestamp() + CAST(:lease AS interval)
    WHERE id = (
        SELECT id FROM provider_batch
        WHERE ended_at IS NULL AND due_at <= clock_timestamp()
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING *
    """
)
_LOOK_AGAIN = text(
    "UPDATE provider_batch SET due_at = clock_timestamp() + CAST(:after AS interval) WHERE id = :id"
)


class PostgresJobs:
    """The jobs, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def collect(self, *, provider: str, policy: JobPolicy) -> Job | None:
        model = await self._connection.scalar(
            _RIPE,
            {
                "provider": provider,
                "most_items": policy.most_items,
                "collect_for": policy.collect_for,
            },
        )
        return None if model is None else await self._make(provider, model, policy)

    async def _make(self, provider: str, model: str, policy: JobPolicy) -> Job | None:
        job_id = JobId(uuid4())
        await self._connection.execute(
            provider_batch.insert().values(
                id=job_id, provider=provider, model=model, state=JobState.COLLECTED, items=0
            )
        )
        collected = await self._connection.execute(
            _COLLECT,
            {
                "job": job_id,
                "provider": provider,
                "model": model,
                "most_items": policy.most_items,
                "most_bytes": policy.most_bytes,
                "frame_bytes": FRAME_BYTES,
            },
        )
        chosen = provider_batch.c.id == job_id
        if not collected.rowcount:
            await self._connection.execute(provider_batch.delete().where(chosen))
            return None
        row = await self._connection.execute(
            update(provider_batch).where(chosen).values(items=collected.rowcount).returning(provider_batch)
        )
        return _job(row.one())

    async def take_due(self, *, lease: timedelta) -> Job | None:
        row = (await self._connection.execute(_TAKE_DUE, {"lease": lease})).first()
        return None if row is None else _job(row)

    async def open_items(self, job_id: JobId) -> Sequence[Taken]:
        rows = await self._connection.execute(
            select(judge_request)
            .where(judge_request.c.provider_batch == job_id, judge_request.c.state == Place.BATCHED)
            .order_by(judge_request.c.seq)
        )
        return taken_of(rows)

    async def items(self, job_id: JobId, queue_ids: Sequence[QueueId]) -> Sequence[Taken]:
        rows = await self._connection.execute(
            select(judge_request).where(
                judge_request.c.provider_batch == job_id,
                judge_request.c.id.in_(queue_ids),
                judge_request.c.blocks.is_not(None),
            )
        )
        return taken_of(rows)

    async def submitting(self, job_id: JobId) -> None:
        await self._connection.execute(
            update(provider_batch)
            .where(provider_batch.c.id == job_id)
            .values(state=JobState.SUBMITTING, submissions=provider_batch.c.submissions + 1)
        )

    async def submitted(self, job_id: JobId, *, vendor_job_id: str, poll_after: timedelta) -> None:
        await self._connection.execute(
            update(provider_batch)
            .where(provider_batch.c.id == job_id)
            .values(state=JobState.RUNNING, vendor_job_id=vendor_job_id)
        )
        await self.look_again(job_id, after=poll_after)

    async def look_again(self, job_id: JobId, *, after: timedelta) -> None:
        await self._connection.execute(_LOOK_AGAIN, {"id": job_id, "after": after})

    async def close(self, job_id: JobId, *, reason: str | None) -> None:
        state = JobState.ENDED if reason is None else JobState.FAILED
        await self._connection.execute(
            update(provider_batch)
            .where(provider_batch.c.id == job_id)
            .values(state=state, reason=reason, ended_at=text("clock_timestamp()"))
        )


def _job(row: Row[tuple[object, ...]]) -> Job:
    return Job(
        job_id=JobId(row.id),
        provider=row.provider,
        model=row.model,
        state=JobState(row.state),
        vendor_job_id=row.vendor_job_id,
        items=row.items,
        submissions=row.submissions,
        created_at=row.created_at,
    )
