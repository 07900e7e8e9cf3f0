"""The service's database: one transaction, and one repository per aggregate in it, each with its SQL beside it."""

from collections.abc import Callable

from service_kit.storage.database import Database
from service_kit.store import Outbox
from service_kit.store import PostgresStore as KitStore
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.anchors import PostgresAnchors
from cj_assessment.adapters.postgres.attempts import PostgresAttempts
from cj_assessment.adapters.postgres.batches import PostgresBatches
from cj_assessment.adapters.postgres.comparisons import PostgresComparisons
from cj_assessment.adapters.postgres.contents import PostgresContents
from cj_assessment.adapters.postgres.essays import PostgresEssays
from cj_assessment.adapters.postgres.events import PostgresEvents
from cj_assessment.adapters.postgres.scores import PostgresScores


class PostgresTransaction:
    """Implements ``ports.Transaction`` on one connection."""

    def __init__(self, connection: AsyncConnection, outbox: Outbox) -> None:
        self.essays = PostgresEssays(connection)
        self.batches = PostgresBatches(connection, self.essays)
        self.comparisons = PostgresComparisons(connection)
        self.attempts = PostgresAttempts(connection)
        self.scores = PostgresScores(connection)
        self.contents = PostgresContents(connection)
        self.anchors = PostgresAnchors(connection)
        self.events = PostgresEvents(connection, outbox)


PostgresStore = KitStore[PostgresTransaction]


def postgres_store(database: Database, *, wake_relays: Callable[[], None]) -> PostgresStore:
    """The store of this service."""
    return PostgresStore(database, begin=PostgresTransaction, wake_relays=wake_relays)
