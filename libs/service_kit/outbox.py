"""The outbox: whatever leaves a service is written with the state change that causes it, and sent afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

import structlog
from event_contracts import EventEnvelope
from sqlalchemy import (
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    Uuid,
    func,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from service_kit.database import Database
from service_kit.event_bus import EventBus, Headers, Message
from service_kit.metrics import ServiceMetrics
from service_kit.wakeup import Wakeup, Worker

log = structlog.get_logger()

Transport = Literal["bus", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message as it is stored: ``value`` holds the bytes that are sent, however often that takes.

    ``destination`` is a topic or a URL. Messages of one ``key`` and transport leave in the order they were written.
    """

    event_id: UUID
    transport: Transport
    destination: str
    key: str
    headers: Headers
    value: bytes


def bus_message(envelope: EventEnvelope[Any], *, key: str, topic: str | None = None) -> OutgoingMessage:
    """An event for the bus; ``topic`` defaults to the event's own."""
    return OutgoingMessage(
        event_id=envelope.event_id,
        transport="bus",
        destination=topic or envelope.event_type,
        key=key,
        headers=envelope.headers(),
        value=envelope.to_json(),
    )


def callback_message(envelope: EventEnvelope[Any], *, url: str) -> OutgoingMessage:
    """An event for a signed HTTP callback; each is sent independently of the others."""
    return OutgoingMessage(
        event_id=envelope.event_id,
        transport="http",
        destination=url,
        key=str(envelope.event_id),
        headers=envelope.headers(),
        value=envelope.to_json(),
    )


