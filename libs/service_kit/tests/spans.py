"""Spans in memory: what a service under test has traced."""

from collections.abc import Sequence

from dishka import Provider, Scope, provide
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext
from service_kit.tracing import Tracing
from service_kit.tracing.open_telemetry import OpenTelemetryTracing


class Spans:
    """The spans of services that share an exporter, in the order in which they ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()

    def tracing(self, service: str) -> OpenTelemetryTracing:
        """Tracing of one service."""
        return OpenTelemetryTracing(SimpleSpanProcessor(self._exporter), service=service)

    def all(self) -> Sequence[ReadableSpan]:
        """All that have ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of one name."""
        return [span for span in self.all() if span.name == name]

    def as_text(self) -> str:
        """Everything that leaves with them."""
        return "\n".join(span.to_json() for span in self.all())


def trace_id(span: ReadableSpan) -> str:
    """32 hexadecimal digits."""
    return f"{_context(span).trace_id:032x}"


def span_id(span: ReadableSpan) -> str:
    """16 hexadecimal digits."""
    return f"{_context(span).span_id:016x}"


def parent_id(span: ReadableSpan) -> str | None:
    """The span that it continues."""
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def _context(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


class Traced(Provider):
    """Lets a service trace into ``spans``."""

    scope = Scope.APP

    def __init__(self, spans: Spans, service: str) -> None:
        super().__init__()
        self._tracing = spans.tracing(service)

    @provide
    def tracing(self) -> Tracing:
        return self._tracing
