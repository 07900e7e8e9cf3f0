"""The comparisons of batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cj_measurement import Reason
from event_contracts import ComparisonPage, ComparisonState, ComparisonView, LogOdds, Winner
from service_kit.storage.rows import RowCodec
from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.tables import comparison
from cj_assessment.domain.batch import BatchRecord, JobId
from cj_assessment.domain.comparison import Asked, PlannedComparison
from cj_assessment.domain.deciding import Spending
from cj_assessment.ports import Progress

_STATES = {state.value: state for state in ComparisonState}
"""Looked up for each of thousands of comparisons per decision: calling the enumeration takes three times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """A planned comparison with what it may cost at most."""

    planned: PlannedComparison
    cap_usd: Decimal


def _read(row: Mapping[str, Any]) -> _Priced:
    return _Priced(
        planned=PlannedComparison(
            slot_a=row["slot_a"],
            slot_b=row["slot_b"],
            repetition=row["repetition"],
            chosen_by=Reason(row["chosen_by"]),
            assigned=row["judge_index"],
        ),
        cap_usd=row["cap_usd"],
    )


_PLANNED = RowCodec[_Priced](
    comparison,
    write={
        "slot_a": lambda priced: priced.planned.slot_a,
        "slot_b": lambda priced: priced.planned.slot_b,
        "repetition": lambda priced: priced.planned.repetition,
        "chosen_by": lambda priced: priced.planned.chosen_by,
        "judge_index": lambda priced: priced.planned.assigned,
        "cap_usd": lambda priced: priced.cap_usd,
    },
    read=_read,
)
ADD_ROUND = text(
    f"""
    INSERT INTO comparison (job_id, round, {_PLANNED.columns})
    SELECT CAST(:job_id AS uuid), CAST(:round AS int), {_PLANNED.columns} FROM {_PLANNED.source} ORDER BY input_order
    """
)

# What an expired attempt cost is not known until its answer comes: its money stays reserved.
SPENDING = text(
    """
    SELECT coalesce(sum(cost_usd), 0) AS cost,
           coalesce(sum(reserved_usd) FILTER (WHERE outcome IS NULL OR outcome = 'expired'), 0) AS reserved,
           (SELECT coalesce(sum(cap_usd), 0) FROM comparison
            WHERE job_id = :job_id AND state = 'pending') AS pending,
           count(*) FILTER (WHERE outcome IS NULL) AS outstanding,
           count(*) FILTER (WHERE outcome = 'answered') AS answered,
           max(created_at) AS last_sent_at,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY response_time_ms) FILTER (WHERE outcome = 'answered')
               AS typical_ms
    FROM comparison_attempt WHERE job_id = :job_id
    """
)

STOPPING_CODES = text(
    "SELECT DISTINCT error_code FROM comparison_attempt"
    " WHERE job_id = :job_id AND stops_batch AND error_code IS NOT NULL"
)

PROGRESS = text(
    """
    SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
           count(*) FILTER (WHERE state = 'submitted') AS submitted,
           count(*) FILTER (WHERE state = 'judged') AS judged,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state = 'abandoned') AS abandoned,
           max(judged_at) AS last_judged_at, paid.cost, paid.prices_known
    FROM comparison,
         (SELECT coalesce(sum(cost_usd), 0) AS cost, coalesce(bool_and(price_known), true) AS prices_known
          FROM comparison_attempt WHERE job_id = :job_id) AS paid
    WHERE comparison.job_id = :job_id
    GROUP BY paid.cost, paid.prices_known
    """
)

