"""The stores that the behavioural suite runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cj_assessment.adapters.postgres.tables import metadata
from cj_assessment.settings import MIGRATIONS
from cj_assessment.tests.postgres_fixtures import Stored, StoredInPostgres, stored, stored_in_memory
from service_kit.tests.databases import delete_all_rows, migrated


@pytest.fixture(scope="module")
def store_database(make_database: Callable[[str], str]) -> str:
    """A database with the service's tables, for the stores of one module."""
    return migrated(make_database("cj_store"), MIGRATIONS)


@asynccontextmanager
async def emptied(database: str) -> AsyncIterator[StoredInPostgres]:
    await delete_all_rows(database, metadata)
    async with stored(database) as opened:
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
