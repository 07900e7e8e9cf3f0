"""Every service starts with exactly the environment that Docker Compose would give it, and a batch runs through."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_runner.running.request import RunOptions
from event_contracts import AssessmentState
from service_kit.callbacks.webhooks import WebhookSigner
from suite.embedded.postgres import PostgresServer
from suite.installed import SERVICES
from suite.processes.batches import generated_essays, send_batch, wait_until_ended
from suite.tests.containers import WAIT_TIMEOUT_SECONDS, AdministratorsToken, Containers

pytestmark = pytest.mark.slow


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
        auth = AdministratorsToken()
        options = RunOptions(label="composed", max_comparisons=12)
        await send_batch(containers.url(assessment), generated_essays(6), options, auth=auth)
        ended = await wait_until_ended(
            containers.url(assessment), options.batch_id, seconds=WAIT_TIMEOUT_SECONDS, auth=auth
        )

    assert [line.removeprefix("up to date: ") for line in migrated.splitlines()] == [
        service.title for service in SERVICES
    ]
    assert made.endswith("topics exist\n")
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
