"""One-shot jobs: every service's database brought to its newest schema, and every topic made."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError
from event_contracts import ALL_TOPICS, ConfigurationError, Unavailable, dead_letter_topic
from service_kit.messaging.event_bus.kafka_topics import NewTopics, create_missing_topics
from service_kit.storage.database import create_database_if_missing, migrate
from service_kit.storage.errors import RETRY_AFTER_SECONDS
from service_kit.telemetry.error_text import error_text
from sqlalchemy.exc import SQLAlchemyError

from suite.installed import SERVICES, InstalledService

DATABASE_ERRORS: Final = (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError)
"""What a database that is unavailable, closed to this user or wrongly addressed makes of a connection."""


async def migrate_databases(environment: Mapping[str, str]) -> list[str]:
    """Bring the database of each service that ``environment`` names one for to the newest schema; their titles.

    Raises ``ConfigurationError`` where no service has one, ``Unavailable`` where a server does not answer.
    """
    urls = {
        service: environment[service.variable("database_url")]
        for service in SERVICES
        if environment.get(service.variable("database_url"))
    }
    if not urls:
        names = ", ".join(service.variable("database_url") for service in SERVICES)
        raise ConfigurationError(f"no database is named: set at least one of {names}")
    for service, url in urls.items():
        await _migrate(service, url)
    return [service.title for service in urls]


async def _migrate(service: InstalledService, url: str) -> None:
    try:
        await create_database_if_missing(url)
        await migrate(url, service.migrations)
    except DATABASE_ERRORS as error:
        raise Unavailable(
            f"the database of {service.title} cannot be brought up to date ({error_text(error)}): check"
            f" {service.variable('database_url')}, and that its server runs",
            retry_after=RETRY_AFTER_SECONDS,
        ) from error


def topic_names() -> Sequence[str]:
    """Every topic with its dead-letter topic."""
    topics = [str(spec.topic) for spec in ALL_TOPICS]
    return [*topics, *(dead_letter_topic(topic) for topic in topics)]


async def create_topics(
    bootstrap: str, *, prefix: str = "", partitions: int = 6, replication: int = -1
) -> int:
    """Make every topic that is missing; returns how many the suite has. ``replication`` -1 is the broker's default.

    Raises ``Unavailable`` where the broker does not answer, ``ConfigurationError`` where it refuses a topic.
    """
    names = [prefix + name for name in topic_names()]
    wanted = NewTopics(names=names, partitions=partitions, replication=replication)
    try:
        await create_missing_topics(bootstrap, wanted)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"Kafka at {bootstrap} does not answer ({error!r}): check the address, and that a broker runs there",
            retry_after=RETRY_AFTER_SECONDS,
        ) from error
    return len(names)
