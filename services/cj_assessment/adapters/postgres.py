"""The service's database: every query of the use cases, set-based, one commit a unit of work."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from event_contracts import (
    AssessmentResultV1,
    AssessmentState,
    ComparisonPage,
    ComparisonState,
    ComparisonView,
    ELS_CJAssessmentRequestV1,
    ErrorDetail,
    EventEnvelope,
    ForecastView,
    GateView,
    Winner,
    WireModel,
)
from pydantic import TypeAdapter
from service_kit.messaging.inbox import claim_events
from service_kit.messaging.outbox import bus_message, callback_message, enqueue
from service_kit.storage.database import Database, named_rows
from sqlalchemy import Row, Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters import sql
from cj_assessment.adapters.tables import (
    anchor_essay,
    assessment_batch,
    assessment_instruction,
    batch_essay,
    comparison,
    content,
    score_snapshot,
)
from cj_assessment.domain.batch import (
    Anchor,
    Batch,
    BatchId,
    ContextOrigin,
    Essay,
    Instruction,
    JobId,
    Judge,
    Limits,
    Preparation,
)
from cj_assessment.domain.comparison import (
    RETRYABLE,
    Answer,
    Asked,
    AttemptId,
    AttemptPolicy,
    ComparisonId,
    PlannedComparison,
    UnsentAttempt,
    attempt_id,
)
from cj_assessment.domain.deciding import Measured, Spending
from cj_assessment.domain.prompt import JudgeContext
from cj_assessment.domain.texts import Signal
from cj_assessment.ports import EssayCounts, Progress, Recorded, Refusal, Score

_JUDGES = TypeAdapter(tuple[Judge, ...])
_GATES = TypeAdapter(Mapping[str, GateView])
# Requests and results are long: a result is read by itself, and a request, which never changes, as its text.
_BATCH = [
    *(column for column in assessment_batch.c if column.name not in ("request", "result")),
    cast(assessment_batch.c.request, Text).label("request_text"),
]
_WITHOUT_TEXT = [column for column in batch_essay.c if column.name != "body"]


class PostgresStore:
    """Opens transactions; the relays are woken after each commit that announced something."""

    def __init__(self, database: Database, *, wake_relays: Callable[[], None]) -> None:
        self._database = database
        self._wake_relays = wake_relays

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        async with self._database.transaction() as connection:
            transaction = PostgresTransaction(connection)
            yield transaction
        if transaction.has_announced:
            self._wake_relays()


class PostgresTransaction:
    """Implements ``ports.Transaction`` on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.has_announced = False

    async def claim_events(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        return await claim_events(self._connection, consumer=consumer, event_ids=event_ids)

    async def announce(
        self, events: Sequence[EventEnvelope[Any]], *, callback_url: str | None = None
    ) -> None:
        messages = [bus_message(event, key=event.key) for event in events]
        if callback_url is not None:
            messages += [callback_message(event, url=callback_url) for event in events]
        await enqueue(self._connection, messages)
        self.has_announced = True

    # content and anchors

    async def put_content(self, *, storage_id: str, body: bytes) -> None:
        row = {"storage_id": storage_id, "body": body}
        await self._connection.execute(upsert(content).values(row).on_conflict_do_nothing())

    async def contents(self, storage_ids: Sequence[str]) -> Mapping[str, bytes]:
        rows = await self._connection.execute(
            select(content.c.storage_id, content.c.body).where(content.c.storage_id.in_(storage_ids))
        )
        return {row.storage_id: row.body for row in rows}

    async def put_anchor(self, anchor: Anchor, *, assignment_id: str) -> int:
        row = {
            "assignment_id": assignment_id,
            "anchor_label": anchor.label,
            "grade_scale": anchor.grade_scale,
            "grade": anchor.grade,
            "text_storage_id": anchor.text_storage_id,
        }
        statement = upsert(anchor_essay).values(row)
        replaced = {name: statement.excluded[name] for name in ("grade", "text_storage_id")}
        numbers = await self._connection.execute(
            statement.on_conflict_do_update(constraint="anchor_essay_label", set_=replaced).returning(
                anchor_essay.c.id
            )
        )
        return int(numbers.scalar_one())

    async def anchors(self, assignment_id: str) -> Sequence[Anchor]:
        rows = await self._connection.execute(
            select(anchor_essay)
            .where(anchor_essay.c.assignment_id == assignment_id)
            .order_by(anchor_essay.c.anchor_label)
        )
        return [_anchor(row) for row in rows]

    async def instruction(self, *, assignment_id: str | None, course_id: str) -> Instruction | None:
        rows = await self._connection.execute(
            select(assessment_instruction)
            .where(
                (assessment_instruction.c.assignment_id == assignment_id)
                | (assessment_instruction.c.course_id == course_id)
            )
            .order_by(assessment_instruction.c.assignment_id.is_(None))
            .limit(1)
        )
        row = rows.first()
        return None if row is None else _instruction(row)

    # batches

    async def add_batch(self, batch: Batch, essays: Sequence[Essay]) -> bool:
        statement = upsert(assessment_batch).values(_batch_columns(batch)).on_conflict_do_nothing()
        if (await self._connection.execute(statement)).rowcount == 0:
            return False
        await self._connection.execute(sql.PUT_ESSAYS, _essay_arrays(essays, batch.job_id))
        return True

    async def batch(self, batch_id: BatchId) -> Batch | None:
        rows = await self._connection.execute(select(*_BATCH).where(assessment_batch.c.batch_id == batch_id))
        row = rows.first()
        return None if row is None else _batch(row)

    async def context(self, job_id: JobId) -> JudgeContext:
        row = (
            await self._connection.execute(
                select(
                    assessment_batch.c.instructions,
                    assessment_batch.c.rubric,
                    assessment_batch.c.student_prompt,
                ).where(assessment_batch.c.id == job_id)
            )
        ).one()
        return JudgeContext(
            instructions=row.instructions, rubric=row.rubric, student_prompt=row.student_prompt
        )

    async def essays(self, job_id: JobId) -> tuple[Essay, ...]:
        rows = await self._connection.execute(
            select(*_WITHOUT_TEXT).where(batch_essay.c.batch == job_id).order_by(batch_essay.c.item)
        )
        return tuple(_essay(row, text=None) for row in named_rows(rows))

    async def count_essays(self, job_id: JobId) -> EssayCounts:
        students = batch_essay.c.anchor_grade.is_(None)
        counted = select(
            func.count().filter(students).label("students"),
            func.count().filter(~students).label("anchors"),
            func.count().filter(batch_essay.c.problem.is_(None)).label("usable"),
        ).where(batch_essay.c.batch == job_id)
        return EssayCounts(**(await self._connection.execute(counted)).mappings().one())

    async def essays_with_texts(self, job_id: JobId) -> tuple[Essay, ...]:
        rows = await self._connection.execute(
            select(batch_essay).where(batch_essay.c.batch == job_id).order_by(batch_essay.c.item)
        )
        return tuple(_essay(row, text=row["body"]) for row in named_rows(rows))

    async def take_accepted(self, *, limit: int, lease: timedelta) -> Sequence[Batch]:
        rows = await self._connection.execute(sql.TAKE_ACCEPTED, {"limit": limit, "lease": lease})
        return [_batch(row) for row in rows]

    async def lock_batch(self, job_id: JobId) -> Batch | None:
        rows = await self._connection.execute(
            select(*_BATCH)
            .where(assessment_batch.c.id == job_id, assessment_batch.c.ended_at.is_(None))
            .with_for_update(skip_locked=True)
        )
        row = rows.first()
        return None if row is None else _batch(row)

    async def start_judging(self, job_id: JobId, preparation: Preparation) -> None:
        await self._connection.execute(
            update(assessment_batch)
            .where(assessment_batch.c.id == job_id)
            .values(
                state=AssessmentState.JUDGING,
                started_at=func.now(),
                check_at=func.now(),
                grade_scale=preparation.grade_scale,
                instructions=preparation.context.instructions,
                rubric=preparation.context.rubric,
                student_prompt=preparation.context.student_prompt,
                judges=_judge_rows(preparation.judges),
                seed=preparation.seed,
            )
        )
        await self._connection.execute(sql.PUT_ESSAYS, _essay_arrays(preparation.essays, job_id))

    async def due_batches(self, *, limit: int) -> Sequence[JobId]:
        rows = await self._connection.execute(sql.DUE_BATCHES, {"limit": limit})
        return [JobId(job_id) for job_id in rows.scalars()]

    async def asked(self, job_id: JobId) -> Sequence[Asked]:
        rows = await self._connection.execute(
            select(*(comparison.c[name] for name in Asked._fields))
            .where(comparison.c.batch == job_id)
            .order_by(comparison.c.id)
        )
        return [Asked._make(row) for row in rows]

    async def spending(self, job_id: JobId) -> Spending:
        row = (await self._connection.execute(sql.SPENDING, {"job": job_id})).one()
        return Spending(
            cost_usd=row.cost,
            reserved_usd=row.reserved,
            pending_usd=row.pending,
            outstanding=row.outstanding,
            answered=row.answered,
        )

    async def progress(self, job_id: JobId) -> Progress:
        row = (await self._connection.execute(sql.PROGRESS, {"job": job_id})).first()
        if row is None:
            return Progress.nothing_asked()
        return Progress(
            pending=row.pending,
            submitted=row.submitted,
            judged=row.judged,
            failed=row.failed,
            abandoned=row.abandoned,
            cost_usd=row.cost,
            prices_known=row.prices_known,
            last_judged_at=row.last_judged_at,
        )

    async def add_round(
        self, job_id: JobId, *, number: int, pairs: Sequence[PlannedComparison], caps: Sequence[Decimal]
    ) -> None:
        await self._connection.execute(
            sql.ADD_ROUND,
            {
                "job": job_id,
                "round": number,
                "slots_a": [pair.slot_a for pair in pairs],
                "slots_b": [pair.slot_b for pair in pairs],
                "repetitions": [pair.repetition for pair in pairs],
                "reasons": [pair.chosen_by for pair in pairs],
                "assigned": [pair.assigned for pair in pairs],
                "caps": [caps[pair.assigned] for pair in pairs],
            },
        )

    async def wait_for_round(
        self, job_id: JobId, *, last_round: int, due_round: int, check_at: datetime
    ) -> None:
        await self._connection.execute(
            update(assessment_batch)
            .where(assessment_batch.c.id == job_id)
            .values(last_round=last_round, due_round=due_round, check_at=check_at)
        )

    async def add_score(self, job_id: JobId, measured: Measured, *, decision: str) -> None:
        await self._connection.execute(
            sql.ADD_SCORE,
            {
                "batch": job_id,
                "comparisons": measured.comparisons,
                "theta": list(measured.theta),
                "standard_error": list(measured.standard_error),
                "tau": measured.tau,
                "eb": measured.eb_reliability,
                "ssr": measured.ssr,
                "ssr_prime": measured.ssr_prime,
                "position_bias": orjson.dumps(measured.position_bias).decode(),
                "gates": _GATES.dump_json(measured.gates).decode(),
                "forecast": measured.forecast.model_dump_json() if measured.forecast else None,
                "decision": decision,
            },
        )

    async def latest_score(self, job_id: JobId) -> Score | None:
        rows = await self._connection.execute(
            select(score_snapshot)
            .where(score_snapshot.c.batch == job_id)
            .order_by(score_snapshot.c.number.desc())
            .limit(1)
        )
        row = rows.first()
        return None if row is None else _score(row)

    async def end_batch(
        self,
        job_id: JobId,
        *,
        state: AssessmentState,
        stop_reason: str,
        result: WireModel | None,
        error: ErrorDetail | None,
    ) -> None:
        await self._connection.execute(
            update(assessment_batch)
            .where(assessment_batch.c.id == job_id)
            .values(
                state=state,
                stop_reason=stop_reason,
                ended_at=func.now(),
                result=None if result is None else result.model_dump(mode="json"),
                error=None if error is None else error.model_dump(mode="json"),
            )
        )
        await self._connection.execute(sql.ABANDON, {"job": job_id})

    async def result(self, job_id: JobId) -> AssessmentResultV1 | None:
        found = await self._connection.scalar(
            select(assessment_batch.c.result).where(assessment_batch.c.id == job_id)
        )
        return None if found is None else AssessmentResultV1.model_validate(found)

    async def comparisons_page(self, batch: Batch, *, after: int, limit: int) -> ComparisonPage:
        rows = (
            await self._connection.execute(
                sql.COMPARISONS_PAGE, {"job": batch.job_id, "after": after, "limit": limit}
            )
        ).all()
        total = await self._connection.scalar(
            select(func.count()).select_from(comparison).where(comparison.c.batch == batch.job_id)
        )
        return ComparisonPage(
            batch_id=batch.batch_id,
            total=total or 0,
            items=tuple(_comparison_view(row) for row in rows),
            next_cursor=str(rows[-1].id) if len(rows) == limit else None,
        )

    async def cancel(self, batch_id: BatchId) -> bool:
        cancelled = await self._connection.execute(
            update(assessment_batch)
            .where(assessment_batch.c.batch_id == batch_id, assessment_batch.c.ended_at.is_(None))
            .values(
                cancelled_at=func.coalesce(assessment_batch.c.cancelled_at, func.now()),
                check_at=func.now(),
            )
        )
        return cancelled.rowcount > 0

    # comparisons

    async def start_attempts(self, *, limit: int, policy: AttemptPolicy) -> Sequence[UnsentAttempt]:
        held = (await self._connection.execute(sql.HOLD_CAPPED)).scalars().all()
        pending = (
            await self._connection.execute(sql.TAKE_PENDING, {"limit": limit, "held": list(held)})
        ).all()
        if not pending:
            return ()
        rows = await self._connection.execute(
            sql.START_ATTEMPTS,
            {
                "ids": [attempt_id(ComparisonId(row.id), row.attempts) for row in pending],
                "comparisons": [row.id for row in pending],
                "batches": [row.batch for row in pending],
                "numbers": [row.attempts for row in pending],
                "reserves": [row.cap_usd for row in pending],
                "lease": policy.resend_after,
                "within": policy.answer_within,
            },
        )
        return [_unsent(row) for row in named_rows(rows)]

    async def take_unsent(self, *, limit: int, policy: AttemptPolicy) -> Sequence[UnsentAttempt]:
        rows = await self._connection.execute(sql.TAKE_UNSENT, {"limit": limit, "lease": policy.resend_after})
        return [_unsent(row) for row in named_rows(rows)]

    async def mark_sent(self, request_ids: Mapping[AttemptId, str]) -> None:
        await self._connection.execute(
            sql.MARK_SENT, {"ids": list(request_ids), "request_ids": list(request_ids.values())}
        )

    async def mark_refused(self, refusals: Sequence[Refusal]) -> None:
        await self._connection.execute(
            sql.MARK_REFUSED,
            {
                "ids": [refusal.attempt_id for refusal in refusals],
                "codes": [refusal.error_code for refusal in refusals],
                "messages": [refusal.message for refusal in refusals],
            },
        )

    async def record_answers(self, answers: Sequence[Answer], *, policy: AttemptPolicy) -> Recorded:
        if not answers:
            return Recorded(new=0, repeated=0, unknown=0, late=0)
        rows = named_rows(await self._connection.execute(sql.RECORD_ANSWERS, _answer_arrays(answers)))
        new = [row["id"] for row in rows if row["recorded"]]
        await self._connection.execute(sql.SETTLE_JUDGED, {"ids": new})
        await self._settle_unanswered(new, policy)
        return Recorded(
            new=len(new),
            repeated=sum(row["known"] and not row["recorded"] for row in rows),
            unknown=sum(not row["known"] for row in rows),
            late=sum(row["late"] for row in rows),
        )

    async def take_withdrawn(self, *, limit: int) -> Mapping[AttemptId, str]:
        rows = await self._connection.execute(sql.TAKE_WITHDRAWN, {"limit": limit})
        return {AttemptId(row.id): row.request_id for row in rows}

    async def mark_withdrawn(self, attempts: Sequence[AttemptId]) -> None:
        if attempts:
            await self._connection.execute(sql.MARK_WITHDRAWN, {"ids": list(attempts)})

    async def expire_attempts(self, *, limit: int, policy: AttemptPolicy) -> int:
        rows = await self._connection.execute(sql.EXPIRE_ATTEMPTS, {"limit": limit})
        expired = list(rows.scalars())
        await self._settle_unanswered(expired, policy)
        return len(expired)

    async def _settle_unanswered(self, attempts: Sequence[AttemptId], policy: AttemptPolicy) -> None:
        await self._connection.execute(
            sql.SETTLE_UNANSWERED,
            {
                "ids": attempts,
                "max_attempts": policy.max_attempts,
                "pause": policy.first_pause,
                "retryable": sorted(RETRYABLE),
            },
        )


def _unsent(row: Mapping[str, Any]) -> UnsentAttempt:
    return UnsentAttempt(
        attempt_id=AttemptId(row["id"]),
        batch_id=BatchId(row["batch_id"]),
        job_id=JobId(row["job_id"]),
        item_a=row["slot_a"],
        item_b=row["slot_b"],
        repetition=row["repetition"],
        assigned=row["assigned"],
    )


def _answer_arrays(answers: Sequence[Answer]) -> dict[str, list[object]]:
    return {
        "ids": [answer.attempt_id for answer in answers],
        "winners": [answer.winner for answer in answers],
        "justifications": [answer.justification for answer in answers],
        "confidences": [answer.confidence for answer in answers],
        "error_codes": [answer.error_code for answer in answers],
        "error_messages": [answer.error_message for answer in answers],
        "providers": [answer.provider for answer in answers],
        "models": [answer.model for answer in answers],
        "prompt_tokens": [answer.prompt_tokens for answer in answers],
        "completion_tokens": [answer.completion_tokens for answer in answers],
        "costs": [answer.cost_usd for answer in answers],
        "prices_known": [answer.price_known for answer in answers],
        "times": [answer.response_time_ms for answer in answers],
        "prompts": [answer.prompt_sha256 for answer in answers],
        "ended": [answer.ended_at for answer in answers],
    }


def _batch_columns(batch: Batch) -> dict[str, object]:
    return {
        "id": batch.job_id,
        "batch_id": batch.batch_id,
        "request_sha256": batch.request_sha256,
        "correlation_id": batch.correlation_id,
        "request": batch.request.model_dump(mode="json"),
        "max_comparisons": batch.limits.max_comparisons,
        "max_cost_usd": batch.limits.max_cost_usd,
        "target_reliability": batch.limits.target_reliability,
        "deadline": batch.limits.deadline,
        "callback_url": batch.callback_url,
        "state": batch.state,
        "assignment_id": batch.request.assignment_id,
        "judges": _judge_rows(batch.judges),
        "received_at": batch.received_at,
    }


def _judge_rows(judges: Sequence[Judge]) -> object:
    return _JUDGES.dump_python(tuple(judges), mode="json")


@lru_cache(maxsize=64)
def _request(text: str) -> ELS_CJAssessmentRequestV1:
    """The request of a batch, which is looked at many times."""
    return ELS_CJAssessmentRequestV1.model_validate_json(text)


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        job_id=JobId(row.id),
        batch_id=BatchId(row.batch_id),
        correlation_id=row.correlation_id,
        request=_request(row.request_text),
        request_sha256=row.request_sha256,
        limits=Limits(
            max_comparisons=row.max_comparisons,
            max_cost_usd=row.max_cost_usd,
            target_reliability=row.target_reliability,
            deadline=row.deadline,
        ),
        callback_url=row.callback_url,
        state=AssessmentState(row.state),
        judges=_JUDGES.validate_python(row.judges),
        grade_scale=row.grade_scale,
        seed=row.seed,
        received_at=row.received_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        cancelled_at=row.cancelled_at,
        last_round=row.last_round,
        check_at=row.check_at,
        stop_reason=row.stop_reason,
        error=None if row.error is None else ErrorDetail.model_validate(row.error),
    )


