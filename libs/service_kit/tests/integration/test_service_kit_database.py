"""What the database promises, on real PostgreSQL: units of work, migrations by many starters, errors without values."""

import asyncio
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from event_contracts import Unavailable
from service_kit.storage import database as database_module
from service_kit.storage.database import Database, create_database_if_missing, migrate
from service_kit.storage.errors import is_infrastructure_error
from service_kit.tests.conftest import FetchAll
from service_kit.tests.waiting import eventually
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError

ESSAY = "My summer was about a dog called Molly."

ENV = """
from service_kit.storage.migration_env import run_migrations
from sqlalchemy import MetaData

run_migrations(MetaData())
"""
MIGRATION = '''
"""{table}."""
from alembic import op
import sqlalchemy as sa

revision = "{revision}"
down_revision = {previous}


def upgrade() -> None:
    op.create_table("{table}", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("SELECT pg_sleep(0.2)")


def downgrade() -> None:
    op.drop_table("{table}")
'''


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two migrations, in a folder whose name has what configuration files choke on."""
    folder = tmp_path_factory.mktemp("100%_service") / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV)
    first = MIGRATION.format(table="essay", revision="0001", previous=None)
    second = MIGRATION.format(table="anchor", revision="0002", previous="'0001'")
    (folder / "versions" / "0001_essay.py").write_text(first)
    (folder / "versions" / "0002_anchor.py").write_text(second)
    return folder


@pytest.fixture
def new_url(kit_database_url: str) -> str:
    """URL of a database that does not exist yet, with a name that needs quotes."""
    name = f'kit-"new" {uuid4().hex[:8]}'
    return make_url(kit_database_url).set(database=name).render_as_string(hide_password=False)


async def tables(url: str) -> set[str]:
    database = Database(url)
    async with database.transaction() as connection:
        found = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        names = set(found.scalars())
    await database.close()
    return names


async def execute(database: Database, *statements: str, **parameters: object) -> None:
    """One transaction."""
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement), parameters)


async def test_a_transaction_is_committed_at_its_end(database: Database, fetch: FetchAll) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("INSERT INTO inbox VALUES ('a', gen_random_uuid())"))

    assert len(await fetch("SELECT 1 FROM inbox")) == 1


async def test_an_error_rolls_the_transaction_back(database: Database, fetch: FetchAll) -> None:
    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO inbox VALUES ('a', gen_random_uuid())"))
            raise ValueError

    with pytest.raises(ValueError):
        await fail()

    assert await fetch("SELECT 1 FROM inbox") == []


async def test_a_cancelled_transaction_is_rolled_back_and_returns_its_connection(
    kit_database_url: str, fetch: FetchAll
) -> None:
    small = Database(kit_database_url, pool_size=1)
    inserted = asyncio.Event()

    async def hang() -> None:
        async with small.transaction() as connection:
            await connection.execute(text("INSERT INTO inbox VALUES ('a', gen_random_uuid())"))
            inserted.set()
            await connection.execute(text("SELECT pg_sleep(30)"))

    task = asyncio.create_task(hang())
    await inserted.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await small.ping()
    await small.close()

    assert await fetch("SELECT 1 FROM inbox") == []


async def test_a_broken_connection_is_replaced(database: Database, fetch: FetchAll) -> None:
    async with database.transaction() as connection:
        backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        broken = (await connection.get_raw_connection()).driver_connection
    assert broken is not None, "an open connection has its driver's"
    other = Database(str(database._engine.url.render_as_string(hide_password=False)))
    async with other.transaction() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    await other.close()
    await eventually(broken.is_closed, what="the driver has heard that its connection is gone")

    assert len(await fetch("SELECT 1")) == 1


async def test_a_client_that_vanished_holds_nothing_for_long(fetch: FetchAll) -> None:
    [settings] = await fetch(
        "SELECT current_setting('idle_in_transaction_session_timeout') AS idle,"
        " current_setting('application_name') AS name"
    )

    assert tuple(settings) == ("2min", "cj-suite")


async def test_json_is_stored_and_read_as_it_is(fetch: FetchAll) -> None:
    value = {"essay": "åäö", "numbers": [1, 2.5, None]}

    [row] = await fetch("SELECT CAST(CAST(:value AS json) AS jsonb) AS value", value=json.dumps(value))

    assert row.value == value


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO essay_check VALUES (:essay)",
        "INSERT INTO essay_check SELECT body FROM essay_check UNION ALL SELECT 'short' || left(:essay, 0)",
        "INSERT INTO essay_check VALUES (NULL), (left(:essay, 5))",
        "SELECT CAST(:essay AS int)",
        "SELECT CAST(CAST(:essay AS text) AS int)",
        "SELECT CAST(CAST(:essay AS text) AS jsonb)",
    ],
)
async def test_an_error_shows_no_value(database: Database, statement: str) -> None:
    await execute(
        database,
        "DROP TABLE IF EXISTS essay_check",
        "CREATE TABLE essay_check (body text NOT NULL CHECK (length(body) < 10), UNIQUE (body))",
        "INSERT INTO essay_check VALUES ('short')",
    )

    with pytest.raises(DBAPIError) as raised:
        await execute(database, statement, essay=ESSAY)

    printed = "".join(traceback.format_exception(raised.value))
    assert "SQLSTATE" in printed
    assert not any(part in printed for part in (ESSAY, ESSAY[:8], "(short)"))


async def test_an_error_still_names_what_was_violated(database: Database) -> None:
    same = "INSERT INTO inbox VALUES ('grader', '00000000-0000-0000-0000-000000000001')"

    with pytest.raises(IntegrityError, match=r'UniqueViolationError.*"inbox_pkey" \(SQLSTATE 23505\)'):
        await execute(database, same, same)


@pytest.mark.parametrize(
    "statements",
    [
        ["SELECT pg_terminate_backend(pg_backend_pid())"],
        ["SET LOCAL statement_timeout = 50", "SELECT pg_sleep(5)"],
        ["DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$"],
        ["DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"],
        ["DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55P03'; END $$"],
    ],
)
async def test_temporary_server_errors_are_infrastructure_errors(
    database: Database, statements: list[str]
) -> None:
    with pytest.raises(DBAPIError) as raised:
        await execute(database, *statements)

    assert is_infrastructure_error(raised.value)


@pytest.mark.parametrize(
    "statement", ["SELECT nothing", "SELECT 1/0", "INSERT INTO inbox VALUES (NULL, gen_random_uuid())"]
)
async def test_permanent_errors_are_not_infrastructure_errors(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError) as raised:
        await execute(database, statement)

    assert not is_infrastructure_error(raised.value)


async def test_a_deadlock_is_an_infrastructure_error(database: Database) -> None:
    await execute(
        database,
        "DROP TABLE IF EXISTS pair",
        "CREATE TABLE pair AS SELECT n FROM generate_series(1, 2) AS n",
    )

    each_has_its_first = asyncio.Barrier(2)
    select = text("SELECT 1 FROM pair WHERE n = :n FOR UPDATE")

    async def lock(first: int, second: int) -> None:
        async with database.transaction() as connection:
            await connection.execute(select, {"n": first})
            await each_has_its_first.wait()
            await connection.execute(select, {"n": second})

    outcomes = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)

    [error] = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert is_infrastructure_error(error)


async def test_a_server_that_is_away_is_an_infrastructure_error() -> None:
    away = Database("postgresql+asyncpg://postgres@127.0.0.1:9/none")

    with pytest.raises(OSError) as raised:
        await away.ping()

    assert is_infrastructure_error(raised.value)


async def test_an_exhausted_pool_is_an_infrastructure_error(
    kit_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "POOL_TIMEOUT_SECONDS", 0.2)
    small = Database(kit_database_url, pool_size=1)

    async with small.transaction():
        with pytest.raises(Exception) as raised:  # which one it is, is the question
            await small.ping()
    await small.close()

    assert is_infrastructure_error(raised.value)


async def test_five_starters_make_the_database_and_its_schema_together(
    new_url: str, migrations: Path
) -> None:
    async def start() -> None:
        await create_database_if_missing(new_url)
        await migrate(new_url, migrations)

    async with asyncio.timeout(30):
        await asyncio.gather(*(start() for _ in range(5)))

    assert await tables(new_url) == {"alembic_version", "essay", "anchor"}


async def test_migrations_go_down_and_up_again(new_url: str, migrations: Path) -> None:
    await create_database_if_missing(new_url)
    seen = []

    for revision in ("head", "-1", "base", "0001", "head"):
        await migrate(new_url, migrations, revision=revision)
        seen.append(await tables(new_url) - {"alembic_version"})

    assert seen == [{"essay", "anchor"}, {"essay"}, set(), {"essay"}, {"essay", "anchor"}]


async def test_a_schema_is_checked_against_the_services_version(new_url: str, migrations: Path) -> None:
    await create_database_if_missing(new_url)
    database = Database(new_url)

    with pytest.raises(Unavailable, match="at revision None, this version of the service needs 0002"):
        await database.check_schema(migrations, oldest="0002")
    await migrate(new_url, migrations, revision="0001")
    with pytest.raises(Unavailable, match="at revision 0001"):
        await database.check_schema(migrations, oldest="0002")
    await migrate(new_url, migrations)
    await database.check_schema(migrations, oldest="0002")
    await database.close()


async def test_a_service_serves_on_every_schema_from_its_oldest_on(new_url: str, migrations: Path) -> None:
    await create_database_if_missing(new_url)
    database = Database(new_url)

    with pytest.raises(Unavailable, match="at revision None, this version of the service needs 0001"):
        await database.check_schema(migrations, oldest="0001")
    for revision in ("0001", "0002"):
        await migrate(new_url, migrations, revision=revision)
        await database.check_schema(migrations, oldest="0001")
    await database.close()


async def test_checking_a_schema_again_and_again_keeps_nothing(new_url: str, migrations: Path) -> None:
    await create_database_if_missing(new_url)
    await migrate(new_url, migrations)
    database = Database(new_url)
    statements = database._engine.sync_engine._compiled_cache

    await database.check_schema(migrations, oldest="0001")
    after_one = len(statements or ())
    for _ in range(20):
        await database.check_schema(migrations, oldest="0001")

    assert len(statements or ()) == after_one
    await database.close()


async def test_a_schema_that_a_newer_version_has_migrated_is_left_to_it(
    new_url: str, migrations: Path
) -> None:
    await create_database_if_missing(new_url)
    await migrate(new_url, migrations)
    database = Database(new_url)
    await execute(database, "UPDATE alembic_version SET version_num = '0003'")

    await migrate(new_url, migrations)

    await database.check_schema(migrations, oldest="0002")
    assert await tables(new_url) == {"alembic_version", "essay", "anchor"}
    await database.close()


async def test_a_failed_migration_leaves_the_schema_as_it_was_and_frees_the_lock(
    new_url: str, migrations: Path, tmp_path: Path
) -> None:
    await create_database_if_missing(new_url)
    await migrate(new_url, migrations)
    (broken := tmp_path / "migrations" / "versions").mkdir(parents=True)
    (broken.parent / "env.py").write_text(ENV)
    for file in (migrations / "versions").glob("*.py"):
        (broken / file.name).write_text(file.read_text())
    wrong = MIGRATION.format(table="grade", revision="0003", previous="'0002'")
    (broken / "0003_grade.py").write_text(wrong.replace("pg_sleep(0.2)", "nothing"))

    with pytest.raises(DBAPIError):
        await migrate(new_url, broken.parent)
    async with asyncio.timeout(5):
        await migrate(new_url, migrations)

    assert await tables(new_url) == {"alembic_version", "essay", "anchor"}


async def test_a_database_that_is_there_needs_no_right_to_create_one(
    kit_database_url: str, make_database: Callable[[str], str]
) -> None:
    url = make_database("owned")
    name = f"plain_{uuid4().hex[:8]}"
    admin = Database(kit_database_url)
    async with admin.transaction() as connection:
        await connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'x' NOCREATEDB"))
    plain = make_url(url).set(username=name, password="x")

    await create_database_if_missing(plain.render_as_string(hide_password=False))

    async with admin.transaction() as connection:
        await connection.execute(text(f"DROP ROLE {name}"))
    await admin.close()
