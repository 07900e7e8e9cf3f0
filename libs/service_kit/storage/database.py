"""PostgreSQL for one service: an engine, short transactions, and migrations that many replicas may start."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from event_contracts import Unavailable
from sqlalchemy import Connection, ExceptionContext, Result, event, make_url, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from service_kit.storage.errors import RETRY_AFTER_SECONDS, sqlstate

log = structlog.get_logger()

MIGRATION_LOCK = 4_100_923_517
"""Advisory lock that one replica holds while it migrates; any constant does, as each service has a database."""

CONNECT_TIMEOUT_SECONDS = 10
COMMAND_TIMEOUT_SECONDS = 60
POOL_TIMEOUT_SECONDS = 10

SESSION_SETTINGS = {
    # A client machine that vanished must not hold row locks for the two hours that TCP would give it.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "120s",
}

NO_SUCH_DATABASE = "3D000"
DATA_EXCEPTIONS = "22"
"""The class of SQLSTATE whose messages quote the value that was wrong."""


class Database:
    """Hands out connections; one ``transaction()`` is one unit of work and one commit."""

    def __init__(self, url: str, *, pool_size: int = 10, application_name: str = "cj-suite") -> None:
        self._engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            # A quiet service keeps to few connections, whose servers have their caches warm.
            pool_use_lifo=True,
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={
                "timeout": CONNECT_TIMEOUT_SECONDS,
                "command_timeout": COMMAND_TIMEOUT_SECONDS,
                "server_settings": {"application_name": application_name, **SESSION_SETTINGS},
            },
        )
        event.listen(self._engine.sync_engine, "handle_error", _withhold_values)
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection inside a transaction: committed at the end, rolled back on any error."""
        async with self._engine.begin() as connection:
            yield connection

    async def ping(self) -> None:
        """Raise unless the server answers."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def check_schema(self, migrations: Path, *, oldest: str) -> None:
        """Raise ``Unavailable`` while the schema is older than ``oldest``, the first that this version serves on.

        A revision that this version does not know is of a newer one, which keeps to what the older ones need
        until they are gone: otherwise each upgrade would take all running replicas out of service.
        """
        known = _revisions(migrations)
        async with self._engine.connect() as connection:
            found = await _revision(connection)
        if found is None or found in known[known.index(oldest) + 1 :]:
            raise Unavailable(
                f"the schema is at revision {found}, this version of the service needs {oldest} or newer: run"
                " cj-suite deployment migrate",
                retry_after=RETRY_AFTER_SECONDS,
            )

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self._engine.dispose()


def named_rows(result: Result[Any]) -> list[Mapping[str, Any]]:
    """All rows, each by the names of its columns; for wide rows and many of them a row's attributes are slow."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


def _refuse_closed(connection: AsyncAdapt_asyncpg_connection, *_: object) -> None:
    """Let the pool replace a connection that the server has closed; asyncpg knows without a query."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _withhold_values(context: ExceptionContext) -> None:
    """Take the values out of a server's error: its DETAIL quotes whole rows, and rows hold essays."""
    translated = context.original_exception
    original = translated.__cause__
    if not isinstance(original, asyncpg.PostgresError):
        return
    state = original.sqlstate or ""
    said = "the value is withheld" if state.startswith(DATA_EXCEPTIONS) else str(original.args[0])
    original.args, original.detail, original.__cause__ = (said,), None, None
    for error in (translated, context.sqlalchemy_exception):
        if error is not None:
            error.args = (f"{type(original).__name__}: {said} (SQLSTATE {state})",)


@cache
def _revisions(migrations: Path) -> tuple[str, ...]:
    """The newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(migrations)).walk_revisions())


_HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = text("SELECT version_num FROM alembic_version")


async def _revision(connection: AsyncConnection) -> str | None:
    """Asked by constant statements: Alembic makes a new one at each call, and each would stay in the engine's cache."""
    if not (await connection.execute(_HAS_REVISION)).scalar_one():
        return None
    return (await connection.execute(_REVISION)).scalar_one_or_none()


async def create_database_if_missing(url: str) -> None:
    """Create the database that ``url`` names, through the server's ``postgres`` database.

    A database that is there is only connected to: in an installation that makes its databases by other
    means the service needs no right to create any.
    """
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect():
            return
    except Exception as error:  # asyncpg's own errors come through unwrapped while connecting
        if sqlstate(error) != NO_SUCH_DATABASE:
            raise
    finally:
        await engine.dispose()
    await _create_database(url)


async def _create_database(url: str) -> None:
    target = make_url(url)
    server = target.set(database="postgres")
    engine = create_async_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    quoted = engine.dialect.identifier_preparer.quote_identifier(target.database or "")
    find = text("SELECT 1 FROM pg_database WHERE datname = :name")
    try:
        async with engine.connect() as connection:
            # Several replicas may have seen it missing: the lock makes all but the first look again.
            await connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": MIGRATION_LOCK})
            if (await connection.execute(find, {"name": target.database})).first() is None:
                await connection.execute(text(f"CREATE DATABASE {quoted}"))
                log.info("database.created", name=target.database)
    finally:
        await engine.dispose()


async def migrate(url: str, migrations: Path, *, revision: str = "head") -> None:
    """Bring the schema to ``revision``; replicas that start together wait for the first and find nothing to do.

    ``base`` and relative steps such as ``-1`` go down, everything else goes up. A schema that a newer version of the
    service has migrated is at this version's ``head`` and beyond: it stays as it is.
    """
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": MIGRATION_LOCK})
            await connection.commit()
            found = await _revision(connection)
            if revision == "head" and found is not None and found not in _revisions(migrations):
                log.info("database.newer_schema_kept", migrations=migrations.parent.name, revision=found)
                return
            # Alembic begins and commits its own transactions where none has begun.
            await connection.commit()
            await connection.run_sync(_run_alembic, migrations, revision)
            await connection.commit()
    finally:
        await engine.dispose()
    log.info("database.migrated", migrations=migrations.parent.name, revision=revision)


def _run_alembic(connection: Connection, migrations: Path, revision: str) -> None:
    config = Config()
    # ConfigParser reads a percent sign as the start of an interpolation.
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    goes_down = revision == "base" or revision.startswith("-")
    (command.downgrade if goes_down else command.upgrade)(config, revision)
