"""The outbox: whatever leaves a service is written with the state change that causes it, and sent afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import httpx2
import orjson
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
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from service_kit.messaging.event_bus import Headers, Refusal
from service_kit.telemetry.metrics import ServiceMetrics
from service_kit.tracing import in_current_trace

log = structlog.get_logger()

_UNSENT = "given_up_at IS NULL"

MIN_REST_SECONDS = 0.05
"""A message that is due, but held by another relay, is not asked for without a pause."""

Transport = Literal["bus", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message as it is stored: ``value`` holds the bytes that are sent, the same on every attempt.

    ``destination`` is a topic or a URL. On the bus, messages of one topic and key leave in the order in which
    they were written; callbacks are sent independently, and their ``key``, the host, shares the slots fairly.
    """

    event_id: UUID
    transport: Transport
    destination: str
    key: str
    headers: Headers
    value: bytes


def bus_message(envelope: EventEnvelope[Any], *, key: str, topic: str | None = None) -> OutgoingMessage:
    """An event for the bus; ``topic`` defaults to the event's own.

    It continues the span that the event's metadata name, else the one that this code runs in.
    """
    envelope = in_current_trace(envelope)
    return OutgoingMessage(
        event_id=envelope.event_id,
        transport="bus",
        destination=topic or envelope.event_type,
        key=key,
        headers=envelope.headers(),
        value=envelope.to_json(),
    )


def callback_message(envelope: EventEnvelope[Any], *, url: str) -> OutgoingMessage:
    """An event for a signed HTTP callback to a URL that ``CallbackPolicy.check`` has let through."""
    envelope = in_current_trace(envelope)
    return OutgoingMessage(
        event_id=envelope.event_id,
        transport="http",
        destination=url,
        key=httpx2.URL(url).host,
        headers=envelope.headers(),
        value=envelope.to_json(),
    )


