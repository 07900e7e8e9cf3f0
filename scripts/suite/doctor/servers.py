"""The servers that services stand on: databases, the broker, and the services themselves."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
import httpx2
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from alembic.script import ScriptDirectory
from command_line.finding import Finding, clock, failed, not_checked, passed
from service_kit.telemetry.error_text import error_text
from sqlalchemy.exc import ArgumentError

from suite.deployment.preparing import topic_names
from suite.embedded.postgres import plain_connection
from suite.installed import InstalledService

TIMEOUT_SECONDS: Final = 10.0
MIN_POSTGRES: Final = 14


async def database(service: InstalledService, environment: Mapping[str, str]) -> list[Finding]:
    """Whether a service's database answers, its schema is new enough, and its server's clock agrees with ours."""
    what, variable = f"database of {service.title}", service.variable("database_url")
    url = environment.get(variable)
    if not url:
        return [not_checked(what, f"{variable} is not set; cj-suite up makes a database of its own")]
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), plain_connection(url) as connection:
            return await _looked_into(connection, what, service)
    except ArgumentError:
        return [failed(what, f"{variable} is not an address: postgresql+asyncpg://USER:PASSWORD@HOST/NAME")]
    except asyncpg.InvalidCatalogNameError:
        return [
            failed(what, "the server answers, but has no such database: cj-suite deployment migrate makes it")
        ]
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [failed(what, f"does not answer ({error_text(error)}): check {variable}, and that it runs")]


async def _looked_into(connection: asyncpg.Connection, what: str, service: InstalledService) -> list[Finding]:
    now = await connection.fetchval("SELECT clock_timestamp()")
    version = connection.get_server_version()
    found = clock(f"clock of the {what}", now)
    if version.major < MIN_POSTGRES:
        return [found, failed(what, f"PostgreSQL {version.major} is too old: use {MIN_POSTGRES} or newer")]
    made = await connection.fetchval("SELECT to_regclass('alembic_version')")
    revision = made and await connection.fetchval("SELECT version_num FROM alembic_version")
    if revision is None:
        return [found, failed(what, "answers, and is empty: run cj-suite deployment migrate")]
    scripts = ScriptDirectory(str(service.migrations)).walk_revisions()
    known = [script.revision for script in scripts]
    server = f"PostgreSQL {version.major}.{version.minor}"
    return [found, _schema(what, server, revision, known=known, oldest=service.oldest_schema)]


def _schema(what: str, server: str, revision: str, *, known: Sequence[str], oldest: str) -> Finding:
    """Whether the service serves on a revision; of the ``known`` the newest comes first."""
    if revision in known[known.index(oldest) + 1 :]:
        said = f"its schema is {revision}, {oldest} or newer is needed: run cj-suite deployment migrate"
        return failed(what, said)
    if revision in known[1:]:
        behind = f"{known.index(revision)} behind {known[0]}, on which it serves as well"
        return passed(what, f"{server}, schema {revision}, {behind}: run cj-suite deployment migrate")
    return passed(what, f"{server}, schema {revision}")


async def broker(bootstrap: str | None, *, prefix: str) -> Finding:
    """Whether the broker answers and has every topic."""
    what = "broker"
    if not bootstrap:
        return not_checked(
            what,
            "no *_KAFKA_BOOTSTRAP_SERVERS is set; cj-suite up needs no broker, Docker Compose brings one",
        )
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await admin.start()
            existing = set(await admin.list_topics())
    except (KafkaError, OSError, TimeoutError) as error:
        return failed(what, f"{bootstrap} does not answer ({type(error).__name__}): check the address")
    finally:
        await admin.close()
    missing = [name for name in topic_names() if prefix + name not in existing]
    if missing:
        return failed(
            what,
            f"{bootstrap} lacks {len(missing)} topics, {prefix}{missing[0]} first: run cj-suite deployment topics",
        )
    return passed(what, f"{bootstrap} answers, with every topic")


async def service(one: InstalledService, client: httpx2.AsyncClient, *, host: str) -> Finding:
    """Whether a service is ready on that host; one that does not run is not checked."""
    url = f"http://{host}:{one.port}"
    try:
        answer = await client.get(f"{url}/readyz")
    except httpx2.HTTPError:
        return not_checked(one.title, f"does not run at {url}: start it with cj-suite up or make up")
    if answer.is_success:
        return passed(one.title, f"{url} is ready")
    try:
        said = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        said = f"something else answers there, with {answer.status_code}"
    return failed(one.title, f"{url}: {said}")
