"""The embedded PostgreSQL keeps its data, has one owner, and survives every way of being killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest
from sqlalchemy import make_url
from suite.embedded.errors import DataFolderInUse, DataFolderUnusable
from suite.embedded.postgres import PostgresServer, embedded_postgres

HELD_OPEN = """
import sys
from pathlib import Path
from suite.embedded.postgres import embedded_postgres

with embedded_postgres(Path(sys.argv[1]), throwaway=sys.argv[2] == "throwaway") as server:
    server.create_database("kept")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder whose path needs quoting; not pytest's own, which other users may not enter."""
    with TemporaryDirectory(prefix="cj it's a test ") as folder:
        yield Path(folder) / "postgres"


def test_what_was_stored_is_there_the_next_time(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as server:
        server.create_database("kept")

    with embedded_postgres(data_dir) as server:
        databases = _databases(server)

    assert "kept" in databases


def test_the_server_ends_with_its_context(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        pid = _pid(data_dir)

    assert not _runs(pid)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_folder_of_any_depth_will_do(data_dir: Path, depth: int) -> None:
    deep = data_dir.joinpath(*["a folder with a long name, and a comma"] * depth)

    with embedded_postgres(deep) as server:
        version = server.version()

    assert version.startswith("18.")


def test_a_server_left_behind_by_a_kill_is_replaced_and_its_data_kept(data_dir: Path) -> None:
    owner = _owner_elsewhere(data_dir, "lasting")
    owner.kill()
    owner.wait()
    left_behind = _pid(data_dir)
    assert _runs(left_behind)

    with embedded_postgres(data_dir) as server:
        databases = _databases(server)

    assert "kept" in databases
    assert not _runs(left_behind)


def test_a_server_that_was_killed_itself_is_started_again(data_dir: Path) -> None:
    owner = _owner_elsewhere(data_dir, "lasting")
    os.kill(_pid(data_dir), signal.SIGKILL)
    owner.kill()
    owner.wait()

    with embedded_postgres(data_dir) as server:
        databases = _databases(server)

    assert "kept" in databases


def test_a_stranger_with_the_recorded_pid_is_left_alone(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        record = (data_dir / "postmaster.pid").read_text()
    stranger = subprocess.Popen(["sleep", "60"])
    for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (data_dir / lock).write_text(str(stranger.pid) + record[record.index("\n") :])

    with embedded_postgres(data_dir) as server:
        version = server.version()
    survived = stranger.poll() is None

    stranger.kill()
    stranger.wait()
    assert version.startswith("18.")
    assert survived


def test_a_throwaway_server_does_not_outlive_a_killed_owner(data_dir: Path) -> None:
    owner = _owner_elsewhere(data_dir, "throwaway")
    pid = _pid(data_dir)

    owner.kill()
    owner.wait()

    assert _gone_within(pid, seconds=10)


def test_a_folder_in_use_is_refused_and_its_server_left_alone(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as server:
        with pytest.raises(DataFolderInUse, match="stop that one"), embedded_postgres(data_dir):
            pass
        version = server.version()

    assert version.startswith("18.")


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_was(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "essay.txt").write_text("mine")

    with pytest.raises(DataFolderUnusable, match="choose another folder"), embedded_postgres(data_dir):
        pass

    assert [path.name for path in data_dir.iterdir()] == ["essay.txt"]


def test_data_of_another_version_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("16\n")

    with pytest.raises(DataFolderUnusable, match="found version 16"), embedded_postgres(data_dir):
        pass


async def test_databases_come_and_go_while_a_loop_runs(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("coming_and_going")
    connection = await _connect(url)
    found = await connection.fetchval("SELECT current_database()")

    postgres_server.drop_database("coming_and_going")

    assert found == "coming_and_going"
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await _connect(url)


def test_a_name_that_is_no_database_name_is_refused(postgres_server: PostgresServer) -> None:
    with pytest.raises(ValueError, match="is no database name"):
        postgres_server.create_database('x"; DROP DATABASE postgres; --')


def _owner_elsewhere(data_dir: Path, kind: str) -> "subprocess.Popen[str]":
    owner = subprocess.Popen(
        [sys.executable, "-c", HELD_OPEN, str(data_dir), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    return owner


def _pid(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().splitlines()[0])


def _gone_within(pid: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _databases(server: PostgresServer) -> list[str]:
    async def names() -> list[str]:
        connection = await _connect(server.url)
        try:
            return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]
        finally:
            await connection.close()

    return asyncio.run(names())


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
