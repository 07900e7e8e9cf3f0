"""The stores that the behavioural suite runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cj_assessment.adapters.postgres.tables import metadata
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.postgres_fixtures import Stored, StoredInPostgres, stored, stored_in_memory
from service_kit.storage.database import migrate


@pytest.fixture(scope="module")
def store_database(make_database: Callable[[str], str]) -> str:
    """A database for the stores of one module."""
    return make_database("cj_store")


@pytest.fixture
async def migrated(store_database: str) -> str:
    """That database with its tables."""
    await migrate(store_database, MIGRATIONS)
    return store_database


@asynccontextmanager
async def emptied(database: str) -> AsyncIterator[StoredInPostgres]:
    await migrate(database, MIGRATIONS)
    async with stored(database) as opened:
        await opened.execute(f"TRUNCATE {', '.join(metadata.tables)}")
        yield opened


@pytest.fixture
async def postgres(store_database: str) -> AsyncIterator[StoredInPostgres]:
    """An empty store in PostgreSQL."""
    async with emptied(store_database) as opened:
        yield opened


@pytest.fixture(params=["memory", "postgres"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Stored]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield stored_in_memory()
    else:
        async with emptied(request.getfixturevalue("store_database")) as opened:
            yield opened
