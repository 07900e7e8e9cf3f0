"""Every metric is emitted, and every expression of every panel and alert returns data, in a live run of the suite."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from batch_runner.running.request import RunOptions
from event_contracts import AssessmentState
from prometheus_client.parser import text_string_to_metric_families
from suite.embedded.postgres import PostgresServer
from suite.installed import SERVICES
from suite.observability.alerts import ALERTS
from suite.observability.dashboards import BOARDS
from suite.observability.panels import Source
from suite.observability.rules import RULES_FILE
from suite.processes.batches import generated_essays, send_batch, wait_until_ended
from suite.tests.compose_file import ROOT
from suite.tests.containers import WAIT_TIMEOUT_SECONDS, AdministratorsToken, Containers
from suite.tests.prometheus_process import Prometheus, is_installed, prometheus

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.slow,
    pytest.mark.skipif(
        not is_installed() and not os.environ.get("CI"),
        reason="no Prometheus: install Debian's package prometheus",
    ),
]

RULES = ROOT / "deploy/observability/prometheus" / RULES_FILE


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """Services that have assessed a batch, and a Prometheus that watches them."""

    prometheus: Prometheus
    metrics: list[str]
    """What each service shows at /metrics."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(
    postgres_server: PostgresServer, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LiveRun]:
    folder = tmp_path_factory.mktemp("live")
    # A key makes a vendor's models known; no call is made with it.
    containers = Containers(
        postgres_server, kafka_bootstrap, folder, {"LLM_PROVIDER_ANTHROPIC_API_KEY": "nobody"}
    )
    assessment, provider, conductor = SERVICES
    targets = {service.package: containers.url(service).removeprefix("http://") for service in SERVICES}
    containers.run_job("migrations")
    containers.run_job("topics", {"KAFKA_TOPIC_PREFIX": f"{containers.name}."})
    try:
        async with (
            containers.running(provider),
            containers.running(conductor),
            containers.running(assessment),
            prometheus(folder / "prometheus", targets, rules=RULES) as watching,
            httpx2.AsyncClient(timeout=30, auth=AdministratorsToken()) as http,
        ):
            pipeline = {
                "requested_pipeline": "cj_assessment",
                "batch_id": "b",
                "correlation_id": str(uuid4()),
            }
            await http.post(f"{containers.url(conductor)}/internal/v1/pipelines/define", json=pipeline)
            auth = AdministratorsToken()
            options = RunOptions(label="watched", max_comparisons=12)
            await send_batch(containers.url(assessment), generated_essays(6), options, auth=auth)
            ended = await wait_until_ended(
                containers.url(assessment), options.batch_id, seconds=WAIT_TIMEOUT_SECONDS, auth=auth
            )
            assert ended.state in (AssessmentState.COMPLETED, AssessmentState.COMPLETED_WITH_FAILURES)
            # The last of what is shown is measured a minute after the batch's end at the latest.
            await _until_asked(
                watching, "judge_position_effect_logits and on() assessment_reliability_at_stop"
            )
            await _until_asked(watching, "huleedu_bcs_events_processed_total")
            shown = [(await http.get(f"{containers.url(service)}/metrics")).text for service in SERVICES]
            yield LiveRun(prometheus=watching, metrics=shown)
    finally:
        for service in SERVICES:
            postgres_server.drop_database(f"{containers.name}_{service.package}")


async def _until_asked(watching: Prometheus, expression: str) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while not await watching.ask(expression):  # noqa: ASYNC110 - another process measures, not a task
            await asyncio.sleep(0.5)


async def test_every_expression_of_every_panel_returns_data(live: LiveRun) -> None:
    expressions = [
        (board.title, panel.title, query.expression)
        for board in BOARDS
        for panel in board.panels()
        if panel.source is Source.PROMETHEUS
        for query in panel.queries
    ]

    without = [found for found in expressions if not await live.prometheus.ask(found[2])]

    assert without == []
    print(f"expressions of panels that return data: {len(expressions)} of {len(expressions)}")


async def test_every_alerts_expression_is_understood_and_none_fires_in_a_good_run(live: LiveRun) -> None:
    firing = [alert.name for alert in ALERTS if await live.prometheus.ask(alert.expression)]

    assert firing == []


async def test_every_declared_metric_is_emitted(live: LiveRun) -> None:
    samples: dict[str, int] = {}
    for text in live.metrics:
        for family in text_string_to_metric_families(text):
            samples[family.name] = samples.get(family.name, 0) + len(family.samples)

    assert [name for name, count in samples.items() if not count] == []


async def test_every_metric_of_the_suite_is_on_a_dashboard(live: LiveRun) -> None:
    shown = " ".join(
        query.expression for board in BOARDS for panel in board.panels() for query in panel.queries
    )
    declared = {family.name for text in live.metrics for family in text_string_to_metric_families(text)}
    own = {name for name in declared if not name.startswith("process_")}

    assert sorted(name for name in own if name not in shown) == []


async def test_no_label_grows_with_the_work(live: LiveRun) -> None:
    """Routes are templates, and no label holds a batch, an essay, a request or a user."""
    for text in live.metrics:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                assert not sample.labels.keys() & {"batch_id", "essay_id", "user_id", "correlation_id"}
                assert "watched" not in "".join(sample.labels.values())
