"""The embedded PostgreSQL keeps its data, has one owner, and survives every way of being killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from suite.embedded import postgres_process
from suite.embedded.errors import DataFolderInUse, DataFolderUnusable, EmbeddedServerError
from suite.embedded.postgres import PostgresServer, embedded_postgres, plain_connection, plain_url
from suite.tests.process_ids import is_gone_within, runs

HELD_OPEN = """
import sys
from pathlib import Path
from suite.embedded.postgres import embedded_postgres

with embedded_postgres(Path(sys.argv[1]), throwaway=sys.argv[2] == "throwaway") as server:
    server.create_database("kept")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """A data folder that is ready, to copy: initialising one takes longer than most of these tests."""
    with TemporaryDirectory(prefix="cj-initialised-") as folder:
        data_dir = Path(folder) / "postgres"
        with embedded_postgres(data_dir):
            pass
        yield data_dir


@pytest.fixture
def new_dir() -> Iterator[Path]:
    """A folder whose path needs quoting; not pytest's own, which other users may not enter."""
    with TemporaryDirectory(prefix='cj it\'s "a" $HOME tést ') as folder:
        yield Path(folder) / "postgres"


@pytest.fixture
def data_dir(new_dir: Path, initialised: Path) -> Path:
    """The same with an initialised folder in it."""
    subprocess.run(["cp", "-a", str(initialised), str(new_dir)], check=True)
    return new_dir


def test_what_was_stored_is_there_the_next_time(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as server:
        server.create_database("kept")

    with embedded_postgres(data_dir) as server:
        databases = _databases(server)

    assert "kept" in databases


def test_the_server_ends_with_its_context(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        pid = _pid(data_dir)

    assert not runs(pid)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_folder_of_any_depth_is_usable(new_dir: Path, depth: int) -> None:
    deep = new_dir.joinpath(*["a folder with a long name, and a comma"] * depth)

    with embedded_postgres(deep) as server:
        version = server.version()

    assert version.startswith("18.")


def test_a_server_that_dies_is_started_again(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as server:
        server.create_database("kept")
        before = _pid(data_dir)

        os.kill(before, signal.SIGKILL)
        databases = _databases_once_it_runs(server)
        after = _pid(data_dir)

    assert "kept" in databases
    assert after != before
    assert not runs(after)


def test_a_server_that_dies_repeatedly_is_given_up(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_process, "MAX_DEATHS", 2)
    given_up: Queue[EmbeddedServerError] = Queue()

    with embedded_postgres(data_dir, on_failure=given_up.put) as server:
        for _ in range(2):
            _databases_once_it_runs(server)
            os.kill(_pid(data_dir), signal.SIGKILL)
        error = given_up.get(timeout=60)

    assert error.message == f"PostgreSQL died 2 times within 60 s: see {data_dir}/log"


def test_a_server_whose_data_is_gone_is_given_up(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_process, "RESTART_TIMEOUT_SECONDS", 0.2)
    given_up: Queue[EmbeddedServerError] = Queue()

    with embedded_postgres(data_dir, on_failure=given_up.put):
        pid = _pid(data_dir)
        data_dir.rename(data_dir.with_name("elsewhere"))
        os.kill(pid, signal.SIGKILL)
        error = given_up.get(timeout=60)

    assert error.message.startswith(f"PostgreSQL could not be started on {data_dir}")


def test_a_server_left_behind_by_a_kill_is_replaced_and_its_data_kept(data_dir: Path) -> None:
    owner = _owner_elsewhere(data_dir, "lasting")
    owner.kill()
    owner.wait()
    left_behind = _pid(data_dir)
    assert runs(left_behind)

    with embedded_postgres(data_dir) as server:
        databases = _databases(server)

    assert "kept" in databases
    assert not runs(left_behind)


def test_a_server_that_was_killed_itself_is_started_again(data_dir: Path) -> None:
    owner = _owner_elsewhere(data_dir, "lasting")
    os.kill(_pid(data_dir), signal.SIGKILL)
    owner.kill()
    owner.wait()

    with embedded_postgres(data_dir) as server:
        databases = _databases(server)

    assert "kept" in databases


def test_another_process_with_the_recorded_pid_is_left_alone(data_dir: Path) -> None:
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

    assert is_gone_within(pid, seconds=10)


def test_a_folder_in_use_is_refused_and_its_server_left_alone(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as server:
        with pytest.raises(DataFolderInUse, match="stop that one"), embedded_postgres(data_dir):
            pass
        version = server.version()

    assert version.startswith("18.")


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_was(new_dir: Path) -> None:
    new_dir.mkdir()
    (new_dir / "essay.txt").write_text("mine")

    with pytest.raises(DataFolderUnusable, match="choose another folder"), embedded_postgres(new_dir):
        pass

    assert [path.name for path in new_dir.iterdir()] == ["essay.txt"]


def test_data_of_another_version_is_refused(new_dir: Path) -> None:
    new_dir.mkdir()
    (new_dir / "PG_VERSION").write_text("16\n")

    with pytest.raises(DataFolderUnusable, match="found version 16"), embedded_postgres(new_dir):
        pass


async def test_databases_come_and_go_while_a_loop_runs(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("coming_and_going")
    connection = await asyncpg.connect(plain_url(url))  # dropping the database ends it
    found = await connection.fetchval("SELECT current_database()")

    postgres_server.drop_database("coming_and_going")

    assert found == "coming_and_going"
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(plain_url(url))


def test_a_name_that_is_not_a_database_name_is_refused(postgres_server: PostgresServer) -> None:
    with pytest.raises(ValueError, match="is not a database name"):
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


def _databases_once_it_runs(server: PostgresServer) -> list[str]:
    while True:
        try:
            return _databases(server)
        except (OSError, asyncpg.PostgresError):
            time.sleep(0.05)


def _databases(server: PostgresServer) -> list[str]:
    async def names() -> list[str]:
        async with plain_connection(server.url) as connection:
            return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")]

    return asyncio.run(names())
