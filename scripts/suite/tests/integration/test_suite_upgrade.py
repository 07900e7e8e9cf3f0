"""New code serves on the schema before its newest, and old code on the newest: an upgrade may stop halfway."""

import asyncio
import io
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pytest
from alembic.script import ScriptDirectory
from batch_runner.assignment.contents import Assignment
from batch_runner.running.request import RunOptions
from event_contracts import AssessmentState
from service_kit.storage.database import migrate
from suite.deployment.preparing import migrate_databases
from suite.embedded.postgres import PostgresServer, plain_connection
from suite.installed import SERVICES, InstalledService
from suite.processes.batches import generated_essays, send_batch, wait_until_ended, write_qualities
from suite.processes.service_process import ServiceProcess
from suite.processes.tokens import OwnToken
from suite.tests.replicas import replica

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[4]
COMPARISONS: Final = 40
PLAN: Final = {
    "batch_id": "upgrading",
    "requested_pipeline": "comprehensive",
    "correlation_id": "upgrading",
    "batch_metadata": {"prompt_attached": True, "essay_count": 30},
}


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The three services on databases of their own."""

    postgres: PostgresServer
    name: str
    services: dict[str, ServiceProcess]
    assignment: Assignment

    async def revisions(self) -> dict[str, str]:
        """At which revision the schema of each service is."""
        return {one.package: await self._revision(one.package) for one in SERVICES}

    async def _revision(self, package: str) -> str:
        async with plain_connection(self.postgres.url_for(f"{self.name}_{package}")) as connection:
            return str(await connection.fetchval("SELECT version_num FROM alembic_version"))

    async def send(self) -> RunOptions:
        """Start a batch."""
        options = RunOptions(batch_uuid=uuid4(), max_comparisons=COMPARISONS, target_reliability=0.9999)
        await send_batch(self.services["cj_assessment"].url, self.assignment, options)
        return options

    async def ended(self, options: RunOptions) -> tuple[AssessmentState, int]:
        """How a batch ended, and with how many comparisons."""
        status = await wait_until_ended(self.services["cj_assessment"].url, options.batch_id)
        return status.state, status.progress.comparisons_judged

    async def plans(self) -> bool:
        """Whether the Batch Conductor plans a pipeline."""
        url = f"{self.services['batch_conductor'].url}/internal/v1/pipelines/define"
        async with httpx2.AsyncClient(auth=OwnToken(), timeout=30) as http:
            return (await http.post(url, json=PLAN)).is_success


@pytest.fixture
def name(postgres_server: PostgresServer) -> Iterator[str]:
    """What the databases and topics of a test begin with; each service's database is there, and empty."""
    name = f"upgrade{uuid4().hex[:8]}"
    for service in SERVICES:
        postgres_server.create_database(f"{name}_{service.package}")
    yield name
    for service in SERVICES:
        postgres_server.drop_database(f"{name}_{service.package}")


@asynccontextmanager
async def installation(
    postgres: PostgresServer,
    kafka: str,
    *,
    name: str,
    folder: Path,
    source: Path | None = None,
    settings: dict[str, str],
) -> AsyncIterator[Installation]:
    """The three services as processes, started and ready."""
    assignment = generated_essays(12)
    qualities = write_qualities(assignment, folder / "qualities.toml")
    own = {
        "llm_provider": {"simulated_quality_file": str(qualities), "simulated_latency_ms": "50"},
        "cj_assessment": {"default_provider": "mock"},
        "batch_conductor": {},
    }
    services: dict[str, ServiceProcess] = {}
    for package, special in own.items():
        services[package] = replica(
            package,
            postgres,
            kafka,
            name=name,
            folder=folder,
            settings={**settings, **special},
            source=source,
        )
        own["cj_assessment"]["llm_provider_url"] = services["llm_provider"].url
    try:
        await asyncio.gather(*(one.start() for one in services.values()))
        yield Installation(postgres=postgres, name=name, services=services, assignment=assignment)
    finally:
        await asyncio.gather(*(one.kill() for one in services.values()))


