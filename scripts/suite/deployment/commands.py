"""cj-suite deployment: what runs once before the services of a deployment start."""

import asyncio
import os
from typing import Annotated

import typer
from command_line.exit_codes import reporting_errors
from rich.console import Console
from service_kit.telemetry.logging import configure_logging

deployment_app = typer.Typer(
    no_args_is_help=True,
    help="What runs once before the services of a deployment start: schemas and topics.",
)
console = Console(highlight=False)


@deployment_app.command()
def migrate() -> None:
    """Make the databases that are missing and bring their schemas up to date.

    The databases are those of CJ_ASSESSMENT_DATABASE_URL, LLM_PROVIDER_DATABASE_URL and
    BATCH_CONDUCTOR_DATABASE_URL, as far as they are set. It may run at any time and any number of times.

    Exit code: 0, 1 when a server does not answer, 2 when no database is named.
    """
    from suite.deployment.preparing import migrate_databases

    configure_logging(service="deployment")

    with reporting_errors():
        for title in asyncio.run(migrate_databases(os.environ)):
            console.print(f"up to date: {title}")


@deployment_app.command()
def topics(
    bootstrap: Annotated[
        str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="host:port, comma separated.")
    ],
    prefix: Annotated[
        str, typer.Option(envvar="KAFKA_TOPIC_PREFIX", help="Put before every topic's name.")
    ] = "",
    partitions: Annotated[
        int, typer.Option(min=1, help="Of each new topic; as many replicas can share a topic.")
    ] = 6,
    replication: Annotated[
        int, typer.Option(help="Copies of each new topic; -1 is the broker's own default.")
    ] = -1,
) -> None:
    """Make the topics that are missing, dead-letter topics included; those that exist stay as they are.

    Exit code: 0, 1 when the broker does not answer, 2 when it refuses a topic.
    """
    from suite.deployment.preparing import create_topics

    configure_logging(service="deployment")

    with reporting_errors():
        count = asyncio.run(
            create_topics(bootstrap, prefix=prefix, partitions=partitions, replication=replication)
        )
        console.print(f"{count} topics exist")
