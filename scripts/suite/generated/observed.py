"""The reference pages of what operators see: metrics, from the registries, and log events, from the source."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from suite.generated.contracts import TITLES
from suite.generated.openapi import DescribedService
from suite.generated.pages import cell, page

LEVELS: Final = ("debug", "info", "warning", "error", "exception", "critical")
ROOTS: Final = ("libs", "services", "scripts/suite/stack", "scripts/suite/embedded")


def metrics_page(services: Sequence[DescribedService]) -> str:
    """Every metric with its type and labels: first what all services have, then what one has for itself."""
    tables = {service.name: dict(_metrics(service)) for service in services}
    common = set.intersection(*(set(table) for table in tables.values()))
    lines = [
        "Each service shows its metrics at `/metrics`. Labels have few values: routes are templates, and no label "
        "holds an id.",
        "",
        "## Every service",
        "",
        *_table({name: row for name, row in tables[services[0].name].items() if name in common}),
    ]
    for service in services:
        own = {name: row for name, row in tables[service.name].items() if name not in common}
        lines += ["", f"## {TITLES[service.name]}", "", *_table(own)]
    return page("Metrics", lines)


def _metrics(service: DescribedService) -> Iterator[tuple[str, str]]:
    """Each metric's row by its name; those of the process itself have no declaration of ours."""
    for collector in {id(one): one for one in service.metrics._names_to_collectors.values()}.values():
        if isinstance(collector, MetricWrapperBase):
            [metric] = collector.describe()
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)
            yield name, f"| `{name}` | {metric.type} | {labels} | {cell(metric.documentation)} |"


def _table(rows: Mapping[str, str]) -> Iterable[str]:
    return [
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
        *(rows[name] for name in sorted(rows)),
    ]


@dataclass(frozen=True, order=True)
class LogCall:
    """One place that writes a log event."""

    event: str
    level: str
    keys: tuple[str, ...]
    file: str


def log_events_page(root: Path) -> str:
    """Every log event with its level and keys, by who writes it."""
    calls: dict[str, set[LogCall]] = {}
    for folder in ROOTS:
        for path in sorted((root / folder).rglob("*.py")):
            if "tests" not in path.parts:
                file = path.relative_to(root)
                owner = "/".join(file.parts[:2])
                calls.setdefault(owner, set()).update(_log_calls(path.read_text("utf-8"), file=str(file)))
    lines = [
        "One JSON object per line. Every line has `timestamp`, `level`, `event` and `service`, and `correlation_id` "
        "and `batch_id` at the top where there are such; below are the keys that an event adds. No line holds a "
        "text, a prompt, a judge's reasons, a token or a key.",
    ]
    for owner, found in sorted(calls.items()):
        if found:
            lines += ["", f"## {owner}", "", "| event | level | keys | written in |", "|---|---|---|---|"]
            lines += [_log_row(call) for call in sorted(found)]
    return page("Log events", lines)


def _log_row(call: LogCall) -> str:
    keys = ", ".join(f"`{key}`" for key in call.keys)
    return f"| `{call.event}` | {call.level} | {keys} | `{call.file}` |"


def _log_calls(source: str, *, file: str) -> Iterator[LogCall]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr=level),
                args=[ast.Constant(value=str(event)), *_],
                keywords=keywords,
            ) if level in LEVELS:
                yield LogCall(event, "error" if level == "exception" else level, _keys(keywords), file)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr="log"),
                args=[levels, ast.Constant(value=str(event)), *_],
                keywords=keywords,
            ):
                yield LogCall(event, " or ".join(_levels(levels)), _keys(keywords), file)
            case _:
                pass


def _keys(keywords: Sequence[ast.keyword]) -> tuple[str, ...]:
    return tuple(one.arg for one in keywords if one.arg and one.arg != "exc_info")


def _levels(chosen: ast.expr) -> Iterator[str]:
    """The levels among which an expression such as ``logging.INFO if … else logging.WARNING`` chooses."""
    for node in ast.walk(chosen):
        match node:
            case ast.Attribute(value=ast.Name(id="logging"), attr=name):
                yield name.lower()
            case _:
                pass
