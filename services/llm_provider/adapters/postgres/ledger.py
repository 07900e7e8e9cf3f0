"""What was called and paid, in PostgreSQL: every call, and totals kept in the same transactions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from event_contracts import LLMCostAlertV1
from service_kit.storage.rows import RowCodec
from service_kit.work.failed_items import is_retryable_sql
from sqlalchemy import ColumnElement, Row, Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres.tables import cost_alert, provider_call, spending
from llm_provider.domain.calls.call import ANSWERED, Call
from llm_provider.domain.costs.cost import CostLimits
from llm_provider.domain.costs.spending import CostGroup, CostQuery, PeriodCost, Total
from llm_provider.ports.worker_names import RAISE_ALERTS

_SUMS: Final = (
    func.sum(spending.c.calls).label("calls"),
    func.sum(spending.c.answered).label("answered"),
    func.sum(spending.c.unpriced_calls).label("unpriced_calls"),
    func.sum(spending.c.input_tokens).label("input_tokens"),
    func.sum(spending.c.output_tokens).label("output_tokens"),
    func.sum(spending.c.cost_usd).label("cost_usd"),
)
_GROUPS: Final = {group: spending.c[group.value] for group in CostGroup}


def _never_read(row: Mapping[str, object]) -> Call:
    raise NotImplementedError(f"calls are read as sums only, not from rows: {sorted(row)}")


CALLS: Final = RowCodec[Call](
    table=provider_call,
    write={
        "request_id": lambda call: call.queue_id,
        "attempt": lambda call: call.leased.attempts,
        "provider": lambda call: call.provider,
        "model": lambda call: call.model,
        "started_at": lambda call: call.started_at,
        "ended_at": lambda call: call.ended_at,
        "outcome": lambda call: call.outcome_code,
        "in_batch": lambda call: call.in_batch,
        "vendor_request_id": lambda call: call.vendor_request_id,
        "input_tokens": lambda call: call.tokens.input,
        "output_tokens": lambda call: call.tokens.output,
        "cache_read_tokens": lambda call: call.tokens.cache_read,
        "cache_write_tokens": lambda call: call.tokens.cache_write,
        "cache_write_1h_tokens": lambda call: call.tokens.cache_write_1h,
        "reasoning_tokens": lambda call: call.tokens.reasoning,
        "cost_usd": lambda call: call.cost.usd,
        "price_list": lambda call: call.cost.price_list,
    },
    read=_never_read,
)
"""A call as it is written."""

_RECORD = text(
    f"""
    INSERT INTO provider_call ({CALLS.columns}) SELECT {CALLS.columns} FROM {CALLS.source} ORDER BY input_order
    ON CONFLICT (request_id, attempt) DO NOTHING
    RETURNING request_id, attempt
    """
)

# Rows are locked in the order of their key: two transactions that add to the same totals do not deadlock.
_ADD_UP = text(
    f"""
    INSERT INTO spending (day, provider, model, user_id, batch_id, calls, answered, unpriced_calls,
                          input_tokens, output_tokens, cost_usd)
    SELECT (ended_at AT TIME ZONE 'UTC')::date, provider, model, user_id, batch_id,
        count(*), count(*) FILTER (WHERE outcome = '{ANSWERED}'), count(*) FILTER (WHERE cost_usd IS NULL),
        sum(input_tokens), sum(output_tokens), coalesce(sum(cost_usd), 0)
    FROM unnest(CAST(:ended_at AS timestamptz[]), CAST(:providers AS text[]), CAST(:models AS text[]),
                CAST(:user_ids AS text[]), CAST(:batch_ids AS text[]), CAST(:outcomes AS text[]),
                CAST(:input_tokens AS bigint[]), CAST(:output_tokens AS bigint[]), CAST(:costs AS numeric[]))
        AS call (ended_at, provider, model, user_id, batch_id, outcome, input_tokens, output_tokens, cost_usd)
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
    WHERE spending.day >= date_trunc('month', today.day)::date AND provider = ANY(CAST(:providers AS text[]))
    GROUP BY provider, today.day
    """
)
# Providers with a limit that is exceeded and an alert for it that was not raised yet.
_OVER_LIMIT = text(
    f"""
    WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day),
    spent AS (
        SELECT provider, 'daily_limit' AS alert_type, to_char(today.day, 'YYYY-MM-DD') AS period,
            sum(cost_usd) AS usd, CAST(:daily AS numeric) AS threshold
        FROM spending JOIN today USING (day) GROUP BY provider, today.day
        UNION ALL
        SELECT provider, 'monthly_limit', to_char(today.day, 'YYYY-MM'), sum(cost_usd), CAST(:monthly AS numeric)
        FROM spending JOIN today ON spending.day >= date_trunc('month', today.day)::date
        GROUP BY provider, today.day
    )
    SELECT DISTINCT provider FROM spent
    WHERE usd > threshold
      AND NOT EXISTS (SELECT 1 FROM cost_alert WHERE cost_alert.provider = spent.provider
                      AND cost_alert.alert_type = spent.alert_type AND cost_alert.period = spent.period)
      AND {is_retryable_sql(RAISE_ALERTS, "provider")}
    """
)

_TODAY: Final = cast(func.timezone("UTC", func.now()), spending.c.day.type)


class PostgresLedger:
    """The ledger, in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def record(self, calls: Sequence[Call]) -> Sequence[Call]:
        if not calls:
            return ()
        rows = await self._connection.execute(_RECORD, CALLS.parameters(calls))
        new = {(row.request_id, row.attempt) for row in rows}
        return [call for call in calls if (call.queue_id, call.leased.attempts) in new]

    async def add_to_totals(self, calls: Sequence[Call]) -> None:
        if not calls:
            return
        await self._connection.execute(
            _ADD_UP,
            {
                "ended_at": [call.ended_at for call in calls],
                "providers": [call.provider for call in calls],
                "models": [call.requested_model for call in calls],
                "user_ids": [call.leased.request.user_id or "" for call in calls],
                "batch_ids": [call.leased.request.batch_id or "" for call in calls],
                "outcomes": [call.outcome_code for call in calls],
                "input_tokens": [call.tokens.input for call in calls],
                "output_tokens": [call.tokens.output for call in calls],
                "costs": [call.cost.usd for call in calls],
            },
        )

    async def totals(self, query: CostQuery) -> Sequence[Total]:
        group = cast(_GROUPS[query.by], Text).label("group")
        rows = await self._connection.execute(
            select(group, *_SUMS)
            .where(*_conditions(query))
            .group_by(group)
            .order_by(func.sum(spending.c.cost_usd).desc(), group)
        )
        return [_total(row) for row in rows]

    async def over_limit(self, limits: CostLimits) -> Sequence[str]:
        values = {"daily": limits.daily, "monthly": limits.monthly}
        return list((await self._connection.execute(_OVER_LIMIT, values)).scalars())

    async def period_costs(self, providers: Sequence[str]) -> Sequence[PeriodCost]:
        rows = await self._connection.execute(_PERIOD_COSTS, {"providers": list(providers)})
        return [PeriodCost(**row._mapping) for row in rows]

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
