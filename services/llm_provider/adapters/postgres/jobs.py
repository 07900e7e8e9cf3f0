"""Vendors' batch jobs in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from service_kit.work.failed_items import is_retryable_sql
from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres.request_rows import read_rows
from llm_provider.adapters.postgres.tables import batch_job, judge_request
from llm_provider.domain.batch_job import Job, JobId, JobPolicy, JobState, RunningJob
from llm_provider.domain.requests.request import QueueId, QueueState
from llm_provider.ports import Rows
from llm_provider.ports.worker_names import RUN_JOBS

MIN_COLLECTION_REST: Final = 0.05
"""Seconds: another replica may be collecting what is due here."""

FRAME_BYTES: Final = 2_000
"""What a request has around its prompt: the answer's schema and the parameters."""

# The first relaxed request of a model decides: its model has waited longest.
_READY_MODEL = text(
    """
    SELECT model FROM (
        SELECT model, count(*) AS items, min(requested_at) AS first
        FROM judge_request WHERE state = 'awaiting_batch' AND provider = :provider
          AND not_before <= clock_timestamp()
          AND NOT EXISTS (SELECT 1 FROM provider_pause WHERE provider_pause.provider = :provider)
        GROUP BY model
    ) AS collected
    WHERE items >= :max_items OR first <= clock_timestamp() - CAST(:collect_for AS interval)
    ORDER BY first LIMIT 1
    """
)
# Bytes of the text that a vendor will be sent, without its frame. The first request is always taken: alone it is no
# larger than a request to this service may be.
_COLLECT = text(
    """
    WITH first AS MATERIALIZED (
        SELECT id, seq, octet_length(system_prompt) + octet_length(prompt_blocks) +
            CAST(:prompt_overhead_bytes AS integer) AS bytes
        FROM judge_request
        WHERE state = 'awaiting_batch' AND provider = :provider AND model = :model
          AND not_before <= clock_timestamp() AND expires_at > clock_timestamp()
        ORDER BY seq LIMIT :max_items FOR UPDATE SKIP LOCKED
    ), fitting AS (
        SELECT id, sum(bytes) OVER (ORDER BY seq) - bytes AS bytes_before, sum(bytes) OVER (ORDER BY seq) AS bytes
        FROM first
    )
    UPDATE judge_request SET state = 'in_batch', batch_job_id = :job, attempts = attempts + 1
    FROM fitting
    WHERE judge_request.id = fitting.id
      AND (fitting.bytes <= CAST(:max_bytes AS bigint) OR fitting.bytes_before = 0)
    """
)
_DUE = text(
    f"""
    SELECT id FROM batch_job
    WHERE ended_at IS NULL AND due_at <= clock_timestamp() AND {is_retryable_sql(RUN_JOBS, "batch_job.id")}
    ORDER BY due_at LIMIT :limit
    """
)
_LEASE = text(
    """
    UPDATE batch_job SET due_at = clock_timestamp() + CAST(:lease AS interval)
    WHERE id = :id AND ended_at IS NULL AND due_at <= clock_timestamp()
    RETURNING id
    """
)
_NEXT_DUE = text(
    "SELECT extract(epoch FROM min(due_at) - clock_timestamp()) FROM batch_job WHERE ended_at IS NULL"
)

_NEXT_COLLECTION = text(
    """
    SELECT extract(epoch FROM min(greatest(not_before, requested_at + CAST(:collect_for AS interval)))
                   - clock_timestamp())
    FROM judge_request WHERE state = 'awaiting_batch' AND provider = :provider
      AND NOT EXISTS (SELECT 1 FROM provider_pause WHERE provider_pause.provider = :provider)
    """
)

_IS_WANTED = text(
    """
    SELECT EXISTS (SELECT 1 FROM judge_request WHERE state = 'in_batch' AND batch_job_id = :id
                   AND cancel_requested_at IS NULL AND expires_at > clock_timestamp())
    """
)

_POSTPONE = text("UPDATE batch_job SET due_at = clock_timestamp() + CAST(:after AS interval) WHERE id = :id")


