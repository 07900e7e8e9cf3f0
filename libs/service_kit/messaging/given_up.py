"""Outgoing messages that were given up: listed for an operator, sent again from the stored bytes, or dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.messaging.outbox import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUpMessage:
    """A message that is no longer sent, and why; ``value`` is null where only the list was asked for."""

    id: int
    event_id: UUID
    transport: Transport
    destination: str
    key: str
    attempts: int
    last_error: str | None
    created_at: datetime
    given_up_at: datetime
    size: int
    value: bytes | None = None


_COLUMNS = (
    "id, event_id, transport, destination, key, attempts, last_error, created_at, given_up_at,"
    " octet_length(value) AS size"
)
_LIST = text(
    f"SELECT {_COLUMNS} FROM outbox WHERE given_up_at IS NOT NULL"
    " AND (CAST(:destination AS text) IS NULL OR destination = :destination)"
    " ORDER BY given_up_at DESC, id DESC LIMIT :limit"
)
_ONE = text(f"SELECT {_COLUMNS}, value FROM outbox WHERE id = :id AND given_up_at IS NOT NULL")
# Its time starts again: it would be given up at its first refusal otherwise.
_SEND_AGAIN = text(
    "UPDATE outbox SET given_up_at = NULL, attempts = 0, not_before = now(), created_at = now()"
    " WHERE id = :id AND given_up_at IS NOT NULL"
)
_DROP = text("DELETE FROM outbox WHERE id = :id AND given_up_at IS NOT NULL")
_FORGET = text("DELETE FROM outbox WHERE CAST(id AS text) = :id")


async def list_given_up(
    connection: AsyncConnection, *, destination: str | None = None, limit: int = 100
) -> Sequence[GivenUpMessage]:
    """Messages that were given up, the newest first, without their values."""
    rows = await connection.execute(_LIST, {"destination": destination, "limit": limit})
    return [_message(row) for row in rows]


async def given_up_message(connection: AsyncConnection, message_id: int) -> GivenUpMessage | None:
    """One message with its value; None when no such message was given up."""
    row = (await connection.execute(_ONE, {"id": message_id})).first()
    return None if row is None else _message(row)


async def send_again(connection: AsyncConnection, message_id: int) -> bool:
    """Let the relay send a message again, with the same bytes and event id; False when none was given up."""
    return (await connection.execute(_SEND_AGAIN, {"id": message_id})).rowcount == 1


async def drop_given_up(connection: AsyncConnection, message_id: int) -> bool:
    """Delete a message that was given up; False when there is none."""
    return (await connection.execute(_DROP, {"id": message_id})).rowcount == 1


async def drop_unsendable(connection: AsyncConnection, message_id: str) -> None:
    """Delete a message that a relay has set aside because it could not be marked."""
    await connection.execute(_FORGET, {"id": message_id})


def _message(row: Row[Any]) -> GivenUpMessage:
    return GivenUpMessage(**row._mapping)
