"""Every service starts with exactly the environment that Docker Compose would give it, and a batch runs through."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from uuid import uuid4

import httpx2
import pytest
from batch_runner.running.request import RunOptions
from event_contracts import AssessmentState
from service_kit.callbacks.webhooks import WebhookSigner
from service_kit.tests.tokens import SHARED_SECRET, signed_with_secret
from suite.embedded.guarding import ended_if_we_are_killed
from suite.embedded.loopback import HOST, free_ports
from suite.embedded.postgres import PostgresServer
from suite.installed import SERVICES, InstalledService
from suite.processes.batches import generated_essays, send_batch, wait_until_ended
from suite.processes.service_process import new_secret
from suite.tests.compose_file import ComposeFile

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 300
DATABASE = re.compile(r"postgresql\+asyncpg://postgres:secret@postgres/(\w+)")


class _AdministratorsToken(httpx2.Auth):
    """As the platform's identity service signs them with the installation's secret."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {signed_with_secret()}"
        yield request


class Containers:
    """The file's containers as processes: the same environment, with the addresses of this machine in it."""

    def __init__(self, postgres: PostgresServer, kafka: str, folder: Path) -> None:
        self.name = f"compose{uuid4().hex[:8]}"
        self._postgres = postgres
        self._kafka = kafka
        self._folder = folder
        self._file = ComposeFile.read()
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self._given = {
            "POSTGRES_PASSWORD": "secret",
            "CALLBACK_SIGNING_SECRET": new_secret(),
            "SERVICE_SECRET": token_urlsafe(48),
            "JWT_SECRET": SHARED_SECRET,
            "LLM_PROVIDER_SIMULATED_SEED": "7",
            **{service.variable("kafka_topic_prefix"): f"{self.name}." for service in SERVICES},
        }

    def url(self, service: InstalledService) -> str:
        return f"http://{HOST}:{self.ports[service]}"

    def environment(self, container: str) -> dict[str, str]:
        """What Compose would give the container, with only addresses replaced."""
        return {
            name: self._here(value) for name, value in self._file.environment(container, self._given).items()
        }

    def _here(self, value: str) -> str:
        for service, port in self.ports.items():
            value = value.replace(f"http://{service.container}:{service.port}", f"http://{HOST}:{port}")
        value = value.replace("kafka:9092", self._kafka).replace("0.0.0.0", HOST)
        return DATABASE.sub(lambda found: self._postgres.url_for(f"{self.name}_{found[1]}"), value)

    def run_job(self, container: str, extra: Mapping[str, str] | None = None) -> str:
        """Run a one-shot container's command to its end; returns what it printed."""
        command = list(self._file.services[container]["command"])
        command[0] = str(Path(sys.executable).parent / command[0])
        ended = subprocess.run(
            command,
            env={**self.environment(container), **(extra or {})},
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @asynccontextmanager
    async def running(self, service: InstalledService) -> AsyncIterator[None]:
        """Run a service's command with its environment and nothing else, and wait until it is ready."""
        command = list(self._file.services[service.container]["command"])
        assert command[0] == "python"
        log = self._folder / f"{service.container}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command[1:],
                env={
                    **self.environment(service.container),
                    service.variable("http_port"): str(self.ports[service]),
                },
                cwd=self._folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        with ended_if_we_are_killed(process.pid, signal.SIGKILL):
            try:
                await self._ready(service, process, log)
                yield
            finally:
                if process.returncode is None:
                    process.terminate()
                assert await process.wait() == 0, f"{service.title} ended badly: see {log}"

    async def _ready(self, service: InstalledService, process: asyncio.subprocess.Process, log: Path) -> None:
        async with httpx2.AsyncClient(timeout=5) as http, asyncio.timeout(PATIENCE_SECONDS):
            while True:
                assert process.returncode is None, f"{service.title} ended: see {log}"
                try:
                    if (await http.get(f"{self.url(service)}/readyz")).is_success:
                        return
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.05)


@pytest.fixture
def containers(postgres_server: PostgresServer, kafka_bootstrap: str, tmp_path: Path) -> Iterator[Containers]:
    made = Containers(postgres_server, kafka_bootstrap, tmp_path)
    yield made
    for service in SERVICES:
        postgres_server.drop_database(f"{made.name}_{service.package}")


async def test_a_batch_runs_through_services_that_have_composes_environment(containers: Containers) -> None:
    migrated = containers.run_job("migrations")
    made = containers.run_job("topics", {"KAFKA_TOPIC_PREFIX": f"{containers.name}."})

    assessment, provider, conductor = SERVICES
    async with (
        containers.running(provider),
        containers.running(conductor),
        containers.running(assessment),
    ):
        auth = _AdministratorsToken()
        options = RunOptions(label="composed", max_comparisons=12)
        await send_batch(containers.url(assessment), generated_essays(6), options, auth=auth)
        ended = await wait_until_ended(
            containers.url(assessment), options.batch_id, seconds=PATIENCE_SECONDS, auth=auth
        )

    assert [line.removeprefix("up to date: ") for line in migrated.splitlines()] == [
        service.title for service in SERVICES
    ]
    assert made.endswith("topics are there\n")
    assert ended.state in (AssessmentState.COMPLETED, AssessmentState.COMPLETED_WITH_FAILURES)
    assert ended.progress.comparisons_judged > 0


def test_the_secrets_that_make_makes_are_accepted() -> None:
    printed = subprocess.run(
        ["make", "--no-print-directory", "secrets"],
        cwd=Path(__file__).parents[4],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    secrets = dict(line.split("=", 1) for line in printed.splitlines())

    assert secrets.keys() == {
        "POSTGRES_PASSWORD",
        "SERVICE_SECRET",
        "JWT_SECRET",
        "CALLBACK_SIGNING_SECRET",
        "GRAFANA_ADMIN_PASSWORD",
    }
    assert all(re.fullmatch(r"[\w+/=-]{24,}", secret) for secret in secrets.values())
    WebhookSigner(secrets["CALLBACK_SIGNING_SECRET"])  # raises for a secret that it cannot sign with