COMPARISONS_PAGE = text(
    """
    SELECT comparison.id, comparison.round, comparison.state, comparison.a_won, comparison.attempts,
           comparison.judged_at, a.essay_id AS essay_a_id, b.essay_id AS essay_b_id,
           last.justification, last.confidence, last.margin, last.log_odds, last.provider, last.model,
           last.prompt_sha256, last.error_code, last.request_id, last.error_message,
           last.created_at AS requested_at, last.ended_at,
           comparison.judge_index, paid.cost, paid.prompt_tokens, paid.completion_tokens
    FROM comparison
    JOIN batch_essay AS a ON a.job_id = comparison.job_id AND a.item = comparison.slot_a
    JOIN batch_essay AS b ON b.job_id = comparison.job_id AND b.item = comparison.slot_b
    LEFT JOIN LATERAL (
        SELECT * FROM comparison_attempt AS attempt WHERE attempt.comparison_id = comparison.id
        ORDER BY outcome = 'answered' DESC NULLS LAST, number DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
        SELECT sum(cost_usd) AS cost, sum(prompt_tokens) AS prompt_tokens,
               sum(completion_tokens) AS completion_tokens
        FROM comparison_attempt AS attempt WHERE attempt.comparison_id = comparison.id
    ) AS paid ON true
    WHERE comparison.job_id = :job_id AND comparison.id > :after
    ORDER BY comparison.id LIMIT :limit
    """
)


class PostgresComparisons:
    """Implements ``ports.Comparisons``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def asked(self, job_id: JobId) -> Sequence[Asked]:
        names = ("judge_index" if name == "assigned" else name for name in Asked._fields)
        rows = await self._connection.execute(
            select(*(comparison.c[name] for name in names))
            .where(comparison.c.job_id == job_id)
            .order_by(comparison.c.id)
        )
        return [
            Asked(number, slot_a, slot_b, _STATES[state], *others)
            for number, slot_a, slot_b, state, *others in rows
        ]

    async def spending(self, job_id: JobId) -> Spending:
        row = (await self._connection.execute(SPENDING, {"job_id": job_id})).one()
        return Spending(
            cost_usd=row.cost,
            reserved_usd=row.reserved,
            pending_usd=row.pending,
            outstanding=row.outstanding,
            answered=row.answered,
            last_sent_at=row.last_sent_at,
            typical_answer=None if row.typical_ms is None else timedelta(milliseconds=row.typical_ms),
        )

    async def stopping_codes(self, job_id: JobId) -> frozenset[str]:
        return frozenset((await self._connection.execute(STOPPING_CODES, {"job_id": job_id})).scalars())

    async def progress(self, job_id: JobId) -> Progress:
        row = (await self._connection.execute(PROGRESS, {"job_id": job_id})).first()
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
        priced = [_Priced(planned=pair, cap_usd=caps[pair.assigned]) for pair in pairs]
        await self._connection.execute(
            ADD_ROUND, {"job_id": job_id, "round": number, **_PLANNED.parameters(priced)}
        )

    async def page(self, batch: BatchRecord, *, after: int, limit: int) -> ComparisonPage:
        rows = (
            await self._connection.execute(
                COMPARISONS_PAGE, {"job_id": batch.job_id, "after": after, "limit": limit}
            )
        ).all()
        total = await self._connection.scalar(
            select(func.count()).select_from(comparison).where(comparison.c.job_id == batch.job_id)
        )
        return ComparisonPage(
            batch_id=batch.batch_id,
            total=total or 0,
            items=tuple(_view(row) for row in rows),
            next_cursor=str(rows[-1].id) if len(rows) == limit else None,
        )


def _view(row: Row[Any]) -> ComparisonView:
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
        margin=row.margin,
        log_odds_a=None if row.log_odds is None else LogOdds.model_validate(row.log_odds),
        provider=row.provider,
        model=row.model,
        attempts=row.attempts,
        cost_usd=row.cost or Decimal(0),
        prompt_sha256=row.prompt_sha256,
        error_code=row.error_code,
        judged_at=row.judged_at,
        panel_place=row.judge_index,
        request_id=row.request_id,
        prompt_tokens=None if row.prompt_tokens is None else int(row.prompt_tokens),
        completion_tokens=None if row.completion_tokens is None else int(row.completion_tokens),
        requested_at=row.requested_at,
        ended_at=row.ended_at,
        failure_reason=row.error_message,
    )