def newest(service: InstalledService) -> str:
    revision = ScriptDirectory(str(service.migrations)).get_current_head()
    assert revision is not None
    return revision


def database_urls(postgres: PostgresServer, name: str) -> dict[str, str]:
    """The addresses of the databases as the environment names them."""
    return {one.variable("database_url"): postgres.url_for(f"{name}_{one.package}") for one in SERVICES}


async def test_new_code_serves_on_the_schema_before_its_newest_and_while_it_is_migrated(
    postgres_server: PostgresServer, kafka_bootstrap: str, name: str, tmp_path: Path
) -> None:
    databases = database_urls(postgres_server, name)
    for service in SERVICES:
        await migrate(
            databases[service.variable("database_url")], service.migrations, revision=service.oldest_schema
        )

    async with installation(
        postgres_server,
        kafka_bootstrap,
        name=name,
        folder=tmp_path,
        settings={"migrate_at_start": "false"},
    ) as upgraded:
        before = await upgraded.revisions()
        first = await upgraded.ended(await upgraded.send())
        planned = await upgraded.plans()
        meanwhile = await upgraded.send()
        await migrate_databases(databases)
        second = await upgraded.ended(meanwhile)
        after = await upgraded.revisions()
        planned_after = await upgraded.plans()

    assert before == {one.package: one.oldest_schema for one in SERVICES}
    assert after == {one.package: newest(one) for one in SERVICES}
    assert first == second == (AssessmentState.COMPLETED, COMPARISONS)
    assert planned
    assert planned_after


def git(*arguments: str) -> bytes:
    """What git says of this checkout; skips where there is none, or not all of its history."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no history of this checkout: git {' '.join(arguments[:2])} says {error}")


def commit_before_the_newest_migration() -> str:
    """The last commit that did not know the newest schema of every service."""
    scripts = [path for one in SERVICES for path in one.migrations.glob(f"versions/{newest(one)}_*.py")]
    files = [path.relative_to(ROOT).as_posix() for path in scripts]
    added = git("log", "-1", "--diff-filter=A", "--format=%H", "--", *files).decode().strip()
    if not added:
        pytest.skip(f"no history of this checkout: no commit adds {files}")
    return git("rev-parse", "--verify", f"{added}^").decode().strip()


def extracted(commit: str, folder: Path) -> Path:
    """The services of a commit, as they were."""
    archive = git("archive", commit, "libs", "services")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(folder, filter="data")
    return folder


def module_files(service: ServiceProcess) -> list[Path]:
    """Where the code comes from that a service runs."""
    code = (
        f"import service_kit, event_contracts, {service.package} as own;"
        "print(service_kit.__file__, event_contracts.__file__, own.__file__, sep='\\n')"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=service.whole_environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return [Path(line) for line in found.stdout.splitlines()]


async def test_old_code_starts_and_serves_on_the_newest_schema(
    postgres_server: PostgresServer, kafka_bootstrap: str, name: str, tmp_path: Path
) -> None:
    old = extracted(commit_before_the_newest_migration(), tmp_path / "old")
    databases = database_urls(postgres_server, name)
    await migrate_databases(databases)

    async with installation(
        postgres_server, kafka_bootstrap, name=name, folder=tmp_path, source=old, settings={}
    ) as left_behind:
        files = [path for one in left_behind.services.values() for path in module_files(one)]
        ended = await left_behind.ended(await left_behind.send())
        planned = await left_behind.plans()
        revisions = await left_behind.revisions()

    assert all(path.is_relative_to(old) for path in files)
    unknown = [
        one
        for one in SERVICES
        if not list(old.glob(f"services/{one.package}/migrations/versions/{newest(one)}_*"))
    ]
    assert unknown
    assert revisions == {one.package: newest(one) for one in SERVICES}
    assert ended == (AssessmentState.COMPLETED, COMPARISONS)
    assert planned
