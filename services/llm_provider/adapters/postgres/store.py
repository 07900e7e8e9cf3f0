"""One transaction on the service's database: the queue, the meters, the ledger, the jobs and the outbox in it."""

from collections.abc import Callable

from service_kit.storage.database import Database
from service_kit.store import Outbox, PostgresStore
from sqlalchemy.ext.asyncio import AsyncConnection

from llm_provider.adapters.postgres.jobs import PostgresJobs
from llm_provider.adapters.postgres.ledger import PostgresLedger
from llm_provider.adapters.postgres.meters import MeterRules, PostgresMeters
from llm_provider.adapters.postgres.outbox import PostgresOutbox
from llm_provider.adapters.postgres.queue import PostgresQueue


class PostgresTransaction:
    """One connection in one transaction."""

    def __init__(self, connection: AsyncConnection, outbox: Outbox, rules: MeterRules) -> None:
        self.outbox = PostgresOutbox(outbox)
        self.queue = PostgresQueue(connection, rules, self.outbox)
        self.meters = PostgresMeters(connection, rules)
        self.ledger = PostgresLedger(connection)
        self.jobs = PostgresJobs(connection)


LlmProviderStore = PostgresStore[PostgresTransaction]


def open_store(database: Database, *, rules: MeterRules, wake_relays: Callable[[], None]) -> LlmProviderStore:
    """The store of this service."""

    def begin(connection: AsyncConnection, outbox: Outbox) -> PostgresTransaction:
        return PostgresTransaction(connection, outbox, rules)

    return PostgresStore(database, begin=begin, wake_relays=wake_relays)
