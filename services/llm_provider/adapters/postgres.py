"""The service's database: one transaction, and the queue, the meters, the books, the jobs and the outbox in it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from service_kit.storage.database import Database
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres_books import PostgresBooks
from llm_provider.adapters.postgres_jobs import PostgresJobs
from llm_provider.adapters.postgres_meters import MeterRules, PostgresMeters
from llm_provider.adapters.postgres_outbox import PostgresOutbox
from llm_provider.adapters.postgres_queue import PostgresQueue


class PostgresStore:
    """Opens transactions; the relays are woken after each commit that sent something."""

    def __init__(self, database: Database, *, rules: MeterRules, wake_relays: Callable[[], None]) -> None:
        self._database = database
        self._rules = rules
        self._wake_relays = wake_relays

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        async with self._database.transaction() as connection:
            transaction = PostgresTransaction(connection, self._rules)
            yield transaction
            await transaction.outbox.write()
        if transaction.outbox.has_messages:
            self._wake_relays()


class PostgresTransaction:
    """One connection in one transaction."""

    def __init__(self, connection: AsyncConnection, rules: MeterRules) -> None:
        self.outbox = PostgresOutbox(connection)
        self.queue = PostgresQueue(connection, rules, self.outbox)
        self.meters = PostgresMeters(connection, rules)
        self.books = PostgresBooks(connection)
        self.jobs = PostgresJobs(connection)
