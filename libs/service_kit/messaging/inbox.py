"""The inbox: an event's effect happens once, however often it is delivered."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid, func, text
from sqlalchemy.ext.asyncio import AsyncConnection


def inbox_table(metadata: MetaData) -> Table:
    """Table ``inbox``: one row for each event that a consumer has handled."""
    table = Table(
        "inbox",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    # Rows are only ever added at the end: a block range index finds the old ones, and costs nothing.
    Index("inbox_received", table.c.received_at, postgresql_using="brin")
    return table


_CLAIM = text(
    "INSERT INTO inbox (consumer, event_id)"
    " SELECT :consumer, id FROM unnest(CAST(:ids AS uuid[])) AS id ORDER BY id"
    " ON CONFLICT DO NOTHING RETURNING event_id"
)


async def claim_events(connection: AsyncConnection, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Record the events as handled by ``consumer`` in this transaction; return those never seen before.

    Ids are inserted in order, so that two replicas with overlapping batches wait instead of deadlocking.
    """
    if not event_ids:
        return set()
    rows = await connection.execute(_CLAIM, {"consumer": consumer, "ids": list(event_ids)})
    return set(rows.scalars())
