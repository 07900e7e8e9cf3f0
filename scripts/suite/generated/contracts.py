"""The reference pages of the wire: events, HTTP routes and error codes, from the contracts and the services."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from event_contracts import ALL_TOPICS, ErrorCode, SuiteError, TopicSpec, http_status

from suite.generated.openapi import DescribedService
from suite.generated.pages import cell, page
from suite.installed import SERVICES

TITLES: Final = {f"{service.package}_service": service.title for service in SERVICES}
"""Each service's title by the name that it gives itself on the wire."""


IN_MESSAGES: Final = "Carried in events and results; no error of its own here."


def events_page() -> str:
    """Every event with its fields, by topic."""
    lines = [
        "Each event travels in an envelope (`event_id`, `event_type`, `event_timestamp`, `source_service`, "
        "`correlation_id`, `data`, …); below are the fields of `data`. The whole form is in the JSON Schemas under "
        "`documentation/schemas/events` and in `asyncapi.json`; every service shows them at `/docs/events`.",
        "",
    ]
    for spec in ALL_TOPICS:
        lines += [*_event(spec), ""]
    return page("Events", lines)


def _event(spec: TopicSpec) -> Iterable[str]:
    yield f"## {spec.event.__name__}"
    yield ""
    yield " ".join((spec.event.__doc__ or "").split())
    yield ""
    yield f"Topic `{spec.topic}`, from {_parties(spec.producers)} to {_parties(spec.consumers)}."
    yield ""
    yield from ("| field | type | required |", "|---|---|---|")
    schema = spec.event.model_json_schema()
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        yield f"| `{name}` | {cell(_type(field))} | {'yes' if name in required else ''} |"


def http_page(services: Sequence[DescribedService]) -> str:
    """Every route of every service, with who may call it."""
    lines = [
        "Each service shows its routes, parameters and bodies at `/docs`, and as a document for programs at "
        "`/openapi.json`. `/healthz`, `/readyz` and `/metrics` are open. Errors have one form: see "
        "[errors](errors.md).",
        "",
    ]
    for service in services:
        lines += [
            f"## {TITLES[service.name]}",
            "",
            "| route | what it does | who may call it |",
            "|---|---|---|",
        ]
        for path, operations in sorted(service.openapi["paths"].items()):
            lines += [_route(method, path, operation) for method, operation in operations.items()]
        lines.append("")
    return page("HTTP", lines)


def _route(method: str, path: str, operation: Mapping[str, Any]) -> str:
    who = operation["description"].rpartition("\n\n")[2]
    return f"| `{method.upper()} {path}` | {cell(operation.get('summary', ''))} | {cell(who)} |"


def errors_page() -> str:
    """Every error code with its HTTP status, and what raises it."""
    raised = {error.code: " ".join((error.__doc__ or "").split()) for error in _errors(SuiteError)}
    lines = [
        "Every error has the body of `schemas/http/ErrorBody.json`: a code, a message that says what to do, the "
        "service, and the `correlation_id` under which its log has the rest. The status is that of a direct "
        "answer; in events and in the answers of single comparisons only the code counts.",
        "",
        "| code | HTTP status | meaning |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{code}` | {http_status(code)} | {cell(raised.get(code, IN_MESSAGES))} |" for code in ErrorCode
    ]
    return page("Errors", lines)


def _errors(root: type[SuiteError]) -> Iterable[type[SuiteError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("event_contracts"):
            yield from _errors(child)


def _parties(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _type(schema: Mapping[str, Any]) -> str:
    """A field's type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return repr(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")