def outbox_table(metadata: MetaData) -> Table:
    """Table ``outbox``: what has not left yet. A message that was sent is deleted, one that was given up is kept.

    It is due when ``not_before`` has passed: that is the time of its next attempt, and of a callback on its way
    the end of its lease.
    """
    table = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("transport", Text, nullable=False),
        Column("destination", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", Text, nullable=False, comment="JSON: names and values, bytes read as Latin-1"),
        Column("value", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("not_before", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("last_error", Text),
        Column("given_up_at", DateTime(timezone=True)),
    )
    # Single-column on purpose: only for these does the planner know that their order is that of the table.
    Index("outbox_unsent", table.c.id, postgresql_where=text(f"{_UNSENT} AND transport = 'bus'"))
    Index("outbox_due", table.c.not_before, postgresql_where=text(f"{_UNSENT} AND transport = 'http'"))
    Index(
        "outbox_held_up",
        table.c.id,
        postgresql_where=text(f"{_UNSENT} AND transport = 'bus' AND attempts > 0"),
    )
    Index("outbox_given_up", table.c.given_up_at, postgresql_where=text("given_up_at IS NOT NULL"))
    return table


# Rows travel as one array per column: one statement, whose text does not depend on their number.
_ENQUEUE = text(
    """
    INSERT INTO outbox (event_id, transport, destination, key, headers, value)
    SELECT event_id, transport, destination, key, headers, value
    FROM unnest(CAST(:event_ids AS uuid[]), CAST(:transports AS text[]), CAST(:destinations AS text[]),
                CAST(:keys AS text[]), CAST(:headers AS text[]), CAST(:values AS bytea[]))
         WITH ORDINALITY AS message (event_id, transport, destination, key, headers, value, place)
    ORDER BY place
    """
)


async def enqueue(connection: AsyncConnection, messages: Sequence[OutgoingMessage]) -> None:
    """Write the messages in the caller's transaction; they leave after its commit."""
    if not messages:
        return
    await connection.execute(
        _ENQUEUE,
        {
            "event_ids": [message.event_id for message in messages],
            "transports": [message.transport for message in messages],
            "destinations": [message.destination for message in messages],
            "keys": [message.key for message in messages],
            "headers": [_stored_headers(message.headers) for message in messages],
            "values": [message.value for message in messages],
        },
    )


def _stored_headers(headers: Headers) -> str:
    texts = [(name, None if value is None else value.decode("latin-1")) for name, value in headers]
    return orjson.dumps(texts).decode()


def _sent_headers(stored: str) -> Headers:
    texts = orjson.loads(stored)
    return tuple((name, None if value is None else value.encode("latin-1")) for name, value in texts)


def outgoing(row: Row[Any]) -> OutgoingMessage:
    """The message of a row, byte for byte as it was written; the row has the columns that relays ask for."""
    return OutgoingMessage(
        event_id=row.event_id,
        transport=row.transport,
        destination=row.destination,
        key=row.key,
        headers=_sent_headers(row.headers),
        value=row.value,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How a refused message is tried again: delays double from half a second, until ``give_up_after``."""

    max_delay: timedelta = timedelta(minutes=15)
    give_up_after: timedelta = timedelta(hours=24)


DEFAULT_DELIVERY_POLICY = DeliveryPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Unsent messages: how many, and how long the oldest has waited; and how many were given up."""

    messages: int
    oldest_seconds: float
    given_up: int


_SENT = text("DELETE FROM outbox WHERE id = ANY(:ids)")
# A row that another relay has sent since is gone: a lease may have run out on the way. Times are the clock's: the
# transaction's own began before the delivery, which may have taken long.
_REFUSED = text(
    """
    UPDATE outbox SET
        attempts = attempts + 1,
        last_error = refused.reason,
        not_before = clock_timestamp() + (0.75 + 0.5 * random()) * least(
            make_interval(secs => 0.5 * power(2, least(attempts, 20))), CAST(:max_delay AS interval)
        ),
        given_up_at = CASE
            WHEN refused.final OR created_at < clock_timestamp() - CAST(:give_up_after AS interval)
            THEN clock_timestamp()
        END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[]), CAST(:finals AS boolean[]))
         AS refused (id, reason, final)
    WHERE outbox.id = refused.id
    RETURNING event_id, transport, key, attempts, last_error, given_up_at IS NOT NULL AS given_up
    """
)
_NEXT_DUE = text(
    """
    SELECT extract(epoch FROM min(not_before) - clock_timestamp()) FROM outbox
    WHERE transport = :transport AND given_up_at IS NULL AND (transport = 'http' OR attempts > 0)
    """
)
_BACKLOG = text(
    """
    SELECT count(*) AS messages, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS oldest_seconds,
           (SELECT count(*) FROM outbox WHERE transport = :transport AND given_up_at IS NOT NULL) AS given_up
    FROM outbox WHERE transport = :transport AND given_up_at IS NULL
    """
)


async def mark_sent(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """The messages were delivered: nothing is left of them here."""
    await connection.execute(_SENT, {"ids": list(ids)})


async def mark_refused(
    connection: AsyncConnection, refusals: Mapping[int, Refusal], *, policy: DeliveryPolicy
) -> Sequence[Row[Any]]:
    """Try these again later, or give them up; returns the new state of each (see ``_REFUSED``)."""
    result = await connection.execute(
        _REFUSED,
        {
            "ids": list(refusals),
            "reasons": [refusal.reason for refusal in refusals.values()],
            "finals": [refusal.final for refusal in refusals.values()],
            "max_delay": policy.max_delay,
            "give_up_after": policy.give_up_after,
        },
    )
    return result.all()


async def seconds_until_due(connection: AsyncConnection, *, transport: Transport) -> float | None:
    """Seconds until a message that waits for its next attempt is due; None when none waits."""
    seconds = await connection.scalar(_NEXT_DUE, {"transport": transport})
    return None if seconds is None else max(float(seconds), MIN_REST_SECONDS)


async def measure_backlog(connection: AsyncConnection, *, transport: Transport) -> Backlog:
    """What is waiting now."""
    row = (await connection.execute(_BACKLOG, {"transport": transport})).one()
    return Backlog(messages=row.messages, oldest_seconds=float(row.oldest_seconds), given_up=row.given_up)


def report_refused(outcomes: Sequence[Row[Any]], *, transport: Transport, metrics: ServiceMetrics) -> None:
    """Log and count refused messages; one that is given up is an error."""
    for outcome in outcomes:
        metrics.outbox.refused.labels(transport).inc()
        if outcome.given_up:
            metrics.outbox.given_up.labels(transport).inc()
            log.error(
                "outbox.given_up",
                transport=transport,
                event_id=str(outcome.event_id),
                key=outcome.key,
                attempts=outcome.attempts,
                reason=outcome.last_error,
            )
        else:
            log.warning(
                "outbox.not_delivered",
                transport=transport,
                event_id=str(outcome.event_id),
                key=outcome.key,
                attempts=outcome.attempts,
                reason=outcome.last_error,
            )
