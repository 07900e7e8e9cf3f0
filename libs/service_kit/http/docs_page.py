"""The documentation pages of a service: its OpenAPI and AsyncAPI documents as plain HTML, without scripts."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from string import Template
from typing import Any

OpenApi = Mapping[str, Any]
AsyncApi = Mapping[str, Any]

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-size: .9rem; } pre { overflow-x: auto; background: #f4f4f4; padding: .75rem; }
table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
h2 { margin-top: 2rem; border-top: 1px solid #ccc; padding-top: 1rem; }
</style>
</head>
<body>
<h1>$title</h1>
<p>Version $version of the interface. $intro</p>
$parts
<h1>Schemas</h1>
$schemas
</body>
</html>
""")


_HTTP_INTRO = (
    'The same as a document for programs: <a href="openapi.json">openapi.json</a>. '
    'What is sent and received over Kafka: <a href="docs/events">events</a>.'
)
_EVENTS_INTRO = 'The same as a document for programs: <a href="../asyncapi.json">asyncapi.json</a>.'


def docs_page(document: OpenApi) -> str:
    """The page of a service's routes, HTML."""
    operations = [
        _operation(method, path, operation)
        for path, methods in sorted(document["paths"].items())
        for method, operation in methods.items()
    ]
    return _page(document, intro=_HTTP_INTRO, parts=operations)


def events_page(document: AsyncApi) -> str:
    """The page of the suite's events, HTML."""
    messages = document["components"]["messages"]
    channels = [
        _channel(channel, {name: messages[name] for name in channel["messages"]})
        for _, channel in sorted(document["channels"].items())
    ]
    return _page(document, intro=_EVENTS_INTRO, parts=channels)


def _page(document: Mapping[str, Any], *, intro: str, parts: Iterable[str]) -> str:
    schemas = document.get("components", {}).get("schemas", {})
    return _PAGE.substitute(
        title=escape(document["info"]["title"]),
        version=escape(document["info"]["version"]),
        intro=intro,
        parts="\n".join(parts),
        schemas="\n".join(_schema(name, schemas[name]) for name in sorted(schemas)),
    )


def _channel(channel: Mapping[str, Any], messages: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(message.get('summary', ''))}</td>"
        f"<td><code>{escape(_shape(message['payload']))}</code></td></tr>"
        for name, message in sorted(messages.items())
    )
    return (
        f"<h2><code>{escape(channel['address'])}</code></h2>"
        f"<p>{escape(channel.get('description', ''))}</p><table>{rows}</table>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    said = [operation.get("summary"), operation.get("description")]
    rows = [*_parameters(operation), *_bodies(operation)]
    cells = "".join(
        f"<tr><td>{escape(what)}</td><td><code>{escape(shape)}</code></td></tr>" for what, shape in rows
    )
    return (
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(' '.join(text for text in said if text))}</p><table>{cells}</table>"
    )


def _parameters(operation: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for parameter in operation.get("parameters", []):
        yield f"{parameter['in']} {parameter['name']}", _shape(parameter.get("schema", {}))


def _bodies(operation: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if "requestBody" in operation:
        yield "body", _content(operation["requestBody"])
    for status, response in sorted(operation.get("responses", {}).items()):
        yield f"answer {status}", _content(response)


def _content(body: Mapping[str, Any]) -> str:
    return ", ".join(_shape(media.get("schema", {})) for media in body.get("content", {}).values())


def _shape(schema: Mapping[str, Any]) -> str:
    """The name of a schema that has one, else its type."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return str(schema.get("title") or schema.get("type") or "any")


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return f"<details><summary><code>{escape(name)}</code></summary><pre>{escape(text)}</pre></details>"