def _essay_arrays(essays: Sequence[Essay], job_id: JobId) -> dict[str, object]:
    return {
        "batch": job_id,
        "items": [essay.item for essay in essays],
        "essay_ids": [essay.essay_id for essay in essays],
        "text_storage_ids": [essay.text_storage_id for essay in essays],
        "anchor_grades": [essay.anchor_grade for essay in essays],
        "bodies": [essay.text for essay in essays],
        "problems": [essay.problem for essay in essays],
        "signals": [",".join(essay.signals) for essay in essays],
        "hidden_characters": [essay.hidden_characters for essay in essays],
    }


def _essay(row: Mapping[str, Any], *, text: str | None) -> Essay:
    return Essay(
        item=row["item"],
        essay_id=row["essay_id"],
        text_storage_id=row["text_storage_id"],
        anchor_grade=row["anchor_grade"],
        text=text,
        problem=row["problem"],
        signals=tuple(Signal(signal) for signal in row["signals"]),
        hidden_characters=row["hidden_characters"],
    )


def _anchor(row: Row[Any]) -> Anchor:
    return Anchor(
        number=row.id,
        label=row.anchor_label,
        grade=row.grade,
        grade_scale=row.grade_scale,
        text_storage_id=row.text_storage_id,
        created_at=row.created_at,
    )


