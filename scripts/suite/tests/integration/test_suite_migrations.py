"""Every service's migrations make the tables that its code uses, and take them back."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import batch_conductor.adapters.tables
import batch_conductor.settings
import cj_assessment.adapters.postgres.tables
import cj_assessment.settings
import llm_provider.adapters.postgres.tables
import llm_provider.settings
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from service_kit.storage.database import migrate
from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

T = TypeVar("T")

SERVICES = [
    pytest.param(tables.metadata, settings.MIGRATIONS, id=name)
    for name, tables, settings in (
        ("batch_conductor", batch_conductor.adapters.tables, batch_conductor.settings),
        ("cj_assessment", cj_assessment.adapters.postgres.tables, cj_assessment.settings),
        ("llm_provider", llm_provider.adapters.postgres.tables, llm_provider.settings),
    )
]


async def seen(database: str, look: Callable[[Connection], T]) -> T:
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(look)


@pytest.mark.parametrize(("metadata", "migrations"), SERVICES)
async def test_the_migrations_make_the_tables_that_the_code_uses(
    make_database: Callable[[str], str], metadata: MetaData, migrations: Path
) -> None:
    database = make_database("migrations")

    await migrate(database, migrations)

    differences = await seen(
        database, lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
    )
    assert differences == []


@pytest.mark.parametrize(("metadata", "migrations"), SERVICES)
async def test_the_migrations_can_be_taken_back(
    make_database: Callable[[str], str], metadata: MetaData, migrations: Path
) -> None:
    database = make_database("migrations")
    await migrate(database, migrations)

    await migrate(database, migrations, revision="base")

    assert await seen(database, lambda connection: inspect(connection).get_table_names()) == [
        "alembic_version"
    ]
    assert metadata.tables
