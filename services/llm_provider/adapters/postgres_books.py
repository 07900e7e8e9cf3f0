"""What was called and paid, in PostgreSQL: every call, and totals that are kept in the same transactions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date
from decimal import Decimal
from itertools import groupby
from typing import Final

from event_contracts import LLMCostAlertV1
from sqlalchemy import ColumnElement, Row, Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.tables import cost_alert, provider_call, spending
from llm_provider.domain.calls import Call
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

# Rows are locked in the order of their key, so that two transactions that add to the same totals do not deadlock.
_ADD = text(
    """
    INSERT INTO spending (day, provider, model, user_id, batch_id, calls, answered, unpriced_calls,
                          input_tokens, output_tokens, cost_usd)
    SELECT * FROM unnest(
        CAST(:day AS date[]), CAST(:provider AS text[]), CAST(:model AS text[]), CAST(:user_id AS text[]),
        CAST(:batch_id AS text[]), CAST(:calls AS bigint[]), CAST(:answered AS bigint[]),
        CAST(:unpriced_calls AS bigint[]), CAST(:input_tokens AS bigint[]), CAST(:output_tokens AS bigint[]),
        CAST(:cost_usd AS numeric[])
    ) AS added (day, provider, model, user_id, batch_id)
    ORDER BY day, provider, model, user_id, batch_id
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


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Key:
    day: date
    provider: str
    model: str
    user_id: str
    batch_id: str


class PostgresBooks:
    """The books, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def record(self, calls: Sequence[Call]) -> None:
        if not calls:
            return
        written = await self._connection.execute(
            insert(provider_call)
            .on_conflict_do_nothing(index_elements=["request", "attempt"])
            .returning(provider_call.c.request, provider_call.c.attempt),
            [_columns(call) for call in calls],
        )
        new = {(row.request, row.attempt) for row in written}
        await self._add([call for call in calls if (call.queue_id, call.taken.attempts) in new])

    async def _add(self, calls: Sequence[Call]) -> None:
        rows = [
            {**asdict(key), **_sums(list(made))} for key, made in groupby(sorted(calls, key=_key), key=_key)
        ]
        if rows:
            await self._connection.execute(_ADD, {name: [row[name] for row in rows] for name in rows[0]})

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


def _columns(call: Call) -> dict[str, object]:
    return {
        "request": call.queue_id,
        "attempt": call.taken.attempts,
        "provider": call.provider,
        "model": call.model,
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "outcome": call.outcome,
        "in_batch": call.in_batch,
        "vendor_request_id": call.vendor_request_id,
        **{f"{name}_tokens": count for name, count in asdict(call.tokens).items()},
        "cost_usd": call.cost.usd,
        "price_list": call.cost.price_list,
    }


def _key(call: Call) -> _Key:
    request = call.taken.request
    return _Key(
        day=call.ended_at.astimezone(UTC).date(),
        provider=call.provider,
        model=request.parameters.model,
        user_id=request.user_id or "",
        batch_id=request.batch_id or "",
    )


def _sums(calls: Sequence[Call]) -> dict[str, int | Decimal]:
    return {
        "calls": len(calls),
        "answered": sum(call.error is None for call in calls),
        "unpriced_calls": sum(not call.cost.is_known for call in calls),
        "input_tokens": sum(call.tokens.input for call in calls),
        "output_tokens": sum(call.tokens.output for call in calls),
        "cost_usd": sum((call.cost.known_usd for call in calls), Decimal(0)),
    }


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
