"""Spans: what they continue, where they go, and that nothing of them is there where nobody wants them."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog
from dishka import make_async_container
from event_contracts import ConfigurationError, TraceContext
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from service_kit.providers import InfrastructureProvider
from service_kit.settings import ServiceSettings
from service_kit.tests.spans import Spans, parent_id, span_id, trace_id
from service_kit.tracing import NO_TRACING, Tracing, current_trace
from service_kit.tracing.open_telemetry import FLUSH_SECONDS, exporting_to

ONE = TraceContext(f"00-{'1' * 32}-{'a' * 16}-01", "school=1")
OTHER = TraceContext(f"00-{'2' * 32}-{'b' * 16}-01")
UNSAMPLED = TraceContext(f"00-{'3' * 32}-{'c' * 16}-00")


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="NO_SUCH_SERVICE_", frozen=True)


def settings(endpoint: str | None) -> Settings:
    return Settings(
        database_url="postgresql+asyncpg://nobody@localhost/none",
        event_bus="memory",
        http_port=1,
        callback_signing_secret=SecretStr("whsec_" + "A" * 44),
        otlp_endpoint=endpoint,
    )


async def tracing_with(endpoint: str | None) -> Tracing:
    container = make_async_container(InfrastructureProvider(settings(endpoint), service="tested", bus=None))
    try:
        tracing: Tracing = await container.get(Tracing)
        return tracing
    finally:
        await container.close()


def test_a_span_continues_its_first_parent_and_is_linked_to_the_others() -> None:
    spans = Spans()

    with spans.tracing("tested").span("submit", parents=(ONE, OTHER)) as span:
        assert span.context == current_trace()

    [found] = spans.all()
    assert (trace_id(found), parent_id(found)) == ("1" * 32, "a" * 16)
    assert [f"{link.context.trace_id:032x}" for link in found.links] == ["2" * 32]
    assert span.context == TraceContext(f"00-{'1' * 32}-{span_id(found)}-01", "school=1")
    assert current_trace() is None


def test_a_span_within_another_continues_that_one() -> None:
    spans = Spans()
    tracing = spans.tracing("tested")

    with tracing.span("outer"), tracing.span("inner"):
        pass

    inner, outer = spans.all()
    assert (trace_id(inner), parent_id(inner)) == (trace_id(outer), span_id(outer))


def test_what_its_caller_does_not_sample_is_passed_on_and_not_kept() -> None:
    spans = Spans()

    with spans.tracing("tested").span("handle", parents=(UNSAMPLED,)) as span:
        passed_on = span.context

    assert passed_on is not None
    assert passed_on.trace_id == UNSAMPLED.trace_id
    assert passed_on.traceparent.endswith("-00")
    assert spans.all() == ()


def test_an_error_marks_its_span_and_is_not_quoted() -> None:
    spans = Spans()

    def fail() -> None:
        with spans.tracing("tested").span("handle"):
            raise ValueError("My dog wrote this essay.")

    with pytest.raises(ValueError):
        fail()

    [found] = spans.all()
    assert not found.status.is_ok
    assert found.attributes == {"error.type": "ValueError"}
    assert "dog" not in spans.as_text()


async def test_tasks_that_run_side_by_side_have_spans_of_their_own() -> None:
    spans = Spans()
    tracing = spans.tracing("tested")

    async def step(parent: TraceContext) -> TraceContext | None:
        with tracing.span("step", parents=(parent,)):
            await asyncio.sleep(0)
            return current_trace()

    found = await asyncio.gather(step(ONE), step(OTHER))

    assert [one and one.trace_id for one in found] == [ONE.trace_id, OTHER.trace_id]


def test_without_an_address_opentelemetry_is_not_even_loaded() -> None:
    program = (
        "import sys, batch_conductor.assembly, cj_assessment.assembly, llm_provider.assembly, service_kit.providers\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )

    assert loaded.stdout.strip() == "[]"


async def test_without_an_address_nothing_is_traced() -> None:
    assert await tracing_with(None) is NO_TRACING


async def test_an_address_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "service_kit.tracing.open_telemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ConfigurationError, match="install the extra `tracing`"):
        await tracing_with("http://127.0.0.1:4318")


def test_an_invalid_address_is_refused() -> None:
    with pytest.raises(ValueError, match="otlp_endpoint"):
        settings("collector:4318")


class _Collector(ThreadingHTTPServer):
    def __init__(self, *, answers: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.received: list[tuple[str, bytes]] = []
        self.released = threading.Event()
        if answers:
            self.released.set()


class _Take(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        self.server.received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.server.released.wait()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - the base class's
        return


@contextmanager
def collector(*, answers: bool = True) -> Iterator[tuple[str, _Collector]]:
    """Somebody who takes spans over HTTP, and answers or does not."""
    server = _Collector(answers=answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


async def test_spans_have_left_when_a_service_has_stopped() -> None:
    with collector() as (address, server):
        tracing = exporting_to(address + "/", service="tested")
        with tracing.span("decide on batch", attributes={"cj_assessment.batches": 1}):
            pass
        await tracing.close()

    [(path, body)] = server.received
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    [span] = resource.scope_spans[0].spans
    assert path == "/v1/traces"
    assert span.name == "decide on batch"
    assert ("service.name", "tested") in [
        (one.key, one.value.string_value) for one in resource.resource.attributes
    ]


async def test_a_collector_that_does_not_answer_holds_up_no_stop() -> None:
    with collector(answers=False) as (address, _):
        tracing = exporting_to(address, service="tested")
        with tracing.span("decide on batch"):
            pass
        started = time.monotonic()
        with structlog.testing.capture_logs() as lines:
            await tracing.close()
        seconds = time.monotonic() - started

    assert FLUSH_SECONDS <= seconds < FLUSH_SECONDS + 5
    assert [one["event"] for one in lines] == ["traces.not_flushed"]


async def test_a_collector_that_is_away_is_one_line_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with structlog.testing.capture_logs() as lines:
        tracing = exporting_to("http://127.0.0.1:9", service="tested")
        for _ in range(1_500):
            with tracing.span("decide on batch"):
                pass
        await tracing.close()

    assert [(one["event"], one["endpoint"]) for one in lines] == [
        ("traces.not_delivered", "http://127.0.0.1:9")
    ]
