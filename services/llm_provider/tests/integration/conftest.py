"""An empty database for every test: what one test leaves in the queue must not be judged in the next."""

from collections.abc import AsyncIterator, Callable

import pytest
from llm_provider.adapters.postgres.tables import metadata
from llm_provider.settings import MIGRATIONS
from service_kit.storage.database import migrate
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


@pytest.fixture(scope="module")
def module_database(make_database: Callable[[str], str]) -> str:
    """URL of a database that the tests of a module share."""
    return make_database("llm_provider")


@pytest.fixture
async def database_url(module_database: str) -> AsyncIterator[str]:
    """URL of a database with the service's tables and nothing in them."""
    await migrate(module_database, MIGRATIONS)
    yield module_database
    engine = create_async_engine(module_database, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    await engine.dispose()
