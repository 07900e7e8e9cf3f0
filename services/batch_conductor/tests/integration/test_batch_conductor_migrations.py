"""The migrations make the tables that the code uses, and take them back."""

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from batch_conductor.adapters.tables import metadata
from batch_conductor.settings import MIGRATIONS
from service_kit.database import migrate
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


@pytest.fixture
def empty_database(make_database: Callable[[str], str]) -> str:
    """URL of a database without tables."""
    return make_database("migrations")


def differences(connection: Connection) -> list[object]:
    """What Alembic would still have to change."""
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_the_migrations_make_the_tables_that_the_code_uses(empty_database: str) -> None:
    await migrate(empty_database, MIGRATIONS)

    engine = create_async_engine(empty_database, poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_migrations_can_be_taken_back(empty_database: str) -> None:
    await migrate(empty_database, MIGRATIONS)

    await migrate(empty_database, MIGRATIONS, revision="base")

    engine = create_async_engine(empty_database, poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(tables) == {"alembic_version"}
