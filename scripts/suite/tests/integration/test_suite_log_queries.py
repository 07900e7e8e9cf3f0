"""The documented log queries, and those of the dashboards, find their lines: by Loki's own parser and pipeline.

The lines are those of a real run whose PostgreSQL was killed (``tests/data/captured_lines.ndjson``), with a dead letter
that the consumer writes here, an error, and a line as the runner writes them.
"""

import io
import json
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from event_contracts import ELS_CJAssessmentRequestV1, Topic
from prometheus_client import CollectorRegistry
from service_kit.messaging.consumer import EventConsumer, Route
from service_kit.messaging.event_bus import MemoryEventBus, Message
from service_kit.telemetry.logging import configure_logging
from service_kit.telemetry.metrics import ServiceMetrics
from suite.observability.dashboards import BOARDS
from suite.observability.panels import Source
from suite.tests.compose_file import ROOT

pytestmark = pytest.mark.slow

PAGE = ROOT / "documentation/operations/logs.md"
PROGRAM = Path(__file__).parents[1] / "logql"
CAPTURED = Path(__file__).parents[1] / "data/captured_lines.ndjson"
BUILD_SECONDS = 900
QUICK_BUILD = "-gcflags=all=-N -l -dwarf=false"
"""Without optimisation: compiling eight hundred packages takes far longer than the program runs."""
RUNNER_LINE = {
    "event": "runner_validation_state",
    "level": "info",
    "service": "batch_runner",
    "timestamp": "2026-11-27T05:00:00.000000Z",
    "batch_id": "label",
    "batch_uuid": "7f1c2f5e-0000-4000-8000-000000000000",
    "runner_mode": "execute",
    "runner_status": "completed",
    "manifest_entries": 24,
    "artefact_checksum": "0" * 64,
}


@pytest.fixture(scope="module")
def loki_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with Loki's parser in it, from the module that Loki publishes; Go keeps what it has compiled."""
    if shutil.which("go") is None and not os.environ.get("CI"):
        pytest.skip("no Go, which Loki's parser is built with")
    program = tmp_path_factory.mktemp("logql") / "logqlcheck"
    built = subprocess.run(
        ["go", "build", QUICK_BUILD, "-o", str(program), "."],
        cwd=PROGRAM,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS,
    )
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process logs, as a service does."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    configure_logging(service="cj_assessment", stream=stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


async def lines(written: io.StringIO) -> list[dict[str, Any]]:
    """Captured lines, and those of a dead letter, an unexpected error and a run."""
    bus = MemoryEventBus()

    async def handle(_: object) -> None: ...

    EventConsumer(
        bus=bus,
        service="cj_assessment_service",
        group="cj_assessment_consumer_group",
        routes=[Route(event=ELS_CJAssessmentRequestV1, handle=handle)],
        metrics=ServiceMetrics(CollectorRegistry()),
    ).subscribe()
    await bus.publish([Message(topic=Topic.CJ_ASSESSMENT_REQUESTED, key=b"b", value=b"{}")])
    try:
        raise ValueError("unexpected")
    except ValueError as error:
        structlog.get_logger().error("worker.step_failed", worker="advance", exc_info=error)
    own = written.getvalue().splitlines()
    return [json.loads(line) for line in (*CAPTURED.read_text("utf-8").splitlines(), *own)] + [RUNNER_LINE]


def documented() -> list[str]:
    return re.findall(r"```logql\n(.+?)\n```", PAGE.read_text("utf-8"), re.DOTALL)


def of_dashboards() -> list[str]:
    return [
        query.expression
        for board in BOARDS
        for panel in board.panels()
        if panel.source is Source.LOKI
        for query in panel.queries
    ]


def ask(program: Path, question: object) -> list[dict[str, Any]]:
    """Each query with the lines that it finds, or the parser's error."""
    answered = subprocess.run(
        [program], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    answers: list[dict[str, Any]] = json.loads(answered.stdout)
    return answers


async def test_every_documented_query_and_every_panels_finds_lines(
    loki_pipeline: Path, written: io.StringIO
) -> None:
    captured = await lines(written)
    decided = next(line for line in captured if line["event"] == "batch.decided")
    queries = [
        query.replace("BATCH", decided["batch_id"]).replace("CORRELATION", decided["correlation_id"])
        for query in (*documented(), *of_dashboards())
    ]
    question = {
        "queries": queries,
        "lines": [
            {"labels": {"service": line["service"], "level": line["level"]}, "line": json.dumps(line)}
            for line in captured
        ],
    }

    answers = ask(loki_pipeline, question)

    assert len(documented()) >= 9
    assert [(one["query"], one["error"]) for one in answers if one["error"] or not one["lines"]] == []
    assert all("__error__" not in line["labels"] for one in answers for line in one["lines"])


async def test_every_line_has_its_fields_at_the_top(written: io.StringIO) -> None:
    for line in await lines(written):
        assert {"event", "level", "service", "timestamp"} <= line.keys(), line
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", line["event"])
        if line["event"].startswith("batch."):
            assert {"batch_id", "correlation_id"} <= line.keys(), line
