"""The server: every vendor under its own prefix of one address."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson
from hypercorn.asyncio import serve
from hypercorn.config import Config
from llm_provider.tests.vendors.fake_vendors.anthropic import Anthropic
from llm_provider.tests.vendors.fake_vendors.anthropic_jobs import anthropic_jobs
from llm_provider.tests.vendors.fake_vendors.chat import OpenRouter, SelfHosted
from llm_provider.tests.vendors.fake_vendors.dialect import Dialect
from llm_provider.tests.vendors.fake_vendors.google import Google
from llm_provider.tests.vendors.fake_vendors.google_jobs import google_jobs
from llm_provider.tests.vendors.fake_vendors.openai import OpenAi
from llm_provider.tests.vendors.fake_vendors.openai_jobs import openai_jobs
from llm_provider.tests.vendors.fake_vendors.responses import broken_off, json_response, lower_headers
from llm_provider.tests.vendors.fake_vendors.scenario import (
    Answer,
    Behaviour,
    BreaksOff,
    Expires,
    Failure,
    Raw,
    Received,
    Scenario,
    always,
)
from llm_provider.tests.vendors.fake_vendors.state import PREFIXES, FakeVendors
from quart import Quart, Response, request

_HOST: Final = "127.0.0.1"
_CALLS: Final[tuple[tuple[Dialect, str], ...]] = (
    (Anthropic(), "/v1/messages"),
    (OpenAi(), "/v1/responses"),
    (Google(), "/v1/models/<model>:generateContent"),
    (OpenRouter(), "/chat/completions"),
    (SelfHosted(), "/chat/completions"),
)


@asynccontextmanager
async def fake_vendors(scenario: Scenario = always(Answer())) -> AsyncIterator[FakeVendors]:  # noqa: B008 - no state
    """Serve on a free port of this machine until the context ends."""
    listener = socket.create_server((_HOST, 0))
    vendors = FakeVendors(f"http://{_HOST}:{listener.getsockname()[1]}", scenario)
    stop, config = asyncio.Event(), Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 0.1
    # No task group: it would wrap what a test raises into a group of errors.
    serving = asyncio.create_task(serve(application(vendors), config, shutdown_trigger=stop.wait))
    try:
        yield vendors
    finally:
        stop.set()
        await serving


def application(vendors: FakeVendors) -> Quart:
    """The vendors as an application, for those who serve it themselves."""
    app = Quart("fake_vendors")
    app.config["MAX_CONTENT_LENGTH"] = None
    app.register_error_handler(KeyError, _unknown)
    for dialect, path in _CALLS:
        _add(app, vendors, dialect, path)
    for jobs in (anthropic_jobs, openai_jobs, google_jobs):
        app.register_blueprint(jobs(vendors))
    return app


async def _unknown(_: Exception) -> Response:
    """An unknown job or file."""
    return json_response({"error": {"message": "not found"}}, status=404)


def _add(app: Quart, vendors: FakeVendors, dialect: Dialect, path: str) -> None:
    @app.post(PREFIXES[dialect.vendor] + path, endpoint=dialect.vendor)
    async def call(model: str = "") -> Response:  # noqa: ARG001 - a part of Google's path
        received = await _received(dialect.vendor)
        if not dialect.accepts(received.headers):
            return _render(dialect, received, Failure(status=401))
        vendors.received.append(received)
        behaviour = Failure(status=400) if dialect.objects(received) else vendors.scenario(received)
        if behaviour.delay:
            await asyncio.sleep(behaviour.delay)
        return _render(dialect, received, behaviour)


async def _received(vendor: str) -> Received:
    content = await request.get_data()
    return Received(
        vendor=vendor,
        path=request.path,
        headers=lower_headers(),
        body=orjson.loads(content),
        size=len(content),
    )


def _render(dialect: Dialect, received: Received, behaviour: Behaviour) -> Response:
    match behaviour:
        case Answer(limits=limits):
            return json_response(dialect.answer(received, behaviour), headers=dialect.headers(limits))
        case Failure(limits=limits, retry_after=wait, status=status):
            headers = dialect.headers(limits) | ({} if wait is None else {"retry-after": f"{wait:g}"})
            return json_response(dialect.error(received, behaviour), status=status, headers=headers)
        case Raw(body=body, content_type=content_type, status=status, encoding=encoding):
            encoded = {} if encoding is None else {"content-encoding": encoding}
            return Response(body, status=status, headers={"content-type": content_type, **encoded})
        case BreaksOff() | Expires():
            return broken_off(orjson.dumps(dialect.answer(received, Answer())))
