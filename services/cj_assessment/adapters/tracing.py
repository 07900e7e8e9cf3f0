"""Spans for what is done with batches, in the traces of their requests."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from event_contracts import TraceContext
from service_kit.storage.database import Database
from service_kit.tracing import Attribute, Tracing
from sqlalchemy import select

from cj_assessment.adapters.postgres.tables import assessment_batch
from cj_assessment.domain.batch import JobId

HandlesBatch = Callable[[JobId], Awaitable[None]]
HandlesBatches = Callable[[Sequence[JobId]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class BatchSpans:
    """Wraps what workers do with batches. Where nothing is traced, that is returned as it is."""

    database: Database
    tracing: Tracing

    def of_one(self, handle: HandlesBatch, name: str) -> HandlesBatch:
        """``handle`` in a span that continues its batch's trace."""

        async def handle_traced(job_id: JobId) -> None:
            await self._run(lambda: handle(job_id), name, [job_id])

        return handle_traced if self.tracing.is_on else handle

    def of_several(self, handle: HandlesBatches, name: str) -> HandlesBatches:
        """``handle`` in a span that continues the first batch's trace, and is linked to the others'."""

        async def handle_traced(job_ids: Sequence[JobId]) -> None:
            await self._run(lambda: handle(job_ids), name, job_ids)

        return handle_traced if self.tracing.is_on else handle

    async def _run(self, work: Callable[[], Awaitable[None]], name: str, job_ids: Sequence[JobId]) -> None:
        traces = await self._traces(job_ids)
        if not traces:
            # Accepted while nothing was traced.
            await work()
            return
        attributes: dict[str, Attribute] = {
            "cj_assessment.batches": len(job_ids),
            "cj_assessment.job_id": str(job_ids[0]),
        }
        with self.tracing.span(name, parents=traces, attributes=attributes):
            await work()

    async def _traces(self, job_ids: Sequence[JobId]) -> Sequence[TraceContext]:
        columns = assessment_batch.c
        statement = select(columns.id, columns.traceparent, columns.tracestate)
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                statement.where(columns.id.in_(job_ids), columns.traceparent.is_not(None))
            )
            found = {row.id: TraceContext.of(row.traceparent, row.tracestate) for row in rows}
        return [trace for job_id in job_ids if (trace := found.get(job_id)) is not None]
