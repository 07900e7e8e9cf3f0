"""Events that come in and go out with a transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2
from event_contracts import EventEnvelope, InvalidCallback
from service_kit.messaging.inbox import claim_events
from service_kit.messaging.outbox import OutgoingMessage, callback_message
from service_kit.store import Outbox
from sqlalchemy.ext.asyncio import AsyncConnection


class PostgresEvents:
    """Implements ``ports.Events``."""

    def __init__(self, connection: AsyncConnection, outbox: Outbox) -> None:
        self._connection = connection
        self._outbox = outbox

    async def claim(self, *, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
        return await claim_events(self._connection, consumer=consumer, event_ids=event_ids)

    def announce(self, events: Sequence[EventEnvelope[Any]], *, callback_url: str | None = None) -> None:
        callbacks = [] if callback_url is None else _callbacks(events, url=callback_url)
        self._outbox.announce(events)
        self._outbox.send(callbacks)


def _callbacks(events: Sequence[EventEnvelope[Any]], *, url: str) -> list[OutgoingMessage]:
    try:
        return [callback_message(event, url=url) for event in events]
    except (httpx2.InvalidURL, ValueError) as error:
        raise InvalidCallback(f"callback_url cannot be called: {error}") from error
