"""Every generated file in the repository: written, or compared with what is there."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch_conductor.adapters.pipelines_file import pipelines_schema
from batch_runner.artefact.assessment_run import artefact_schema
from event_contracts import API_VERSION, asyncapi_document, json_schemas
from model_manifest.endpoint_settings import endpoints_schema
from typer import Typer

from suite import scaling
from suite.benchmarks.page import PAGE as BENCHMARKS
from suite.benchmarks.page import written
from suite.generated.contracts import errors_page, events_page, http_page
from suite.generated.decisions import FOLDER as DECISIONS
from suite.generated.decisions import decisions_page
from suite.generated.environment import compose_settings, environment_example
from suite.generated.navigation import CONFIGURATION as SITE
from suite.generated.navigation import configuration as site_configuration
from suite.generated.observed import log_events_page, metrics_page
from suite.generated.openapi import described_services
from suite.generated.reference import commands_page, settings_page, topics_page
from suite.observability.dashboards import BOARDS, dashboard_json
from suite.observability.rules import RULES_FILE, rules_test_yaml, rules_yaml

ROOT = Path(__file__).parents[3]
SCHEMAS = Path("documentation/schemas")
REFERENCE = Path("documentation/reference")
SCALING = Path("documentation/explanation/scaling.md")
COMPOSE_SETTINGS = Path("deploy/compose/settings.yml")
ENVIRONMENT_EXAMPLE = Path(".env.example")
DASHBOARDS = Path("deploy/observability/grafana/dashboards")
PROMETHEUS = Path("deploy/observability/prometheus")
PARTLY_GENERATED = frozenset({SCALING, SITE})
"""Generated files of which people write the rest."""

Programs = Mapping[str, Typer]
"""The command-line programs that are documented, by name."""


def write_generated(programs: Programs, *, root: Path = ROOT) -> list[Path]:
    """Write every generated file below ``root`` and delete schemas and dashboards that are no longer generated."""
    files = generated_files(programs)
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for path in _left_over(root, files):
        (root / path).unlink()
    return sorted(files)


def check_generated(programs: Programs, *, root: Path = ROOT) -> list[Path]:
    """Generated files that are missing, changed or no longer generated."""
    files = generated_files(programs)
    stale = [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]
    return sorted([*stale, *_left_over(root, files)])


def generated_files(programs: Programs) -> dict[Path, str]:
    """The text of every generated file, by its path in the repository."""
    files = {SCHEMAS / f"{name}.json": _json(schema) for name, schema in json_schemas().items()}
    files[SCHEMAS / "assessment_run.schema.json"] = _json(artefact_schema())
    files[SCHEMAS / "pipelines.json"] = _json(pipelines_schema())
    files[SCHEMAS / "endpoints.json"] = _json(endpoints_schema())
    files[SCHEMAS / "asyncapi.json"] = _json(asyncapi_document(version=API_VERSION))
    services = asyncio.run(described_services())
    for service in services:
        files[SCHEMAS / f"openapi/{service.name}.json"] = _json(service.openapi)
    files[REFERENCE / "http.md"] = http_page(services)
    files[REFERENCE / "metrics.md"] = metrics_page(services)
    files[REFERENCE / "log-events.md"] = log_events_page(ROOT)
    files[REFERENCE / "events.md"] = events_page()
    files[REFERENCE / "errors.md"] = errors_page()
    files[DECISIONS / "README.md"] = decisions_page(ROOT)
    files[SITE] = site_configuration(ROOT)
    files[SCALING] = written((ROOT / SCALING).read_text("utf-8"), _exam())
    files[REFERENCE / "topics.md"] = topics_page()
    files[REFERENCE / "settings.md"] = settings_page()
    files[REFERENCE / "commands.md"] = commands_page(programs)
    files[COMPOSE_SETTINGS] = compose_settings()
    files[ENVIRONMENT_EXAMPLE] = environment_example()
    files |= {DASHBOARDS / f"{board.uid}.json": dashboard_json(board) for board in BOARDS}
    files[PROMETHEUS / RULES_FILE] = rules_yaml()
    files[PROMETHEUS / "alerts_test.yml"] = rules_test_yaml()
    return files


def _exam() -> str:
    figures = scaling.read_figures((ROOT / BENCHMARKS).read_text("utf-8"))
    return scaling.section(scaling.NATIONAL_EXAM, figures)


def _left_over(root: Path, files: Mapping[Path, str]) -> list[Path]:
    folders = (SCHEMAS, DASHBOARDS)
    present = {path.relative_to(root) for folder in folders for path in (root / folder).rglob("*.json")}
    return sorted(present - set(files))


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
