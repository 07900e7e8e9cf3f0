"""PostgreSQL for one service: an engine, short transactions, and migrations that many replicas may start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

log = structlog.get_logger()

MIGRATION_LOCK = 4_100_923_517
"""Advisory lock that one replica holds while it migrates; any constant does, as each service has a database."""


class Database:
    """Hands out connections; one ``transaction()`` is one unit of work and one commit."""

    def __init__(self, url: str, *, pool_size: int = 10, application_name: str = "cj-suite") -> None:
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={"server_settings": {"application_name": application_name}, "timeout": 10},
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection inside a transaction: committed at the end, rolled back on any error."""
        async with self._engine.begin() as connection:
            yield connection

    async def ping(self) -> None:
        """Raise unless the server answers."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self._engine.dispose()


async def create_database_if_missing(url: str) -> None:
    """Create the database that ``url`` names, through the server's ``postgres`` database."""
    target = make_url(url)
    engine = create_async_engine(
        target.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    try:
        async with engine.connect() as connection:
            # Two replicas may both see it missing: the lock makes the second one look again.
            await connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": MIGRATION_LOCK})
            found = await connection.execute(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": target.database}
            )
            if found.first() is None:
                await connection.execute(text(f'CREATE DATABASE "{target.database}"'))
    finally:
        await engine.dispose()


async def migrate(url: str, migrations: Path, *, revision: str = "head") -> None:
    """Bring the schema to ``revision``; replicas that start together wait for the first and find nothing to do."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": MIGRATION_LOCK})
            await connection.commit()
            await connection.run_sync(_run_alembic, migrations, revision)
            await connection.commit()
    finally:
        await engine.dispose()
    log.info("database.migrated", migrations=migrations.parent.name, revision=revision)


def _run_alembic(connection: Connection, migrations: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    step = command.downgrade if revision in ("base",) or revision.startswith("-") else command.upgrade
    step(config, revision)
