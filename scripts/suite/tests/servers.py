"""The servers that integration tests share: one PostgreSQL and one Kafka per run, started when first needed.

Each is looked for in this order: an address in the environment, a container where a Docker engine answers,
a server started here. Under pytest-xdist the controlling process owns them and tells the workers.
"""

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Final, Literal, Protocol

from command_line.loopback import free_port
from suite.embedded.errors import EmbeddedServerError
from suite.embedded.kafka import BROKER_SETTINGS, KAFKA_VERSION, throwaway_kafka, unavailable_reason
from suite.embedded.postgres import throwaway_postgres

POSTGRES_IMAGE: Final = "postgres:18.4"
KAFKA_IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"
DOCKER_SOCKET: Final = Path("/var/run/docker.sock")
DOCKER_TIMEOUT_SECONDS: Final = 2

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
