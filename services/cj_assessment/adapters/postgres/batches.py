"""Assessment batches, from their acceptance to their end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    CourseCode,
    ELS_CJAssessmentRequestV1,
    ErrorDetail,
    StopReason,
    TraceContext,
    WireModel,
)
from pydantic import TypeAdapter
from service_kit.storage.leases import leased_keys
from sqlalchemy import Row, Text, cast, func, literal, literal_column, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres import batches_sql as sql
from cj_assessment.adapters.postgres.due import rest_until
from cj_assessment.adapters.postgres.essays import PostgresEssays
from cj_assessment.adapters.postgres.tables import assessment_batch
from cj_assessment.domain.batch import Batch, BatchId, BatchRecord, Essay, JobId, Judge, Limits, Preparation
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.ports import BatchProblem, Due

_JUDGES = TypeAdapter(tuple[Judge, ...])
# JSON columns and long texts are read separately: a record is plain columns.
_RECORD = [
    column
    for column in assessment_batch.c
    if column.name
    not in ("request", "judges", "result", "result_ref", "error", "instructions", "rubric", "student_prompt")
]
_CONTEXT = [assessment_batch.c[name] for name in ("instructions", "rubric", "student_prompt")]
NO_REASON = "no reason was reported"


class PostgresBatches:
    """Implements ``ports.Batches``."""

    def __init__(self, connection: AsyncConnection, essays: PostgresEssays) -> None:
        self._connection = connection
        self._essays = essays

    async def add(self, batch: Batch, essays: Sequence[Essay]) -> bool:
        statement = upsert(assessment_batch).values(_columns(batch)).on_conflict_do_nothing()
        if (await self._connection.execute(statement)).rowcount == 0:
            return False
        await self._essays.put(batch.job_id, essays)
        return True

    async def record(self, batch_id: BatchId) -> BatchRecord | None:
        rows = await self._connection.execute(select(*_RECORD).where(assessment_batch.c.batch_id == batch_id))
        row = rows.first()
        return None if row is None else BatchRecord(**_fields(row))

    async def read(self, job_id: JobId) -> Batch:
        rows = await self._connection.execute(
            select(
                *_RECORD,
                literal_column(sql.REQUEST_WITHOUT_ESSAYS).label("request_text"),
                cast(assessment_batch.c.judges, Text).label("judges_text"),
            ).where(assessment_batch.c.id == job_id)
        )
        row = rows.one()
        return Batch(
            **_fields(row),
            request=_cached_request(row.request_text),
            judges=_JUDGES.validate_json(row.judges_text),
        )

    async def lock(self, job_id: JobId) -> BatchRecord | None:
        rows = await self._connection.execute(
            select(*_RECORD)
            .where(assessment_batch.c.id == job_id, assessment_batch.c.ended_at.is_(None))
            .with_for_update(skip_locked=True, key_share=True)
        )
        row = rows.first()
        return None if row is None else BatchRecord(**_fields(row))

    async def take_accepted(self, *, limit: int, lease: timedelta) -> Due[JobId]:
        values = {"limit": limit, "lease": lease}
        found = await leased_keys(self._connection, sql.TAKE_ACCEPTED, due=sql.DUE_ACCEPTED, values=values)
        if keys := [JobId(key) for key in found]:
            return Due(keys=keys, rest_seconds=0)
        return Due(keys=(), rest_seconds=rest_until(await self._connection.scalar(sql.NEXT_ACCEPTED)))

    async def take_judging(self, *, limit: int) -> Due[JobId]:
        rows = await self._connection.execute(sql.TAKE_JUDGING, {"limit": limit})
        if keys := [JobId(key) for key in rows.scalars()]:
            return Due(keys=keys, rest_seconds=0)
        return Due(keys=(), rest_seconds=rest_until(await self._connection.scalar(sql.NEXT_JUDGING)))

    async def start_judging(self, job_id: JobId, preparation: Preparation) -> None:
        await self._update(
            job_id,
            state=AssessmentState.JUDGING,
            started_at=func.now(),
            next_check_at=func.now(),
            grade_scale=preparation.grade_scale,
            instructions=preparation.context.instructions,
            rubric=preparation.context.rubric,
            student_prompt=preparation.context.student_prompt,
            judges=_judge_rows(preparation.judges),
            seed=preparation.seed,
        )

    async def check_after(self, job_id: JobId, delay: timedelta) -> None:
        await self._update(job_id, next_check_at=func.now() + delay)

    async def wait_for_round(
        self, job_id: JobId, *, last_round: int, awaited_round: int, next_check_at: datetime
    ) -> None:
        await self._update(
            job_id, last_round=last_round, awaited_round=awaited_round, next_check_at=next_check_at
        )

    async def end(
        self,
        job_id: JobId,
        *,
        state: AssessmentState,
        stop_reason: StopReason,
        result: WireModel | None,
        error: ErrorDetail | None,
        result_ref: str | None = None,
    ) -> None:
        await self._update(
            job_id,
            state=state,
            stop_reason=stop_reason,
            ended_at=func.now(),
            result=None if result is None else result.model_dump(mode="json"),
            error=None if error is None else error.model_dump(mode="json"),
            result_ref=result_ref,
        )
        await self._connection.execute(sql.ABANDON, {"job_id": job_id})
        await self.clear_problem([job_id])

    async def newest(
        self, *, state: AssessmentState | None, before: tuple[datetime, JobId] | None, limit: int
    ) -> Sequence[BatchRecord]:
        place = (assessment_batch.c.received_at, assessment_batch.c.id)
        chosen = select(*_RECORD).order_by(*(column.desc() for column in place)).limit(limit)
        if state is not None:
            chosen = chosen.where(assessment_batch.c.state == state)
        if before is not None:
            chosen = chosen.where(tuple_(*place) < tuple_(*map(literal, before)))
        return [BatchRecord(**_fields(row)) for row in await self._connection.execute(chosen)]

    async def cancel(self, batch_id: BatchId) -> bool:
        cancelled = await self._connection.execute(sql.CANCEL, {"batch_id": batch_id})
        job_id = cancelled.scalar()
        if job_id is None:
            return False
        await self._connection.execute(sql.RETRY_NOW, {"job_id": job_id})
        return True

    async def context(self, job_id: JobId) -> JudgeContext:
        row = (await self._connection.execute(select(*_CONTEXT).where(assessment_batch.c.id == job_id))).one()
        return JudgeContext(
            instructions=row.instructions, rubric=row.rubric, student_prompt=row.student_prompt
        )

    async def result(self, job_id: JobId) -> AssessmentResultV1 | None:
        found = await self._connection.scalar(
            select(assessment_batch.c.result).where(assessment_batch.c.id == job_id)
        )
        return None if found is None else AssessmentResultV1.model_validate(found)

    async def error(self, job_id: JobId) -> ErrorDetail | None:
        found = await self._connection.scalar(
            select(assessment_batch.c.error).where(assessment_batch.c.id == job_id)
        )
        return None if found is None else ErrorDetail.model_validate(found)

    async def report_problem(self, job_ids: Collection[JobId], *, code: str, message: str) -> None:
        await self._connection.execute(
            sql.REPORT_PROBLEM, {"job_ids": list(job_ids), "code": code, "message": message}
        )

    async def clear_problem(self, job_ids: Collection[JobId]) -> None:
        await self._connection.execute(sql.CLEAR_PROBLEM, {"job_ids": list(job_ids)})

    async def problem(self, job_id: JobId) -> BatchProblem | None:
        for statement in (sql.REPORTED_PROBLEM, sql.FAILING_STEP, sql.FAILING_JUDGEMENTS):
            row = (await self._connection.execute(statement, {"job_id": job_id})).first()
            if row is not None:
                return BatchProblem(
                    code=row.code,
                    message=row.message or NO_REASON,
                    since=row.since,
                    comparisons=row.comparisons,
                    is_judging=statement is sql.FAILING_JUDGEMENTS,
                )
        return None

    async def take_unreported(self, *, limit: int) -> Due[JobId]:
        rows = await self._connection.execute(sql.TAKE_UNREPORTED, {"limit": limit})
        keys = [JobId(key) for key in rows.scalars()]
        return Due(keys=keys, rest_seconds=0 if keys else None)

    async def ended(self, job_id: JobId) -> BatchRecord | None:
        rows = await self._connection.execute(
            select(*_RECORD).where(assessment_batch.c.id == job_id, assessment_batch.c.ended_at.is_not(None))
        )
        row = rows.first()
        return None if row is None else BatchRecord(**_fields(row))

    async def mark_reported(self, job_id: JobId, *, billed: int) -> int | None:
        new = await self._connection.execute(sql.MARK_REPORTED, {"job_id": job_id, "billed": billed})
        return new.scalar()

    async def reopen(self, job_id: JobId) -> bool:
        reopened = (await self._connection.execute(sql.REOPEN, {"job_id": job_id})).rowcount > 0
        if reopened:
            await self._connection.execute(sql.REQUEUE_ABANDONED, {"job_id": job_id})
        return reopened

    async def _update(self, job_id: JobId, **values: object) -> None:
        await self._connection.execute(
            update(assessment_batch).where(assessment_batch.c.id == job_id).values(**values)
        )


def _columns(batch: Batch) -> Mapping[str, object]:
    return {
        "id": batch.job_id,
        "batch_id": batch.batch_id,
        "request_sha256": batch.request_sha256,
        "correlation_id": batch.correlation_id,
        "request": batch.request.model_dump(mode="json"),
        "course_code": batch.course_code,
        "user_id": batch.user_id,
        "org_id": batch.org_id,
        "max_comparisons": batch.limits.max_comparisons,
        "max_cost_usd": batch.limits.max_cost_usd,
        "target_reliability": batch.limits.target_reliability,
        "deadline": batch.limits.deadline,
        "callback_url": batch.callback_url,
        "allowed_regions": None if batch.allowed_regions is None else ",".join(batch.allowed_regions),
        "is_relaxed": batch.is_relaxed,
        "state": batch.state,
        "assignment_id": batch.assignment_id,
        "judges": _judge_rows(batch.judges),
        "received_at": batch.received_at,
        **_trace_columns(batch.trace),
    }


def _trace_columns(trace: TraceContext | None) -> Mapping[str, str | None]:
    return {
        "traceparent": None if trace is None else trace.traceparent,
        "tracestate": None if trace is None else trace.tracestate,
    }


def _judge_rows(judges: Sequence[Judge]) -> object:
    return _JUDGES.dump_python(tuple(judges), mode="json")


@lru_cache(maxsize=64)
def _cached_request(text: str) -> ELS_CJAssessmentRequestV1:
    """The request of a batch, which is read for every decision and never changes: parsed once."""
    return ELS_CJAssessmentRequestV1.model_validate_json(text)


def _fields(row: Row[Any]) -> dict[str, Any]:
    """The fields of a ``BatchRecord``."""
    return {
        "job_id": JobId(row.id),
        "batch_id": BatchId(row.batch_id),
        "correlation_id": row.correlation_id,
        "request_sha256": row.request_sha256,
        "assignment_id": row.assignment_id,
        "course_code": CourseCode(row.course_code),
        "user_id": row.user_id,
        "org_id": row.org_id,
        "limits": Limits(
            max_comparisons=row.max_comparisons,
            max_cost_usd=row.max_cost_usd,
            target_reliability=row.target_reliability,
            deadline=row.deadline,
        ),
        "callback_url": row.callback_url,
        "state": AssessmentState(row.state),
        "grade_scale": row.grade_scale,
        "seed": row.seed,
        "received_at": row.received_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "cancelled_at": row.cancelled_at,
        "last_round": row.last_round,
        "next_check_at": row.next_check_at,
        "stop_reason": None if row.stop_reason is None else StopReason(row.stop_reason),
        "allowed_regions": None if row.allowed_regions is None else tuple(row.allowed_regions.split(",")),
        "is_relaxed": row.is_relaxed,
        "trace": TraceContext.of(row.traceparent, row.tracestate),
    }