class PostgresJobs:
    """The jobs, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def collect(self, *, provider: str, policy: JobPolicy) -> Job | None:
        model = await self._connection.scalar(
            _READY_MODEL,
            {
                "provider": provider,
                "max_items": policy.max_items,
                "collect_for": policy.collect_for,
            },
        )
        return None if model is None else await self._make(provider, model, policy)

    async def _make(self, provider: str, model: str, policy: JobPolicy) -> Job | None:
        job_id = JobId(uuid4())
        await self._connection.execute(
            batch_job.insert().values(
                id=job_id, provider=provider, model=model, state=JobState.COLLECTED, items=0
            )
        )
        collected = await self._connection.execute(
            _COLLECT,
            {
                "job": job_id,
                "provider": provider,
                "model": model,
                "max_items": policy.max_items,
                "max_bytes": policy.max_bytes,
                "prompt_overhead_bytes": FRAME_BYTES,
            },
        )
        chosen = batch_job.c.id == job_id
        if not collected.rowcount:
            await self._connection.execute(batch_job.delete().where(chosen))
            return None
        row = await self._connection.execute(
            update(batch_job).where(chosen).values(items=collected.rowcount).returning(batch_job)
        )
        return _job(row.one())

    async def due(self, *, limit: int) -> Sequence[JobId]:
        rows = await self._connection.execute(_DUE, {"limit": limit})
        return [JobId(job_id) for job_id in rows.scalars()]

    async def lease(self, job_id: JobId, *, lease: timedelta) -> bool:
        leased = await self._connection.execute(_LEASE, {"id": job_id, "lease": lease})
        return leased.first() is not None

    async def seconds_until_due(self) -> float | None:
        found = await self._connection.scalar(_NEXT_DUE)
        return None if found is None else max(0.0, float(found))

    async def seconds_until_collection(self, *, provider: str, policy: JobPolicy) -> float | None:
        values = {"provider": provider, "collect_for": policy.collect_for}
        found = await self._connection.scalar(_NEXT_COLLECTION, values)
        return None if found is None else max(MIN_COLLECTION_REST, float(found))

    async def read(self, job_id: JobId) -> Job:
        rows = await self._connection.execute(select(batch_job).where(batch_job.c.id == job_id))
        return _job(rows.one())

    async def is_wanted(self, job_id: JobId) -> bool:
        return bool(await self._connection.scalar(_IS_WANTED, {"id": job_id}))

    async def open_items(self, job_id: JobId) -> Rows:
        rows = await self._connection.execute(
            select(judge_request)
            .where(judge_request.c.batch_job_id == job_id, judge_request.c.state == QueueState.IN_BATCH)
            .order_by(judge_request.c.seq)
        )
        return read_rows(rows)

    async def items(self, job_id: JobId, queue_ids: Sequence[QueueId]) -> Rows:
        rows = await self._connection.execute(
            select(judge_request).where(
                judge_request.c.batch_job_id == job_id,
                judge_request.c.id.in_(queue_ids),
                judge_request.c.prompt_blocks.is_not(None),
            )
        )
        return read_rows(rows)

    async def submitting(self, job_id: JobId) -> None:
        await self._connection.execute(
            update(batch_job)
            .where(batch_job.c.id == job_id)
            .values(state=JobState.SUBMITTING, submissions=batch_job.c.submissions + 1)
        )

    async def submitted(self, job_id: JobId, *, vendor_job_id: str, poll_after: timedelta) -> None:
        await self._connection.execute(
            update(batch_job)
            .where(batch_job.c.id == job_id)
            .values(state=JobState.RUNNING, vendor_job_id=vendor_job_id)
        )
        await self.look_again(job_id, after=poll_after)

    async def look_again(self, job_id: JobId, *, after: timedelta) -> None:
        await self._connection.execute(_POSTPONE, {"id": job_id, "after": after})

    async def close(self, job_id: JobId, *, reason: str | None) -> None:
        state = JobState.ENDED if reason is None else JobState.FAILED
        await self._connection.execute(
            update(batch_job)
            .where(batch_job.c.id == job_id)
            .values(state=state, reason=reason, ended_at=text("clock_timestamp()"))
        )


def _job(row: Row[tuple[object, ...]]) -> Job:
    columns: dict[str, Any] = {
        "job_id": JobId(row.id),
        "provider": row.provider,
        "model": row.model,
        "state": JobState(row.state),
        "items": row.items,
        "submissions": row.submissions,
        "created_at": row.created_at,
    }
    if row.state == JobState.RUNNING and row.vendor_job_id is not None:
        return RunningJob(vendor_job_id=row.vendor_job_id, **columns)
    return Job(**columns)
