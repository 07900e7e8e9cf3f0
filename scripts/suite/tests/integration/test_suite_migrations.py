"""Every service's migrations make the tables that its code uses, and take them back."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import batch_conductor.adapters.postgres.tables
import batch_conductor.settings
import cj_assessment.adapters.postgres.tables
import cj_assessment.settings
import llm_provider.adapters.postgres.tables
import llm_provider.settings
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from service_kit.storage.database import migrate
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from suite.installed import SERVICES as INSTALLED
from suite.installed import InstalledService

T = TypeVar("T")

SERVICES = [
    pytest.param(tables.metadata, settings.MIGRATIONS, id=name)
    for name, tables, settings in (
        ("batch_conductor", batch_conductor.adapters.postgres.tables, batch_conductor.settings),
        ("cj_assessment", cj_assessment.adapters.postgres.tables, cj_assessment.settings),
        ("llm_provider", llm_provider.adapters.postgres.tables, llm_provider.settings),
    )
]


async def seen(database: str, look: Callable[[Connection], T]) -> T:
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(look)


def rules(connection: Connection) -> Mapping[tuple[str, str], str]:
    """The CHECK constraints by table and name, as PostgreSQL states them, and whether all rows were seen to fit."""
    found = connection.execute(
        text(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
    )
    return {(table, name): rule for table, name, rule in found}


def stated_rules(connection: Connection, metadata: MetaData) -> Mapping[tuple[str, str], str]:
    """The same of the tables as the code states them, made in an empty database and not committed."""
    metadata.create_all(connection)
    return rules(connection)


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
async def test_the_migrations_make_the_rules_that_the_code_states(
    make_database: Callable[[str], str], metadata: MetaData, migrations: Path
) -> None:
    """The comparison above does not look at CHECK constraints."""
    migrated, empty = make_database("migrated"), make_database("stated")

    await migrate(migrated, migrations)

    assert await seen(migrated, rules) == await seen(
        empty, lambda connection: stated_rules(connection, metadata)
    )


@pytest.mark.parametrize("service", INSTALLED, ids=lambda service: service.package)
def test_a_service_serves_on_the_schema_before_its_newest(service: InstalledService) -> None:
    """The rule of decision 69: code needs a migration only once there is another one after it."""
    newest_first = [one.revision for one in ScriptDirectory(str(service.migrations)).walk_revisions()]

    assert service.oldest_schema in newest_first[1:]


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


async def test_a_migration_that_finds_rows_against_its_rules_goes_on_where_it_stopped(
    make_database: Callable[[str], str],
) -> None:
    database = make_database("against_the_rules")
    await migrate(database, llm_provider.settings.MIGRATIONS, revision="0005")
    await execute(
        database,
        "INSERT INTO meter (provider, key, model, output_mean, max_concurrency, concurrency, failures)"
        " VALUES ('mock', 'key', 'model', 1, 1, 1, -1)",
    )

    with pytest.raises(IntegrityError, match="meter_nothing_negative"):
        await migrate(database, llm_provider.settings.MIGRATIONS)
    await execute(database, "UPDATE meter SET failures = 0")
    await migrate(database, llm_provider.settings.MIGRATIONS)

    with pytest.raises(IntegrityError, match="meter_nothing_negative"):
        await execute(database, "UPDATE meter SET failures = -1")


async def execute(database: str, statement: str) -> None:
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(statement))
