"""Fixtures of the service kit's tests: a database with the kit's own tables, and buses of both kinds."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol
from uuid import uuid4

import pytest
from service_kit.messaging.event_bus import EventBus, KafkaEventBus, MemoryEventBus
from service_kit.messaging.inbox import inbox_table
from service_kit.messaging.outbox import outbox_table
from service_kit.storage.database import Database
from service_kit.tests.receiver import Receiver, receiving
from service_kit.work.failed_items import failed_item_table
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

TABLES = MetaData()
outbox_table(TABLES)
inbox_table(TABLES)
failed_item_table(TABLES)


@pytest.fixture(scope="module")
def kit_database_url(make_database: Callable[[str], str]) -> str:
    """URL of a database of this module's own; ``database`` makes its tables again for each test."""
    return make_database("kit")


@pytest.fixture
async def database(kit_database_url: str) -> AsyncIterator[Database]:
    """A database with an empty outbox and inbox, and without failed items."""
    engine = create_async_engine(kit_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(TABLES.drop_all)
        await connection.run_sync(TABLES.create_all)
    await engine.dispose()
    database = Database(kit_database_url, pool_size=10)
    yield database
    await database.close()


class FetchAll(Protocol):
    """Runs a query."""

    async def __call__(self, query: str, **parameters: object) -> Sequence[Any]:
        """All rows."""
        ...


@pytest.fixture
def fetch(database: Database) -> FetchAll:
    """Run a query in its own transaction and have all rows."""

    async def fetch_all(query: str, **parameters: object) -> Sequence[Any]:
        async with database.transaction() as connection:
            return (await connection.execute(text(query), parameters)).all()

    return fetch_all


class KafkaBuses:
    """Starts Kafka buses that share a topic prefix, and closes them in the end."""

    def __init__(self, bootstrap: str, closing: AsyncExitStack) -> None:
        self.bootstrap = bootstrap
        self.prefix = f"kit-{uuid4().hex[:12]}."
        self._closing = closing

    async def start(
        self,
        *topics: str,
        partitions: int = 3,
        instance_id: str | None = None,
        stalled_after_seconds: float = 60.0,
    ) -> KafkaEventBus:
        bus = KafkaEventBus(
            self.bootstrap,
            client_id="kit-test",
            topic_prefix=self.prefix,
            topics=topics,
            partitions=partitions,
            instance_id=instance_id,
            stalled_after_seconds=stalled_after_seconds,
        )
        self._closing.push_async_callback(bus.close)
        await bus.start()
        return bus


@pytest.fixture
async def kafka_buses(kafka_bootstrap: str) -> AsyncIterator[KafkaBuses]:
    """Buses on the run's Kafka broker, with topics of this test's own."""
    async with AsyncExitStack() as closing:
        yield KafkaBuses(kafka_bootstrap, closing)


class OwnBroker(Protocol):
    """A broker of the test's own (the fixture ``own_broker``): its process may be stopped and killed."""

    @property
    def bootstrap(self) -> str:
        """Its address, ``host:port``."""
        ...

    @property
    def pid(self) -> int:
        """Of its process."""
        ...


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of callbacks on this machine."""
    async with receiving() as one:
        yield one


StartBus = Callable[..., Awaitable[EventBus]]


@pytest.fixture(params=["memory", "kafka"])
def start_bus(request: pytest.FixtureRequest) -> StartBus:
    """Start a bus with these topics: every test that uses this runs on both adapters."""
    if request.param == "kafka":
        buses: KafkaBuses = request.getfixturevalue("kafka_buses")
        return buses.start

    async def start(*_topics: str) -> EventBus:
        bus = MemoryEventBus()
        await bus.start()
        return bus

    return start
