"""Events that come in and go out with a transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2
from event_contracts import EventEnvelope, InvalidCallback
from service_kit.messaging.inbox import claim_events
from service_kit.messaging.outbox import bus_message, callback_message
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
        messages = [bus_message(event, key=event.key) for event in events]
        if callback_url is not None:
            try:
                messages += [callback_message(event, url=callback_url) for event in events]
            except (httpx2.InvalidURL, ValueError) as error:
                raise InvalidCallback(f"callback_url cannot be called: {error}") from error
        self._outbox.send(messages)
