"""The servers that integration tests share: one PostgreSQL and one Kafka per run, started when first needed.

Each is looked for in this order: an address in the environment, a container where a Docker engine answers,
a server started here. Under pytest-xdist the controlling process owns them and tells the workers.
"""

import gc
import os
import re
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Final, Literal, Protocol

import hypothesis
import pytest
import structlog
from command_line.loopback import free_port
from sqlalchemy import make_url
from suite.embedded.errors import EmbeddedServerError
from suite.embedded.kafka import (
    BROKER_SETTINGS,
    KAFKA_VERSION,
    KafkaBroker,
    throwaway_kafka,
    unavailable_reason,
)
from suite.embedded.postgres import PostgresServer, throwaway_postgres
from suite.tests.distributing import distribute

# Before numpy is imported: its threads would only take the cores from the other test processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

POSTGRES_IMAGE: Final = "postgres:18.4"
KAFKA_IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"
DOCKER_SOCKET: Final = Path("/var/run/docker.sock")
DOCKER_TIMEOUT_SECONDS: Final = 2
IN_CI: Final = os.environ.get("CI", "").lower() in ("1", "true")

# A deadline for one example says more about a busy machine than about the code.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=IN_CI, print_blob=True)
hypothesis.settings.load_profile("suite")

Origin = Literal["environment", "container", "embedded"]


@contextmanager
def _postgres_container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer(POSTGRES_IMAGE, driver="asyncpg") as container:
        yield container.get_connection_url()


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    # A broker tells its clients its own address, so the port must be known before it starts.
    address = f"{DockerClient().host()}:{free_port()}"
    settings = {
        **BROKER_SETTINGS,
        "listeners": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "controller.quorum.voters": "1@127.0.0.1:9093",
    }
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, int(address.rpartition(":")[2]))
    for key, value in settings.items():
        container = container.with_env(f"KAFKA_{key.upper().replace('.', '_')}", value)
    with container.waiting_for(LogMessageWaitStrategy(re.compile("Kafka Server started"))):
        yield address


@contextmanager
def _postgres_here() -> Iterator[str]:
    with throwaway_postgres() as server:
        yield server.url


@contextmanager
def _kafka_here() -> Iterator[str]:
    with throwaway_kafka() as broker:
        yield broker.bootstrap


@cache
def _docker_answers() -> bool:
    if not (os.environ.get("DOCKER_HOST") or DOCKER_SOCKET.exists()):
        return False
    import docker
    from docker.errors import DockerException

    try:
        return bool(docker.from_env(timeout=DOCKER_TIMEOUT_SECONDS).ping())
    except (DockerException, OSError):
        return False


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A server that tests need, and the ways to have one."""

    name: str
    variable: str
    image: str
    wheel_or_jars: str
    container: Callable[[], AbstractContextManager[str]]
    embedded: Callable[[], AbstractContextManager[str]]
    lacking: Callable[[], str | None]

    def origin(self) -> Origin:
        if os.environ.get(self.variable):
            return "environment"
        return "container" if _docker_answers() else "embedded"

    def lacks(self) -> str | None:
        """What is missing here for this server; None if it can be started."""
        return self.lacking() if self.origin() == "embedded" else None

    def running(self) -> AbstractContextManager[str]:
        match self.origin():
            case "environment":
                return _already_running(os.environ[self.variable])
            case "container":
                return self.container()
            case "embedded":
                return self.embedded()

    def label(self) -> str:
        match self.origin():
            case "environment":
                return f"{self.name} that {self.variable} names"
            case "container":
                return f"{self.name} in a container ({self.image})"
            case "embedded":
                return f"{self.name} started here ({self.wheel_or_jars})"


@contextmanager
def _already_running(address: str) -> Iterator[str]:
    yield address


KINDS: Final = {
    "postgres": Kind(
        name="PostgreSQL",
        variable="TEST_POSTGRES_URL",
        image=POSTGRES_IMAGE,
        wheel_or_jars="18, from the wheel",
        container=_postgres_container,
        embedded=_postgres_here,
        lacking=lambda: None,
    ),
    "kafka": Kind(
        name="Apache Kafka",
        variable="KAFKA_BOOTSTRAP_SERVERS",
        image=KAFKA_IMAGE,
        wheel_or_jars=f"{KAFKA_VERSION}, from Maven Central",
        container=_kafka_container,
        embedded=_kafka_here,
        lacking=unavailable_reason,
    ),
}


@dataclass(frozen=True)
class Answer:
    """Where a server is, or why there is none: because something is not installed, or because it failed."""

    address: str | None = None
    lacking: str | None = None
    failed: str | None = None


class Servers(Protocol):
    """Where a test process gets its servers from."""

    def get(self, kind: str) -> Answer: ...

    def close(self) -> None: ...


class OwnedServers:
    """Starts each server once, when it is first asked for, and ends them all at the end of the run."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self._closing = ExitStack()
        self._listener: Listener | None = None

    def get(self, kind: str) -> Answer:
        if kind not in self.answers:
            self.answers[kind] = self._start(KINDS[kind])
        return self.answers[kind]

    def _start(self, kind: Kind) -> Answer:
        if (lacking := kind.lacks()) is not None:
            return Answer(lacking=lacking)
        try:
            return Answer(address=self._closing.enter_context(kind.running()))
        except EmbeddedServerError as error:
            return Answer(failed=error.message)
        except Exception as error:  # a worker waits for the answer, whatever Docker raised
            return Answer(failed=f"{kind.label()} failed: {error!r}")

    def address_for_workers(self) -> str:
        """Where worker processes ask; listens from the first call on."""
        if self._listener is None:
            folder = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="cj-tests-"))
            self._listener = Listener(str(Path(folder) / "servers"))
            self._closing.callback(self._listener.close)
            threading.Thread(target=self._answer_workers, args=(self._listener,), daemon=True).start()
        return str(self._listener.address)

    def _answer_workers(self, listener: Listener) -> None:
        while True:
            try:
                with listener.accept() as worker:
                    answer = self.get(worker.recv())
                    worker.send((answer.address, answer.lacking, answer.failed))
            except EOFError:  # that worker was killed; the next one still wants an answer
                continue
            except OSError:
                return

    def close(self) -> None:
        self._closing.close()


class RemoteServers:
    """Asks the controlling process of a pytest-xdist run."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, kind: str) -> Answer:
        with Client(self._address) as controller:
            controller.send(kind)
            return Answer(*controller.recv())

    def close(self) -> None:
        """The controller ends the servers."""


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
    """Let no search for garbage go through what all the tests consist of, again and again."""
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
    if answer.address is not None:
        return answer.address
    if answer.failed is not None or IN_CI:
        pytest.fail(f"no {KINDS[kind].name}: {answer.failed or answer.lacking}", pytrace=False)
    pytest.skip(f"no {KINDS[kind].name}: {answer.lacking}")


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
    if why_not := unavailable_reason():
        pytest.skip(f"this test stops its broker, and has none of its own: {why_not}")
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