def _instruction(row: Row[Any]) -> Instruction:
    return Instruction(
        assignment_id=row.assignment_id,
        instructions_text=row.instructions_text,
        grade_scale=row.grade_scale,
        context_origin=ContextOrigin(row.context_origin),
        student_prompt_storage_id=row.student_prompt_storage_id,
        judge_rubric_storage_id=row.judge_rubric_storage_id,
    )


def _score(row: Row[Any]) -> Score:
    return Score(
        number=row.number,
        comparisons=row.comparisons,
        theta=tuple(row.theta),
        standard_error=tuple(row.standard_error),
        tau=row.tau,
        eb_reliability=row.eb_reliability,
        ssr=row.ssr,
        ssr_prime=row.ssr_prime,
        gates=_GATES.validate_python(row.gates),
        forecast=None if row.forecast is None else ForecastView.model_validate(row.forecast),
    )


def _comparison_view(row: Row[Any]) -> ComparisonView:
    winner = None if row.a_won is None else (Winner.ESSAY_A if row.a_won else Winner.ESSAY_B)
    return ComparisonView(
        comparison_id=str(row.id),
        essay_a_id=row.essay_a_id,
        essay_b_id=row.essay_b_id,
        round=row.round,
        state=ComparisonState(row.state),
        winner=winner,
        justification=row.justification,
        confidence=row.confidence,
        provider=row.provider,
        model=row.model,
        attempts=row.attempts,
        cost_usd=row.cost or Decimal(0),
        prompt_sha256=row.prompt_sha256,
        error_code=row.error_code,
        judged_at=row.judged_at,
    )
