"""What was called and paid, in PostgreSQL: every call, and totals that are kept in the same transactions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from event_contracts import LLMCostAlertV1
from sqlalchemy import ColumnElement, Row, Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.tables import cost_alert, spending
from llm_provider.domain.calls import ANSWERED, Call
from llm_provider.domain.spending import CostGroup, CostQuery, PeriodCost, Total

_SUMS: Final = (
    func.sum(spending.c.calls).label("calls"),
    func.sum(spending.c.answered).label("answered"),
    func.sum(spending.c.unpriced_calls).label("unpriced_calls"),
    func.sum(spending.c.input_tokens).label("input_tokens"),
    func.sum(spending.c.output_tokens).label("output_tokens"),
    func.sum(spending.c.cost_usd).label("cost_usd"),
)
_GROUPS: Final = {group: spending.c[group.value] for group in CostGroup}

_CALL: Final = {
    "request": "uuid",
    "attempt": "integer",
    "provider": "text",
    "model": "text",
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
    "outcome": "text",
    "in_batch": "boolean",
    "vendor_request_id": "text",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "cache_read_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "cache_write_1h_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "cost_usd": "numeric",
    "price_list": "text",
}
_BILLED: Final = {"judge": "text", "user_id": "text", "batch_id": "text"}
"""Whom a call is counted for; ``judge`` is the model that was asked, whatever it calls itself in its answer."""

_GIVEN: Final = _CALL | _BILLED

# Only calls that are new to the books are added to the totals, whose rows are locked in the order of their key: two
# transactions that add to the same totals do not deadlock.
_RECORD = text(
    f"""
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _GIVEN.items())})
            AS given ({", ".join(_GIVEN)})
    ),
    written AS (
        INSERT INTO provider_call ({", ".join(_CALL)})
        SELECT {", ".join(_CALL)} FROM given
        ON CONFLICT (request, attempt) DO NOTHING
        RETURNING request, attempt
    )
    INSERT INTO spending (day, provider, model, user_id, batch_id, calls, answered, unpriced_calls,
                          input_tokens, output_tokens, cost_usd)
    SELECT (ended_at AT TIME ZONE 'UTC')::date, provider, judge, user_id, batch_id,
        count(*), count(*) FILTER (WHERE outcome = '{ANSWERED}'), count(*) FILTER (WHERE cost_usd IS NULL),
        sum(input_tokens), sum(output_tokens), coalesce(sum(cost_usd), 0)
    FROM given JOIN written USING (request, attempt)
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (day, provider, model, user_id, batch_id) DO UPDATE SET
        calls = spending.calls + excluded.calls,
        answered = spending.answered + excluded.answered,
        unpriced_calls = spending.unpriced_calls + excluded.unpriced_calls,
        input_tokens = spending.input_tokens + excluded.input_tokens,
        output_tokens = spending.output_tokens + excluded.output_tokens,
        cost_usd = spending.cost_usd + excluded.cost_usd
    """
)
_PERIOD_COSTS = text(
    """
    WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day)
    SELECT provider, to_char(today.day, 'YYYY-MM-DD') AS day, to_char(today.day, 'YYYY-MM') AS month,
        coalesce(sum(cost_usd) FILTER (WHERE spending.day = today.day), 0) AS today_usd,
        sum(cost_usd) AS month_usd
    FROM spending CROSS JOIN today
    WHERE spending.day >= date_trunc('month', today.day)::date
    GROUP BY provider, today.day
    """
)
_TODAY: Final = cast(func.timezone("UTC", func.now()), spending.c.day.type)


class PostgresBooks:
    """The books, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def record(self, calls: Sequence[Call]) -> None:
        if not calls:
            return
        rows = [_row(call) for call in calls]
        columns = dict(zip(_GIVEN, zip(*rows, strict=True), strict=True))
        await self._connection.execute(_RECORD, columns)

    async def totals(self, query: CostQuery) -> Sequence[Total]:
        group = cast(_GROUPS[query.by], Text).label("group")
        rows = await self._connection.execute(
            select(group, *_SUMS)
            .where(*_conditions(query))
            .group_by(group)
            .order_by(func.sum(spending.c.cost_usd).desc(), group)
        )
        return [_total(row) for row in rows]

    async def period_costs(self) -> Sequence[PeriodCost]:
        return [PeriodCost(**row._mapping) for row in await self._connection.execute(_PERIOD_COSTS)]

    async def today(self) -> Mapping[str, Total]:
        group = spending.c.provider.label("group")
        rows = await self._connection.execute(
            select(group, *_SUMS).where(spending.c.day == _TODAY).group_by(group)
        )
        return {row.group: _total(row) for row in rows}

    async def claim_alert(self, alert: LLMCostAlertV1) -> bool:
        claimed = await self._connection.execute(
            insert(cost_alert)
            .values(provider=alert.provider, alert_type=alert.alert_type, period=alert.period)
            .on_conflict_do_nothing()
        )
        return claimed.rowcount == 1


def _row(call: Call) -> tuple[object, ...]:
    """A call in the order of ``_GIVEN``."""
    request, tokens = call.taken.request, call.tokens
    return (
        call.queue_id,
        call.taken.attempts,
        call.provider,
        call.model,
        call.started_at,
        call.ended_at,
        call.outcome,
        call.in_batch,
        call.vendor_request_id,
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        tokens.cache_write_1h,
        tokens.reasoning,
        call.cost.usd,
        call.cost.price_list,
        request.parameters.model,
        request.user_id or "",
        request.batch_id or "",
    )


def _conditions(query: CostQuery) -> Iterable[ColumnElement[bool]]:
    if query.provider is not None:
        yield spending.c.provider == query.provider
    if query.user_id is not None:
        yield spending.c.user_id == query.user_id
    if query.batch_id is not None:
        yield spending.c.batch_id == query.batch_id
    if query.since is not None:
        yield spending.c.day >= query.since
    if query.until is not None:
        yield spending.c.day <= query.until


def _total(row: Row[tuple[object, ...]]) -> Total:
    counts = {name: int(value) for name, value in row._mapping.items() if name not in ("group", "cost_usd")}
    return Total(group=row.group, cost_usd=row.cost_usd, **counts)