def outbox_table(metadata: MetaData) -> Table:
    """Table ``outbox``: a row is unsent until ``sent_at`` or ``given_up_at`` is set."""
    table = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("transport", Text, nullable=False),
        Column("destination", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("header_names", ARRAY(Text), nullable=False),
        Column("header_values", ARRAY(LargeBinary), nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("not_before", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("last_error", Text),
        Column("sent_at", DateTime(timezone=True)),
        Column("given_up_at", DateTime(timezone=True)),
    )
    unsent = text("sent_at IS NULL AND given_up_at IS NULL")
    Index("outbox_unsent", table.c.transport, table.c.id, postgresql_where=unsent)
    Index("outbox_unsent_by_key", table.c.transport, table.c.key, table.c.id, postgresql_where=unsent)
    Index("outbox_sent", table.c.sent_at, postgresql_where=text("sent_at IS NOT NULL"))
    return table


async def enqueue(connection: AsyncConnection, table: Table, messages: Sequence[OutgoingMessage]) -> None:
    """Write the messages in the caller's transaction; they leave after its commit."""
    if messages:
        await connection.execute(insert(table), [_columns(message) for message in messages])


def _columns(message: OutgoingMessage) -> dict[str, object]:
    return {
        "event_id": message.event_id,
        "transport": message.transport,
        "destination": message.destination,
        "key": message.key,
        "header_names": [name for name, _ in message.headers],
        "header_values": [value for _, value in message.headers],
        "value": message.value,
    }


class Carrier(Protocol):
    """Carries messages of one transport."""

    async def deliver(self, messages: Sequence[OutgoingMessage]) -> Mapping[UUID, str]:
        """Return the reason for each event_id that was not delivered; the others were."""
        ...


class BusCarrier:
    """Publishes on the event bus."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def deliver(self, messages: Sequence[OutgoingMessage]) -> Mapping[UUID, str]:
        by_key: dict[str, list[OutgoingMessage]] = {}
        try:
            await self._bus.publish([_message(message) for message in messages])
        except Exception as error:  # any failure of the broker or of one message: find out which, key by key
            log.warning("outbox.batch_refused", messages=len(messages), reason=repr(error))
        else:
            return {}
        for message in messages:
            by_key.setdefault(message.key, []).append(message)
        refused: dict[UUID, str] = {}
        for chain in by_key.values():
            refused |= await self._deliver_in_order(chain)
        return refused

    async def _deliver_in_order(self, chain: Sequence[OutgoingMessage]) -> dict[UUID, str]:
        for place, message in enumerate(chain):
            try:
                await self._bus.publish([_message(message)])
            except Exception as error:  # reported on the row, with every later one of the key
                return {later.event_id: repr(error) for later in chain[place:]}
        return {}


def _message(message: OutgoingMessage) -> Message:
    return Message(topic=message.destination, key=message.key, value=message.value, headers=message.headers)


# A row is taken only when no earlier unsent row of its key is left outside the batch: order per key holds
# although several relays take rows side by side, and although a row may be waiting for its next attempt.
_TAKE = text(
    """
    WITH candidate AS (
        SELECT id, key FROM outbox
        WHERE transport = :transport AND sent_at IS NULL AND given_up_at IS NULL AND not_before <= now()
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    SELECT outbox.id, event_id, transport, destination, outbox.key, header_names, header_values, value,
           created_at, attempts
    FROM outbox JOIN candidate USING (id)
    WHERE NOT EXISTS (
        SELECT 1 FROM outbox AS earlier
        WHERE earlier.transport = :transport AND earlier.key = candidate.key AND earlier.id < candidate.id
          AND earlier.sent_at IS NULL AND earlier.given_up_at IS NULL
          AND earlier.id NOT IN (SELECT id FROM candidate)
    )
    ORDER BY outbox.id
    """
)
_SENT = text("UPDATE outbox SET sent_at = now(), attempts = attempts + 1 WHERE id = ANY(:ids)")
_REFUSED = text(
    """
    UPDATE outbox SET
        attempts = attempts + 1,
        last_error = :reason,
        not_before = now() + least(
            make_interval(secs => 0.5 * power(2, least(attempts, 20))), CAST(:longest AS interval)
        ) * (0.75 + 0.5 * random()),
        given_up_at = CASE WHEN created_at < now() - CAST(:patience AS interval) THEN now() END
    WHERE id = ANY(:ids)
    RETURNING given_up_at IS NOT NULL
    """
)
_PRUNE = text("DELETE FROM outbox WHERE sent_at < now() - CAST(:age AS interval)")
_BACKLOG = text(
    "SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)"
    " FROM outbox WHERE transport = :transport AND sent_at IS NULL AND given_up_at IS NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Unsent messages: how many, and how long the oldest has waited."""

    messages: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class OutboxRelay:
    """Sends what the outbox holds for one transport; any number of replicas may run one each."""

    database: Database
    transport: Transport
    carrier: Carrier
    metrics: ServiceMetrics
    wakeup: Wakeup
    limit: int = 500
    longest_pause: timedelta = timedelta(minutes=15)
    patience: timedelta = timedelta(hours=24)

    def worker(self) -> Worker:
        """The loop that runs this relay."""
        return Worker(name=f"outbox-{self.transport}", step=self.relay_once, wakeup=self.wakeup)

    async def relay_once(self) -> bool:
        """Send one batch; True when something was sent.

        The rows stay locked while they are sent: a relay that dies gives them back at once.
        """
        async with self.database.transaction() as connection:
            rows = (await connection.execute(_TAKE, {"transport": self.transport, "limit": self.limit})).all()
            if not rows:
                return False
            refused = await self.carrier.deliver([_outgoing(row) for row in rows])
            await self._mark(connection, rows, refused)
        return len(refused) < len(rows)

    async def _mark(
        self, connection: AsyncConnection, rows: Sequence[Row[Any]], refused: Mapping[UUID, str]
    ) -> None:
        sent = [row.id for row in rows if row.event_id not in refused]
        await connection.execute(_SENT, {"ids": sent})
        self.metrics.outbox_sent.labels(self.transport).inc(len(sent))
        for reason in set(refused.values()):
            ids = [row.id for row in rows if refused.get(row.event_id) == reason]
            given_up = await connection.execute(
                _REFUSED,
                {"ids": ids, "reason": reason, "longest": self.longest_pause, "patience": self.patience},
            )
            lost_patience = sum(given_up.scalars())
            self.metrics.outbox_refused.labels(self.transport).inc(len(ids))
            log.warning(
                "outbox.not_delivered",
                transport=self.transport,
                messages=len(ids),
                given_up=lost_patience,
                reason=reason,
            )

    async def backlog(self) -> Backlog:
        """What is waiting now."""
        async with self.database.transaction() as connection:
            row = (await connection.execute(_BACKLOG, {"transport": self.transport})).one()
        return Backlog(messages=row[0], oldest_seconds=float(row[1]))

    async def prune(self, *, older_than: timedelta) -> int:
        """Forget messages sent that long ago; returns the number of rows deleted."""
        async with self.database.transaction() as connection:
            return (await connection.execute(_PRUNE, {"age": older_than})).rowcount


def _outgoing(row: Row[Any]) -> OutgoingMessage:
    return OutgoingMessage(
        event_id=row.event_id,
        transport=row.transport,
        destination=row.destination,
        key=row.key,
        headers=tuple(zip(row.header_names, row.header_values, strict=True)),
        value=row.value,
    )
