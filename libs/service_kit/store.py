"""A service's store: one transaction is one unit of work, and what it sends leaves after its commit."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from event_contracts import EventEnvelope
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.messaging.outbox import OutgoingMessage, bus_message, enqueue
from service_kit.storage.database import Database

TransactionT = TypeVar("TransactionT")


class Outbox:
    """Messages of one transaction; they are written as its last statement, and sent after its commit."""

    def __init__(self) -> None:
        self.messages: list[OutgoingMessage] = []

    def send(self, messages: Iterable[OutgoingMessage]) -> None:
        """Send these with the transaction."""
        self.messages.extend(messages)

    def announce(self, events: Iterable[EventEnvelope[Any]]) -> None:
        """Send each event to its own topic."""
        self.send(bus_message(event, key=event.key) for event in events)


class PostgresStore(Generic[TransactionT]):
    """Opens transactions of one service; the relays are woken after each commit that sent something."""

    def __init__(
        self,
        database: Database,
        *,
        begin: Callable[[AsyncConnection, Outbox], TransactionT],
        wake_relays: Callable[[], None],
    ) -> None:
        self._database = database
        self._begin = begin
        self._wake_relays = wake_relays

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TransactionT]:
        """One unit of work: committed at the end, rolled back on any error."""
        outbox = Outbox()
        async with self._database.transaction() as connection:
            yield self._begin(connection, outbox)
            await enqueue(connection, outbox.messages)
        if outbox.messages:
            self._wake_relays()
