"""Items that a worker could not handle: their errors and attempts, and those that were set aside for an operator."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Row, Table, Text, func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.telemetry.error_text import error_code, error_text


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """How often an item that fails is tried before it is set aside; the delay doubles from ``first_delay``."""

    max_attempts: int = 5
    first_delay: timedelta = timedelta(seconds=1)
    max_delay: timedelta = timedelta(minutes=5)
    forget_after: timedelta = timedelta(hours=1)
    """An item whose last failure is older than this starts to count again from one."""


DEFAULT_RETRY_RULES: Final = RetryRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem:
    """An item of one worker that failed: it is tried again at ``not_before``, unless it was set aside."""

    worker: str
    item: str
    attempts: int
    error_code: str
    error_message: str
    first_failed_at: datetime
    last_failed_at: datetime
    not_before: datetime
    set_aside_at: datetime | None


def failed_item_table(metadata: MetaData) -> Table:
    """Table ``failed_item``: one row per worker and item whose last attempt failed."""
    table = Table(
        "failed_item",
        metadata,
        Column("worker", Text, primary_key=True),
        Column("item", Text, primary_key=True, comment="the key of what could not be handled"),
        Column("attempts", Integer, nullable=False),
        Column("error_code", Text, nullable=False),
        Column("error_message", Text, nullable=False),
        Column("first_failed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("last_failed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("not_before", DateTime(timezone=True), nullable=False),
        Column("set_aside_at", DateTime(timezone=True), comment="null while it is still tried"),
    )
    Index("failed_item_set_aside", table.c.set_aside_at, postgresql_where=text("set_aside_at IS NOT NULL"))
    return table


def is_retryable_sql(worker: str, key: str) -> str:
    """SQL condition: the item whose key the SQL expression ``key`` gives does not wait and was not set aside."""
    # The expression stands outside of the subquery: inside, a bare column name could mean one of failed_item's.
    return (
        f"CAST({key} AS text) NOT IN (SELECT failed_item.item FROM failed_item"
        f" WHERE failed_item.worker = '{worker}'"
        " AND (failed_item.set_aside_at IS NOT NULL OR failed_item.not_before > now()))"
    )


_RECORD = text(
    """
    INSERT INTO failed_item AS known (worker, item, attempts, error_code, error_message, not_before)
    SELECT :worker, item, 1, code, message, now() + CAST(:first AS interval)
    FROM unnest(CAST(:items AS text[]), CAST(:codes AS text[]), CAST(:messages AS text[]))
         AS failure (item, code, message)
    ORDER BY item
    ON CONFLICT (worker, item) DO UPDATE SET
        attempts = CASE WHEN known.last_failed_at < now() - CAST(:forget_after AS interval)
                        THEN 1 ELSE known.attempts + 1 END,
        error_code = excluded.error_code, error_message = excluded.error_message, last_failed_at = now(),
        not_before = now() + least(CAST(:max_delay AS interval),
                                   CAST(:first AS interval) * power(2, least(known.attempts, 20)))
    RETURNING *
    """
)
_SET_ASIDE = text(
    "UPDATE failed_item SET set_aside_at = now()"
    " WHERE worker = :worker AND item = :item AND set_aside_at IS NULL"
)
_CLEAR = text(
    "DELETE FROM failed_item WHERE worker = :worker AND item = ANY(CAST(:items AS text[])) AND set_aside_at IS NULL"
)
_RETRIED = text("SELECT item FROM failed_item WHERE worker = :worker AND set_aside_at IS NULL")
_LIST = text(
    """
    SELECT * FROM failed_item
    WHERE set_aside_at IS NOT NULL AND (CAST(:worker AS text) IS NULL OR worker = :worker)
    ORDER BY set_aside_at DESC, worker, item LIMIT :limit
    """
)
_ONE = text("SELECT * FROM failed_item WHERE worker = :worker AND item = :item AND set_aside_at IS NOT NULL")
_COUNT = text(
    "SELECT worker, count(*) AS items FROM failed_item WHERE set_aside_at IS NOT NULL GROUP BY worker"
)
_TAKE_BACK = text(
    "DELETE FROM failed_item WHERE worker = :worker AND item = :item AND set_aside_at IS NOT NULL RETURNING *"
)


async def record_failures(
    connection: AsyncConnection, *, worker: str, failures: Mapping[str, Exception], rules: RetryRules
) -> Sequence[FailedItem]:
    """Count one more failed attempt for each item; returns how often each has failed and when it is tried again."""
    result = await connection.execute(
        _RECORD,
        {
            "worker": worker,
            "items": list(failures),
            "codes": [error_code(error) for error in failures.values()],
            "messages": [error_text(error) for error in failures.values()],
            "first": rules.first_delay,
            "max_delay": rules.max_delay,
            "forget_after": rules.forget_after,
        },
    )
    return [_failed_item(row) for row in result]


async def mark_set_aside(connection: AsyncConnection, *, worker: str, item: str) -> None:
    """This item is no longer tried; it stays listed for an operator."""
    await connection.execute(_SET_ASIDE, {"worker": worker, "item": item})


async def clear_failures(connection: AsyncConnection, *, worker: str, items: Collection[str]) -> None:
    """Forget earlier failures of items that were handled now."""
    await connection.execute(_CLEAR, {"worker": worker, "items": list(items)})


async def retrying_items(connection: AsyncConnection, *, worker: str) -> set[str]:
    """The items of a worker that have failed and are still tried."""
    return set((await connection.execute(_RETRIED, {"worker": worker})).scalars())


async def list_set_aside(
    connection: AsyncConnection, *, worker: str | None = None, limit: int = 100
) -> Sequence[FailedItem]:
    """Items that were set aside, the newest first."""
    return [_failed_item(row) for row in await connection.execute(_LIST, {"worker": worker, "limit": limit})]


async def set_aside_item(connection: AsyncConnection, *, worker: str, item: str) -> FailedItem | None:
    """One item that was set aside; None when there is no such item."""
    row = (await connection.execute(_ONE, {"worker": worker, "item": item})).first()
    return None if row is None else _failed_item(row)


async def count_set_aside(connection: AsyncConnection) -> Mapping[str, int]:
    """How many items were set aside, by worker."""
    return {row.worker: row.items for row in await connection.execute(_COUNT)}


async def take_back(connection: AsyncConnection, *, worker: str, item: str) -> FailedItem | None:
    """Let an item that was set aside be tried again; None when there is no such item."""
    row = (await connection.execute(_TAKE_BACK, {"worker": worker, "item": item})).first()
    return None if row is None else _failed_item(row)


def _failed_item(row: Row[Any]) -> FailedItem:
    return FailedItem(**row._mapping)
