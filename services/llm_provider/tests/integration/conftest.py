"""An empty database for every test: what one test leaves in the queue must not be judged in the next."""

from collections.abc import AsyncIterator, Callable

import pytest
from llm_provider.adapters.postgres.tables import metadata
from llm_provider.settings import MIGRATIONS
from service_kit.tests.databases import delete_all_rows, migrated


@pytest.fixture(scope="module")
def module_database(make_database: Callable[[str], str]) -> str:
    """URL of a database that the tests of a module share."""
    return migrated(make_database("llm_provider"), MIGRATIONS)


@pytest.fixture
async def database_url(module_database: str) -> AsyncIterator[str]:
    """URL of a database with the service's tables and nothing in them."""
    yield module_database
    await delete_all_rows(module_database, metadata)
