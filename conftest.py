"""Hooks and fixtures of all tests: the servers that they share, their order, their logs."""

import gc
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn, Protocol

import hypothesis
import pytest
import structlog
from sqlalchemy import make_url
from suite.embedded.kafka import KafkaBroker, throwaway_kafka, unavailable_reason
from suite.embedded.postgres import PostgresServer
from suite.tests.distributing import distribute
from suite.tests.servers import KINDS, Kind, OwnedServers, RemoteServers, Servers

# Before numpy is imported: its threads would only take the cores from the other test processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

IN_CI: Final = os.environ.get("CI", "").lower() in ("1", "true")

# A deadline for one example says more about a busy machine than about the code.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=IN_CI, print_blob=True)
hypothesis.settings.load_profile("suite")

SERVERS: Final = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    given: dict[str, str] | None = getattr(config, "workerinput", None)
    servers: Servers = OwnedServers() if given is None else RemoteServers(given["cj_servers"])
    config.stash[SERVERS] = servers
    config.add_cleanup(servers.close)


class XdistNode(Protocol):
    """A pytest-xdist worker as its controller sees it."""

    config: pytest.Config
    workerinput: dict[str, str]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: XdistNode) -> None:
    servers = node.config.stash[SERVERS]
    assert isinstance(servers, OwnedServers), "workers are configured by the process that owns the servers"
    node.workerinput["cj_servers"] = servers.address_for_workers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for folder in ("unit", "integration"):
            if folder in item.path.parts:
                item.add_marker(folder)
    # The longest first: a run of several processes ends when the last test of the slowest one does.
    items.sort(key=_expected_place)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = distribute(items, processes=processes, is_long=_is_long, file_of=lambda item: item.path)


def pytest_collection_finish() -> None:
    """Keep the collected tests out of garbage collection: they live as long as the run."""
    gc.freeze()


def _expected_place(item: pytest.Item) -> tuple[bool, bool]:
    """Tests of whole suites take longest, then those marked slow; within a group the order stays."""
    runs_a_suite = "suite" in item.path.parts and "integration" in item.path.parts
    return not runs_a_suite, item.get_closest_marker("slow") is None


def _is_long(item: pytest.Item) -> bool:
    return not all(_expected_place(item))


def pytest_report_header() -> list[str]:
    return [_availability(kind) for kind in KINDS.values()]


def _availability(kind: Kind) -> str:
    lacking = kind.lacks()
    return f"{kind.name}: none, {lacking}" if lacking else f"if needed: {kind.label()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    servers = config.stash[SERVERS]
    if isinstance(servers, OwnedServers):
        for name, answer in servers.answers.items():
            missing = f"{KINDS[name].name}: {answer.lacking or answer.failed}"
            terminalreporter.write_line(f"used: {KINDS[name].label()}" if answer.address else missing)


def _address(config: pytest.Config, kind: str) -> str:
    answer = config.stash[SERVERS].get(kind)
    if answer.failed is not None:
        pytest.fail(f"no {KINDS[kind].name}: {answer.failed}", pytrace=False)
    if answer.address is None:
        _lack(f"no {KINDS[kind].name}: {answer.lacking}")
    return answer.address


def _lack(what: str) -> NoReturn:
    """Skip the test for want of something that can be installed; in CI, where it must be, fail it."""
    if IN_CI:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Clear the previous test's log context, and print plain tracebacks.

    structlog's default draws a picture of each traceback, which takes a second of a busy machine.
    """
    before = structlog.get_config()
    structlog.contextvars.clear_contextvars()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """The run's PostgreSQL server."""
    url = make_url(_address(pytestconfig, "postgres")).set(drivername="postgresql+asyncpg")
    return PostgresServer(url.render_as_string(hide_password=False))


@pytest.fixture(scope="module")
def make_database(postgres_server: PostgresServer) -> Iterator[Callable[[str], str]]:
    """``make_database(name)`` creates a fresh database and returns its URL; the module's end drops it."""
    made: list[str] = []

    def make(name: str) -> str:
        made.append(f"{name}_{uuid.uuid4().hex[:12]}")
        return postgres_server.create_database(made[-1])

    yield make
    for database in made:
        postgres_server.drop_database(database)


@pytest.fixture(scope="module")
def database_url(make_database: Callable[[str], str]) -> str:
    """URL of a fresh database that this test module has to itself."""
    return make_database("test")


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config) -> str:
    """Address of the run's Kafka broker, ``host:port``; it creates no topic by itself."""
    return _address(pytestconfig, "kafka")


@pytest.fixture
def own_broker() -> Iterator[KafkaBroker]:
    """A broker that a test may stop and kill."""
    if lacking := unavailable_reason():
        _lack(f"no Apache Kafka to stop and kill: {lacking}")
    with throwaway_kafka() as broker:
        yield broker


@pytest.fixture(scope="module")
def topic_prefix() -> str:
    """A prefix for topics and groups that no other test module uses."""
    return f"test-{uuid.uuid4().hex[:12]}."


@pytest.fixture(scope="session")
def validation_data() -> Path:
    """The folder of real data that CJ_VALIDATION_DATA names."""
    folder = os.environ.get("CJ_VALIDATION_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no validation data: set CJ_VALIDATION_DATA to the folder that holds it")
    return Path(folder).resolve()
